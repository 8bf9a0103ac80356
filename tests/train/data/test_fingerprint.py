"""The same rows have the same fingerprint under any name, order and split; others have another."""

import math

import pytest
from datasets import Dataset

from foretune.config.schema.data import DataConfig
from foretune.config.schema.task import ColumnsConfig, FilesConfig, TaskConfig
from foretune.core import TaskKind
from foretune.train.data import load_task
from foretune.train.data.describe import describe
from foretune.train.data.fingerprint import fingerprint, input_hashes

TEXTS = [f"text {k}" for k in range(40)]
LABELS = [k % 2 for k in range(40)]


def text(order, labels=LABELS):
    return Dataset.from_dict(
        {"text": [TEXTS[k] for k in order], "label": [labels[k] for k in order]}
    )


def test_order_and_split_do_not_count():
    whole = fingerprint([text(range(40))])
    assert fingerprint([text(range(39, -1, -1))]) == whole
    assert fingerprint([text(range(10, 40)), text(range(10))]) == whole
    assert len(whole) == 32


@pytest.mark.parametrize(
    "other",
    [
        text(range(39)),
        text([*range(40), 0]),
        text(range(40), [1, *LABELS[1:]]),
        text(range(40), [float(label) for label in LABELS]),
    ],
)
def test_rows_and_labels_count(other):
    assert fingerprint([other]) != fingerprint([text(range(40))])


def test_a_pair_is_not_its_text_put_together():
    one = Dataset.from_dict({"text": ["ab"], "text_pair": ["c"], "label": [0]})
    other = Dataset.from_dict({"text": ["a"], "text_pair": ["bc"], "label": [0]})
    assert input_hashes(one) != input_hashes(other)


def test_the_same_data_under_another_name_format_and_columns(tmp_path):
    rows = text(range(40))
    rows.to_parquet(tmp_path / "a.parquet")
    named = Dataset.from_dict({"review": TEXTS[::-1], "mood": ["np"[k] for k in LABELS[::-1]]})
    named.to_csv(tmp_path / "b.csv")
    first = TaskConfig(
        name="a", kind="text-classification", files=FilesConfig(train=str(tmp_path / "a.parquet"))
    )
    second = TaskConfig(
        name="b",
        kind="text-classification",
        columns=ColumnsConfig(text="review", label="mood"),
        files=FilesConfig(train=str(tmp_path / "b.csv")),
    )
    one, other = load_task(first, DataConfig()), load_task(second, DataConfig(seed=7))
    assert one.info.fingerprint == other.info.fingerprint
    assert one.info.classes != other.info.classes


def examples():
    tokens = {"tokens": [["Ada", "met", "Bob"], ["No", "one"]], "labels": [[1, 0, 1], [0, 0]]}
    answers = [{"text": ["b"], "answer_start": [2]}] * 2
    questions = {"id": ["0", "1"], "question": ["q?"] * 2, "context": ["a b"] * 2}
    return {
        TaskKind.TEXT_CLASSIFICATION: ({"text": ["a b", "c"], "label": [0, 1]}, 2),
        TaskKind.TEXT_REGRESSION: ({"text": ["a b", ""], "label": [0.5, 1.0]}, 0),
        TaskKind.TOKEN_CLASSIFICATION: (tokens, 2),
        TaskKind.QUESTION_ANSWERING: (questions | {"answers": answers}, 0),
    }


@pytest.mark.parametrize("kind", list(examples()))
def test_descriptors_have_the_same_keys_and_are_finite(kind):
    columns, n_classes = examples()[kind]
    rows = Dataset.from_dict(columns)
    found = describe(kind, {"train": rows, "validation": rows, "test": rows}, n_classes)
    first = next(iter(examples()))
    splits = dict.fromkeys(("train", "validation", "test"), Dataset.from_dict(examples()[first][0]))
    assert list(found) == list(describe(first, splits, 2))
    assert all(isinstance(value, float) and math.isfinite(value) for value in found.values())
    assert found[f"kind_{kind.name.lower()}"] == 1.0


def test_descriptors_of_known_text():
    rows = Dataset.from_dict({"text": ["one two", "one two three four"], "label": [0, 0]})
    found = describe(TaskKind.TEXT_CLASSIFICATION, dict.fromkeys(["train"], rows), 2)
    assert found["log_train_rows"] == pytest.approx(math.log(2))
    assert (found["tokens_mean"], found["tokens_std"], found["tokens_max"]) == (3.0, 1.0, 4.0)
    assert found["type_token_ratio"] == pytest.approx(4 / 6)
    assert found["class_entropy"] == 0.0
    assert found["majority_share"] == 1.0
