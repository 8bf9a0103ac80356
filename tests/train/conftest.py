"""Tiny tasks with a planted rule, one of each kind, and a trainer on them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset, Features, Image, Value

from foretune.config.schema.trainer import Device, TrainerConfig
from foretune.core import TaskInfo, TaskKind, TrialResult, TrialSpec
from foretune.train import TaskData, TrainObjective, load_cards

CONF = Path(__file__).resolve().parents[2] / "conf"
WORDS = [
    "the",
    "a",
    "one",
    "two",
    "film",
    "night",
    "day",
    "of",
    "in",
    "it",
    "was",
    "is",
    "very",
    "so",
    "and",
    "then",
    "we",
    "they",
    "saw",
    "had",
]
Planted = Callable[..., TaskData]
Train = Callable[..., TrialResult]


def _text(rng: np.random.Generator, *extra: str) -> str:
    words = [*rng.choice(WORDS, size=int(rng.integers(3, 12))), *extra]
    return " ".join(rng.permutation(words))


def _classification(rng: np.random.Generator, n: int) -> Dataset:
    labels = [int(value) for value in rng.integers(0, 2, n)]
    return Dataset.from_dict(
        {"text": [_text(rng, ("awful", "lovely")[y]) for y in labels], "label": labels}
    )


def _regression(rng: np.random.Generator, n: int) -> Dataset:
    labels = [float(value) for value in rng.integers(0, 4, n)]
    return Dataset.from_dict(
        {"text": [_text(rng, *["plus"] * int(y)) for y in labels], "label": labels}
    )


def _pair(rng: np.random.Generator, n: int) -> Dataset:
    labels = [int(value) for value in rng.integers(0, 2, n)]
    return Dataset.from_dict(
        {
            "text": [_text(rng, "red") for _ in labels],
            "text_pair": [_text(rng, ("blue", "red")[y]) for y in labels],
            "label": labels,
        }
    )


def _tags(rng: np.random.Generator, n: int) -> Dataset:
    known = {"anna": 1, "berta": 1, "paris": 2, "rome": 2}
    sentences = [
        _text(rng, *rng.choice(list(known), size=int(rng.integers(0, 3)))).split() for _ in range(n)
    ]
    tags = [[known.get(word, 0) for word in words] for words in sentences]
    return Dataset.from_dict({"tokens": sentences, "labels": tags})


def _answers(rng: np.random.Generator, n: int) -> Dataset:
    names = [str(name) for name in rng.choice(["anna", "berta", "carla", "dora"], n)]
    contexts = [_text(rng, name) for name in names]
    return Dataset.from_dict(
        {
            "id": [str(number) for number in range(n)],
            "question": ["who was it ?"] * n,
            "context": contexts,
            "answers": [
                {"text": [name], "answer_start": [context.index(name)]}
                for name, context in zip(names, contexts, strict=True)
            ],
        }
    )


def _images(rng: np.random.Generator, n: int) -> Dataset:
    from PIL import Image as Pillow

    labels = [int(value) for value in rng.integers(0, 2, n)]
    images = []
    for label in labels:
        pixels = rng.integers(0, 90, (8, 8, 3), dtype=np.uint8)
        pixels[:, :, 0 if label else 2] += 150  # red or blue
        images.append(Pillow.fromarray(pixels))
    return Dataset.from_dict(
        {"image": images, "label": labels},
        features=Features({"image": Image(), "label": Value("int64")}),
    )


KINDS = {
    "classification": (
        TaskKind.TEXT_CLASSIFICATION, ("accuracy", "macro_f1"), ("neg", "pos"), _classification
    ),
    "regression": (TaskKind.TEXT_REGRESSION, ("pearson", "mse"), (), _regression),
    "pair": (TaskKind.TEXT_CLASSIFICATION, ("accuracy",), ("no", "yes"), _pair),
    "tags": (
        TaskKind.TOKEN_CLASSIFICATION, ("f1", "precision", "recall"), ("O", "B-PER", "B-LOC"), _tags
    ),
    "answers": (TaskKind.QUESTION_ANSWERING, ("f1", "exact_match"), (), _answers),
    "images": (TaskKind.IMAGE_CLASSIFICATION, ("accuracy", "top1_error"), ("a", "b"), _images),
}  # fmt: skip


@pytest.fixture(scope="session")
def planted() -> Planted:
    """Makes a task of a kind in ``KINDS`` with a rule that a tiny model can learn."""

    def make(kind: str, *, rows: int = 192, held_out: int = 48) -> TaskData:
        task_kind, metrics, classes, draw = KINDS[kind]
        rng = np.random.default_rng(7)
        splits = {
            "train": draw(rng, rows), "validation": draw(rng, held_out), "test": draw(rng, held_out)
        }  # fmt: skip
        info = TaskInfo(
            name=f"planted-{kind}",
            asked=f"planted-{kind}",
            kind=task_kind,
            metric=metrics[0],
            metrics=metrics,
            higher_is_better=True,
            classes=classes,
            source="local",
            origin="drawn by the test",
            stand_in=False,
            fingerprint=kind,
        )
        return TaskData(info=info, **splits)

    return make


@pytest.fixture(scope="session")
def conf() -> Path:
    """The folder of configurations."""
    return CONF


@pytest.fixture(scope="session")
def cpu() -> TrainerConfig:
    """A trainer's config that is the same on every machine."""
    return TrainerConfig(device=Device.cpu, threads=1, answer_max_length=48, answer_stride=16)


@pytest.fixture(scope="session")
def objective(planted: Planted, cpu: TrainerConfig) -> Callable[..., TrainObjective]:
    """The objective of a planted kind and a model; made once a combination."""
    made: dict[tuple[str, str], TrainObjective] = {}

    def make(kind: str, model: str) -> TrainObjective:
        if (kind, model) not in made:
            made[kind, model] = TrainObjective(planted(kind), load_cards(CONF, [model]), cpu)
        return made[kind, model]

    return make


@pytest.fixture(scope="session")
def train(objective: Callable[..., TrainObjective]) -> Train:
    """Trains one trial of a planted kind."""

    def run(kind: str, model: str, *, seed: int = 1, save_to: Path | None = None,
            **params: object) -> TrialResult:  # fmt: skip
        spec = TrialSpec(number=0, params={"model": model, **params}, seed=seed, save_to=save_to)
        return objective(kind, model)(spec, lambda report: False)

    return run
