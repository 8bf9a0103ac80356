"""Source tasks in a folder, recipes that take a second each, and the pool that they make."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from foretune.config.schema.data import DataConfig
from foretune.config.schema.model import ModelCard, Pair
from foretune.config.schema.pool import Learns, Pieces, PoolConfig, RecipeConfig, StageConfig
from foretune.config.schema.task import ColumnsConfig, TaskConfig
from foretune.config.schema.trainer import TrainerConfig
from foretune.train.pretrain import Built, build_pool

TINY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 64}  # fmt: skip
KINDS = {
    "topics": ("classification", "text-classification", ["neg", "pos"]),
    "posts": ("tags", "token-classification", ["O", "B-PER", "B-LOC"]),
    "numbers": ("regression", "text-regression", []),
    "questions": ("answers", "question-answering", []),
    "photos": ("images", "image-classification", ["a", "b"]),
}


def stage(learns: str, *sources: str, steps: int = 6) -> StageConfig:
    return StageConfig(Learns[learns], list(sources), steps=steps, lr=3e-3, batch_size=16)


def text(encoder: str, *stages: StageConfig, **others: object) -> RecipeConfig:
    recipe = RecipeConfig(
        encoder=encoder, architecture=dict(TINY), vocabulary=300, max_length=24,
        stages=list(stages), default={"lr": 3e-3, "epochs": 1},
        space={"lr": {"low": 1e-4, "high": 1e-2}},
    )  # fmt: skip
    return dataclasses.replace(recipe, **others)


RECIPES = {
    "a_bert": text("bert", stage("masked", "topics", "questions"), stage("labels", "topics")),
    "a_roberta": text("roberta", stage("labels", "posts"), pieces=Pieces.byte_bpe),
    "an_albert": text(
        "albert", stage("masked", "topics", "posts"), pieces=Pieces.unigram, vocabulary=120,
        architecture={**TINY, "embedding_size": 16},
    ),
    "a_distilbert": text(
        "distilbert", stage("masked", "numbers"), stage("labels", "numbers"), pair=Pair.separate,
        architecture={"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64},
    ),
    "a_bilstm": text(
        "bilstm", stage("masked", "posts"), stage("labels", "posts"),
        architecture={"embedding": 24, "hidden": 16, "layers": 2},
        space={"frozen": None, "lr": {"low": 1e-4, "high": 1e-2}},
    ),
    "a_resnet": RecipeConfig(
        "resnet", {"name": "test_resnet"}, stages=[stage("rotations", "photos")],
        default={"lr": 3e-3, "epochs": 1},
    ),
    "an_efficientnet": RecipeConfig(
        "efficientnet", {"name": "test_efficientnet"}, stages=[stage("labels", "photos")],
        default={"lr": 3e-3, "epochs": 1},
    ),
}  # fmt: skip


class Seen:
    """Remembers what a watcher is told."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, str]] = []
        self.members: list[Built] = []

    def step(self, name: str, what: str, share: float, loss: float) -> None:
        self.steps.append((name, what))

    def member(self, built: Built) -> None:
        self.members.append(built)


def _task_config(name: str) -> TaskConfig:
    columns = ColumnsConfig(label="labels" if name == "posts" else "label")
    return TaskConfig(name=name, kind=KINDS[name][1], classes=KINDS[name][2], columns=columns)


@pytest.fixture(scope="session")
def source_task() -> Callable[[str], TaskConfig]:
    """Gives a source task's configuration by its name."""
    return _task_config


@pytest.fixture(scope="session")
def source_dir(planted, tmp_path_factory) -> Path:
    """A folder with one folder a source task."""
    folder = tmp_path_factory.mktemp("sources")
    for name, (kind, _, _) in KINDS.items():
        data = planted(kind, rows=160, held_out=40)
        (folder / name).mkdir()
        for split in ("train", "validation", "test"):
            getattr(data, split).to_parquet(folder / name / f"{split}.parquet")
    return folder


@pytest.fixture(scope="session")
def small(cpu) -> TrainerConfig:
    """A trainer whose searches draw few rows, so that most are left for pretraining."""
    return dataclasses.replace(cpu, cpu_train_rows=32)


@pytest.fixture(scope="session")
def pretrain(source_dir, small) -> Callable[..., tuple[list[Built], Seen]]:
    """Builds a pool from ``RECIPES``, or others."""

    def run(folder: Path, *, trainer: TrainerConfig = small, data: DataConfig | None = None,
            starts: Mapping[str, ModelCard] | None = None,
            **settings: object) -> tuple[list[Built], Seen]:  # fmt: skip
        pool = PoolConfig(folder=str(folder), **{"recipes": RECIPES, **settings})
        assert not pool.problems()
        seen = Seen()
        built = build_pool(
            pool, task_config=_task_config, data=data or DataConfig(dir=str(source_dir)),
            trainer=trainer, watcher=seen, starts=starts,
        )  # fmt: skip
        return built, seen

    run.parts = {"task_config": _task_config, "data": DataConfig(dir=str(source_dir)),
                 "trainer": small}  # fmt: skip
    return run


@pytest.fixture(scope="session")
def recipes() -> dict[str, RecipeConfig]:
    """The tiny recipes, by name."""
    return RECIPES


@pytest.fixture(scope="session")
def tiny_pool(pretrain, tmp_path_factory) -> Path:
    """The folder of a finished pool; read only."""
    folder = tmp_path_factory.mktemp("pool")
    built, _ = pretrain(folder)
    assert {b.name: b.note for b in built if b.card is None} == {}
    return folder


@pytest.fixture
def own_pool(tiny_pool, tmp_path) -> Path:
    """A copy of the finished pool that a test may damage."""
    return Path(shutil.copytree(tiny_pool, tmp_path / "pool"))
