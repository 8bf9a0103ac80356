"""A member in the making: its weights between the stages, and what each stage came to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from foretune.config.schema.model import ModelCard
from foretune.config.schema.pool import RecipeConfig, StageConfig
from foretune.config.schema.trainer import TrainerConfig
from foretune.core import TaskInfo, TaskKind, derive_seed
from foretune.train.data import TaskData
from foretune.train.data.splits import subset
from foretune.train.device import build_accelerator
from foretune.train.feed import Feed
from foretune.train.loop import predict
from foretune.train.metrics import compute
from foretune.train.models.heads import SequenceHead
from foretune.train.models.network import ImageNetwork, Network
from foretune.train.params import TrialParams
from foretune.train.pretrain.pace import OnStep, Ran, run_steps
from foretune.train.pretrain.sources import Sources
from foretune.train.units import TaskUnit

VALIDATION_ROWS = 1000
DROPOUT = 0.1


@dataclass(frozen=True)
class Head:
    """What a member tells of its source task: classes, and the layers that tell them."""

    task: str
    classes: tuple[str, ...]
    state: dict[str, Tensor]


@dataclass
class StageReport:
    """What a stage came to.

    Attributes:
        learns: What was learnt.
        sources: Each source's task, fingerprint and rows that were read.
        ran: Steps, seconds, loss.
        metric: What the score is: the task's metric, or ``told`` (hidden pieces told rightly).
        score: On rows that were not learnt from.
        chance: What the majority class (or the mean) has on them.
    """

    learns: str
    sources: list[dict[str, Any]]
    ran: Ran
    metric: str
    score: float
    chance: float


@dataclass
class Plan:
    """What every stage of a member needs.

    Attributes:
        name: The member's.
        recipe: Its recipe, with the sizes of this machine.
        sources: The source tasks.
        trainer: Device and threads.
        seed: Of everything that is drawn.
        start: The card that it goes on from; None: it starts from nothing.
    """

    name: str
    recipe: RecipeConfig
    sources: Sources
    trainer: TrainerConfig
    seed: int
    start: ModelCard | None = None
    device: torch.device = field(init=False)

    def __post_init__(self) -> None:
        self.device = build_accelerator(self.trainer).device

    def seed_for(self, number: int) -> int:
        """A stage's seed."""
        return derive_seed(self.seed, self.name, "stage", number)


def learn_labels(
    network: Network,
    unit: TaskUnit,
    task: TaskData,
    rows: Any,
    *,
    plan: Plan,
    stage: StageConfig,
    number: int,
    steps: int,
    seconds: float,
    on_step: OnStep,
) -> StageReport:
    """Learn a task's labels on ``rows``, and measure on its validation rows."""
    import numpy as np

    network.to(plan.device)
    training = Feed(unit, unit.prepare(rows), plan.device)
    held = subset(task.validation, VALIDATION_ROWS, seed=plan.seed, what="pretrain")
    validation = Feed(unit, unit.prepare(held), plan.device)
    rng = np.random.default_rng(plan.seed_for(number))

    def batches() -> Any:
        while True:
            yield from training.training(stage.batch_size, rng)

    ran = run_steps(
        network,
        batches(),
        lambda batch: unit.loss(network, network(batch), batch),
        stage=stage,
        steps=steps,
        seconds=seconds,
        on_step=on_step,
    )
    info = task.info
    found = predict(network, validation, batch_size=plan.trainer.eval_batch_size)
    metrics = compute(info, found, unit.references(held))
    return StageReport(
        stage.learns.value,
        [described(task, len(rows))],
        ran,
        info.metric,
        metrics[info.metric],
        info.baseline.get("validation", 0.0),
    )


def params_for(plan: Plan, depth: int, pooling: str = "mean") -> TrialParams:
    """A trial's parameters that build a whole network which learns."""
    return TrialParams(model=plan.name, layers=depth, dropout=DROPOUT, pooling=pooling)


def head_of(network: Network, info: TaskInfo) -> Head | None:
    """What is kept of a network's head: the layers that tell a source task's classes."""
    if not info.classes:
        return None
    linear: Any
    if isinstance(network, ImageNetwork):
        norm, linear = None, network.head[1]
    else:
        norm, linear = getattr(network.head, "norm", None), network.head.linear
    state = {"linear.weight": linear.weight, "linear.bias": linear.bias}
    if isinstance(network.head, SequenceHead) and isinstance(norm, torch.nn.LayerNorm):
        state |= {"norm.weight": norm.weight, "norm.bias": norm.bias}
    return Head(info.name, info.classes, {k: v.detach().cpu().clone() for k, v in state.items()})


def described(task: TaskData, n_rows: int) -> dict[str, Any]:
    """A source, for a member's provenance."""
    info = task.info
    return {
        "task": info.name,
        "asked": info.asked,
        "fingerprint": info.fingerprint,
        "rows": n_rows,
        "origin": info.origin,
    }


def kinds_of(tasks: Sequence[TaskData], *kinds: TaskKind) -> list[TaskData]:
    """The tasks of some kinds."""
    return [task for task in tasks if task.info.kind in kinds]
