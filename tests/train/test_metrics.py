"""The tasks' own metrics, against values worked out by hand."""

import math

import numpy as np
import pytest

from foretune.config.schema.task import KINDS, METRICS
from foretune.core import DataError, TaskInfo, TaskKind
from foretune.train.metrics import LOWER_IS_BETTER, compute
from foretune.train.metrics_qa import exact_match, f1, normalise

TAGS = ("O", "B-person", "I-person", "B-place", "I-place")


def info(kind, *metrics, classes=()):
    return TaskInfo(
        name="t",
        asked="t",
        kind=TaskKind(kind),
        metric=metrics[0],
        metrics=metrics,
        higher_is_better=metrics[0] not in LOWER_IS_BETTER,
        classes=classes,
        source="local",
        origin="",
        stand_in=False,
        fingerprint="",
    )


@pytest.mark.parametrize(
    ("metric", "wanted"),
    [
        # class 1: 2 right of 3 predicted, 2 of 4 there; class 0: 3 of 5 predicted, 3 of 4 there
        ("accuracy", 5 / 8),
        ("top1_error", 3 / 8),
        ("f1", 2 * (2 / 3) * (2 / 4) / (2 / 3 + 2 / 4)),
        ("macro_f1", (4 / 7 + 6 / 9) / 2),
        ("matthews", (2 * 3 - 1 * 2) / math.sqrt(3 * 4 * 4 * 5)),
    ],
)
def test_classification(metric, wanted):
    truth, said = [1, 1, 1, 1, 0, 0, 0, 0], [1, 1, 0, 0, 1, 0, 0, 0]
    found = compute(info("text-classification", metric), said, truth)
    assert found == {metric: pytest.approx(wanted)}


def test_regression():
    task = info("text-regression", "pearson", "spearman", "mse")
    found = compute(task, [1.0, 2.0, 4.0], [1.0, 2.0, 3.0])
    assert found["pearson"] == pytest.approx(3 / math.sqrt(2 * 14 / 3))
    assert found["spearman"] == pytest.approx(1.0)
    assert found["mse"] == pytest.approx(1 / 3)


def test_a_constant_correlates_with_nothing():
    task = info("text-regression", "pearson", "spearman")
    assert compute(task, [2.0, 2.0, 2.0], [1.0, 2.0, 3.0]) == {"pearson": 0.0, "spearman": 0.0}


def test_entities_count_with_their_span_and_type():
    task = info("token-classification", "f1", "precision", "recall", "accuracy", classes=TAGS)
    truth = [[1, 2, 0, 3], [0, 1]]
    said = [[1, 0, 0, 3], [0, 3]]  # a span cut short, a place found, a person taken for a place
    found = compute(task, said, truth)
    assert found["precision"] == pytest.approx(1 / 3)
    assert found["recall"] == pytest.approx(1 / 3)
    assert found["f1"] == pytest.approx(1 / 3)
    assert found["accuracy"] == pytest.approx(4 / 6)


def test_no_entity_found_is_zero():
    task = info("token-classification", "f1", "precision", "recall", classes=TAGS)
    assert set(compute(task, [[0, 0]], [[1, 2]]).values()) == {0.0}


@pytest.mark.parametrize(
    ("answer", "plain"),
    [
        ("The  Cat sat.", "cat sat"),
        ("a U.S.-based firm", "usbased firm"),
        ("an answer", "answer"),
        ("theatre", "theatre"),
        ("A", ""),
    ],
)
def test_answers_are_normalised_as_squad_does(answer, plain):
    assert normalise(answer) == plain


@pytest.mark.parametrize(
    ("prediction", "truth", "exact", "overlap"),
    [
        ("the Denver Broncos", "Denver Broncos!", 1.0, 1.0),
        ("Denver", "Denver Broncos", 0.0, 2 / 3),
        ("Denver Denver", "Denver Broncos", 0.0, 0.5),
        ("", "Denver", 0.0, 0.0),
        ("the", "a", 1.0, 0.0),  # nothing is left of either: the official F1 gives 0 there
    ],
)
def test_answer_measures(prediction, truth, exact, overlap):
    assert exact_match(prediction, truth) == exact
    assert f1(prediction, truth) == pytest.approx(overlap)


def test_the_best_of_several_right_answers_counts():
    task = info("question-answering", "f1", "exact_match")
    found = compute(task, ["in Paris", "no"], [["Paris", "in Paris"], ["yes"]])
    assert found == {"f1": 0.5, "exact_match": 0.5}


def test_every_metric_of_every_kind_can_be_computed():
    examples = {
        "text-classification": ([0, 1], [0, 1]),
        "image-classification": ([0, 1], [0, 1]),
        "text-regression": ([0.5, 1.0], [0.0, 1.0]),
        "token-classification": ([[1]], [[1]]),
        "question-answering": (["x"], [["x"]]),
    }
    assert set(KINDS) == {kind.value for kind in TaskKind} == set(examples)
    for kind, metrics in METRICS.items():
        found = compute(info(kind, *metrics, classes=TAGS), *examples[kind])
        assert list(found) == list(metrics)
        assert all(isinstance(value, float) and np.isfinite(value) for value in found.values())


@pytest.mark.parametrize(("said", "truth"), [([], []), ([1], [1, 0])])
def test_nothing_to_measure(said, truth):
    with pytest.raises(DataError, match="expected one prediction for each"):
        compute(info("text-classification", "accuracy"), said, truth)


def test_tags_of_another_length():
    with pytest.raises(DataError, match="expected 2 predicted tags in row 0, got 1"):
        compute(info("token-classification", "f1", classes=TAGS), [[0]], [[0, 0]])
