"""One trial: what is asked of a trainer, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Protocol

ParamValue = str | int | float | bool | None
FORESEEN_S = "foreseen_s"  # metric of a rehearsal: seconds that the trial would take


class Answer(IntEnum):
    """What a trial should do after an epoch; True and False mean the first two."""

    GO_ON = 0
    STOP = 1
    PAUSE = 2  # write a checkpoint and stop, to go on from there some day


OnEpoch = Callable[["EpochReport"], "Answer | bool"]
"""Called after each epoch's validation; its answer says what the trial should do now."""


class Status(StrEnum):
    """How a trial ended, or that it was put aside."""

    COMPLETED = "completed"
    PRUNED = "pruned"
    PAUSED = "paused"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class TrialSpec:
    """What to train.

    Attributes:
        number: The trial's number in its study.
        params: The point of the space, by parameter name; only active parameters.
        seed: Seeds everything random in the trial.
        save_to: Where to put the trained model if it is worth keeping; None: never save.
        save_above: Keep the model only if its best score exceeds this (the incumbent's score).
        deadline_s: Stop, as if ``on_epoch`` had said so, at the end of the first epoch that ends
            this many seconds after the trial's start; None: no limit.
        checkpoint: File for the state after each epoch; where it is there, training goes on from
            it. None: never.
        micro_batches: Parts that each batch is computed in, for want of memory; the gradient is
            that of the whole batch.
        rehearses: Whether to take but a few steps, and to say with the metric `FORESEEN_S` how long
            the whole would take. No epoch is finished and nothing is saved.
    """

    number: int
    params: Mapping[str, ParamValue]
    seed: int
    save_to: Path | None = None
    save_above: float = float("-inf")
    deadline_s: float | None = None
    checkpoint: Path | None = None
    micro_batches: int = 1
    rehearses: bool = False


@dataclass(frozen=True)
class EpochReport:
    """One epoch's validation: ``epoch`` counts from 1, ``score`` is higher-is-better."""

    epoch: int
    score: float
    metrics: Mapping[str, float]
    seconds: float


@dataclass(frozen=True)
class Resources:
    """What a trial used. Seconds are wall seconds; memory in MiB; utilisation in per cent.

    ``once_s``: those of the seconds that made what later trials find ready.
    """

    seconds: float = 0.0
    examples_per_second: float = 0.0
    peak_ram_mb: float = 0.0
    peak_gpu_mb: float = 0.0
    cpu_percent: float = 0.0
    gpu_percent: float = 0.0
    once_s: float = 0.0


@dataclass(frozen=True)
class TrialResult:
    """What came of a trial. A failed trial has a reason and no score.

    Attributes:
        spec: What was asked.
        status: How it ended.
        score: The best epoch's score, higher is better; None where no epoch was finished.
        metrics: The best epoch's validation metrics (``eval_loss``, ``eval_accuracy``, ...).
        epochs: Every finished epoch, in order: the learning curve.
        resources: Time, memory and utilisation.
        reason: Why it failed, was pruned or was interrupted; empty otherwise.
        model_dir: Where its model was saved, if it was.
        censored: Whether it was killed for its time: its score is that of its last epoch, a bound
            of what it might have come to, and its model is lost.
        out_of_memory: Whether it failed for want of memory.
        micro_batches: Parts that each batch was computed in at last.
        test: The best epoch's metrics on the test rows, where they were asked for.
        test_score: The score that they mean. Nothing is ever chosen by it.
    """

    spec: TrialSpec
    status: Status
    score: float | None
    metrics: Mapping[str, float] = field(default_factory=dict)
    epochs: tuple[EpochReport, ...] = ()
    resources: Resources = Resources()
    reason: str = ""
    model_dir: Path | None = None
    censored: bool = False
    out_of_memory: bool = False
    micro_batches: int = 1
    test: Mapping[str, float] = field(default_factory=dict)
    test_score: float | None = None


class Objective(Protocol):
    """The seam between a search and a trainer (or a table, or a surrogate)."""

    def __call__(self, spec: TrialSpec, on_epoch: OnEpoch) -> TrialResult:
        """Train ``spec``, call ``on_epoch`` after each epoch, and say what came of it."""
        ...
