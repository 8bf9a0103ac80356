"""From recipes to members: what is there is kept, each gets its share of the time."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

import torch

from foretune.config.schema.data import DataConfig
from foretune.config.schema.model import ModelCard, Source
from foretune.config.schema.pool import PoolConfig, RecipeConfig
from foretune.config.schema.task import TaskConfig
from foretune.config.schema.trainer import TrainerConfig
from foretune.core import ConfigError, ForetuneError
from foretune.train.device import choose_device, set_threads
from foretune.train.pool import read_member
from foretune.train.pretrain.images import ImageLearner
from foretune.train.pretrain.learner import Plan, StageReport
from foretune.train.pretrain.sources import Sources
from foretune.train.pretrain.text import TextLearner
from foretune.train.pretrain.write import measure_step, write_member

log = logging.getLogger(__name__)

LEAST_S = 1.0  # of the budget, below which no further member is begun
VERSIONS = ("foretune", "torch", "transformers", "tokenizers", "timm", "datasets")


@dataclass(frozen=True)
class Built:
    """What became of a recipe.

    Attributes:
        name: The member's.
        card: Its card; None: it was not built.
        seconds: What building it took here; 0 where it was there.
        stages: What its stages came to; empty where it was there.
        note: Why it was not built, or that it was there.
    """

    name: str
    card: ModelCard | None
    seconds: float = 0.0
    stages: tuple[StageReport, ...] = ()
    note: str = ""


class Watcher(Protocol):
    """Is told how the pool is coming on."""

    def step(self, name: str, what: str, share: float, loss: float) -> None:
        """A step of a member's stage is done: ``share`` of the stage's steps."""
        ...

    def member(self, built: Built) -> None:
        """A recipe is dealt with."""
        ...


def build_pool(
    pool: PoolConfig,
    *,
    task_config: Callable[[str], TaskConfig],
    data: DataConfig,
    trainer: TrainerConfig,
    watcher: Watcher,
    starts: Mapping[str, ModelCard] | None = None,
) -> list[Built]:
    """Build the members of the recipes asked for that are not there yet.

    One that cannot be built is named with the reason; the others are built all the same.

    Args:
        pool: Recipes, folder, budget, seed.
        task_config: Gives a source task's configuration by its name.
        data: Where the source tasks' rows come from.
        trainer: Device, threads.
        watcher: Is told.
        starts: The cards that recipes go on from, by name.

    Raises:
        ConfigError: The folder cannot be written to.
    """
    began = time.monotonic()
    folder = Path(pool.folder).expanduser()
    _check_writable(folder)
    set_threads(trainer.threads)
    on_gpu = choose_device(trainer.device) != "cpu"
    names = list(pool.build) or list(pool.recipes)
    sources = Sources(task_config, data, trainer, pool.sources)
    done: list[Built] = []
    left = []
    for name in names:
        card, why = read_member(folder / name)
        recipe = pool.recipes[name].on_gpu() if on_gpu else pool.recipes[name]
        if card is None:
            if (folder / name).exists():
                log.info("%s is built again: %s", name, why)
            left.append((name, recipe))
            continue
        same = card.provenance.get("recipe") == recipe_mark(recipe)
        note = "is there" if same else "is there, by another recipe; delete its folder to build it"
        done.append(Built(name, card, note=note))
        watcher.member(done[-1])
    for number, (name, recipe) in enumerate(left):
        share = (pool.budget_s - (time.monotonic() - began)) / (len(left) - number)
        if share < LEAST_S:
            built = Built(name, None, note="the budget is spent; the same command goes on")
        else:
            start = (starts or {})[recipe.start] if recipe.start else None
            plan = Plan(name, recipe, sources, trainer, pool.seed, start)
            built = _try(plan, folder / name, pool.max_steps, share, watcher)
        done.append(built)
        watcher.member(built)
    return sorted(done, key=lambda built: names.index(built.name))


def recipe_mark(recipe: RecipeConfig) -> str:
    """A hash of what makes a member another one."""
    content = dataclasses.asdict(recipe)
    for name in ("default", "task_defaults", "space", "gpu"):
        content.pop(name)
    text = json.dumps(content, sort_keys=True, default=lambda v: v.value)
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def _try(
    plan: Plan, folder: Path, max_steps: int | None, seconds: float, watcher: Watcher
) -> Built:
    began = time.monotonic()
    try:
        return _build(plan, folder, max_steps, began + seconds, watcher)
    except (ForetuneError, OSError, RuntimeError, MemoryError) as error:
        log.info("%s was not built", plan.name, exc_info=True)
        line = (str(error).splitlines() or [type(error).__name__])[0]
        return Built(plan.name, None, time.monotonic() - began, note=line)


def _build(
    plan: Plan, folder: Path, max_steps: int | None, deadline: float, watcher: Watcher
) -> Built:
    """Go through the stages and write the member; each stage has its share of what time is left."""
    began, recipe = time.monotonic(), plan.recipe
    learner = ImageLearner(plan) if recipe.reads_images else TextLearner(plan)
    all_steps = [min(stage.steps, max_steps or stage.steps) for stage in recipe.stages]
    reports: list[StageReport] = []
    for number, (stage, steps) in enumerate(zip(recipe.stages, all_steps, strict=True)):
        left = max(LEAST_S / 10, deadline - time.monotonic())

        def on_step(step: int, loss: float, what: str = stage.learns.value, n: int = steps) -> None:
            watcher.step(plan.name, what, step / n, loss)

        with torch.random.fork_rng():
            torch.manual_seed(plan.seed_for(number))
            reports.append(
                learner.learn(
                    stage,
                    number,
                    steps=steps,
                    seconds=left * steps / sum(all_steps[number:]),
                    on_step=on_step,
                )
            )
    card = _card(plan, learner, reports, time.monotonic() - began)
    card = write_member(folder, card, learner.base(), learner.head)
    return Built(plan.name, card, time.monotonic() - began, tuple(reports))


def _card(
    plan: Plan, learner: TextLearner | ImageLearner, reports: Sequence[StageReport], seconds: float
) -> ModelCard:
    """The finished member's card."""
    recipe, card = plan.recipe, learner.card()
    card.step_s, card.step_on = measure_step(card, learner.base(), plan.device)
    card.source, card.checkpoint = Source.path, "."
    card.parameters_m = round(card.parameters_m, 4)
    read = [source["task"] for report in reports for source in report.sources]
    card.corpus = list(dict.fromkeys([*(plan.start.corpus if plan.start else ()), *read]))
    card.licence = "trained here: the terms of its sources hold"
    card.space, card.default = dict(recipe.space), {"layers": card.depth, **recipe.default}
    card.space.setdefault("layers", {"low": 1, "high": card.depth})
    card.task_defaults = dict(recipe.task_defaults)
    if learner.head is not None:
        card.source_task, card.source_classes = learner.head.task, list(learner.head.classes)
    card.provenance = {
        "recipe": recipe_mark(recipe),
        "seed": plan.seed,
        "seconds": round(seconds, 1),
        "device": plan.device.type,
        "stages": [_stage(report) for report in reports],
        "versions": _versions(),
    }
    return card


def _stage(report: StageReport) -> dict[str, Any]:
    return {
        "learns": report.learns,
        "steps": report.ran.steps,
        "seconds": round(report.ran.seconds, 1),
        "loss": round(report.ran.loss, 4),
        "metric": report.metric,
        "score": round(report.score, 4),
        "chance": round(report.chance, 4),
        "sources": report.sources,
    }


def _versions() -> dict[str, str]:
    found = {}
    for package in VERSIONS:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        marker = folder / ".writable"
        marker.touch()
        marker.unlink()
    except OSError as error:
        raise ConfigError(
            f"pool.folder: expected a folder that can be written to, got {folder}"
            f" ({error.strerror}); name another with pool.folder=DIR"
        ) from error
