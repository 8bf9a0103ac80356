"""Which of the pretrained models fits the task, seen from a few labelled examples?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from foretune.config.schema.selection import SelectionConfig
from foretune.core import TaskInfo
from foretune.select import (
    IN_SCORE_UNITS,
    Candidate,
    Choice,
    Episode,
    Shown,
    build_selector,
    choose,
)
from foretune.selection.start import learned_start
from foretune.selection.tuner import TrialTuner
from foretune.selection.views import Views, view_all

if TYPE_CHECKING:
    from foretune.config.schema.trainer import TrainerConfig
    from foretune.train import ModelCard, TaskData

_BACKWARD = 3.0  # a training step over a forward pass (Kaplan et al. 2020, table 1: 1 + 2)
_FLOAT_MB = 4.0  # a million parameters


@dataclass(frozen=True)
class Member:
    """One model as the support set shows it.

    Attributes:
        name: The model.
        probes: Each probe's score, higher is better, NaN where it has no meaning.
        score: The selector's, higher is better.
        low, high: 10 % and 90 % ends of its interval.
        seconds: Predicted for its default configuration on all training rows.
        memory_mb: Of its weights.
    """

    name: str
    probes: Mapping[str, float]
    score: float
    low: float
    high: float
    seconds: float
    memory_mb: float


@dataclass(frozen=True)
class ModelChoice:
    """What was chosen, from what.

    Attributes:
        choice: The model and the reason.
        members: Every model that could be judged, best first.
        left_out: A sentence on each that could not.
        learnt: What the selector learnt from, in a line; empty: it does not learn.
        selector: Its name.
        kept: The chosen model and those that come next, that a search goes on with.
        n_rows: Rows of the support set.
        probe_s: Seconds that it all took.
    """

    choice: Choice
    members: tuple[Member, ...]
    left_out: tuple[str, ...]
    learnt: str
    selector: str
    kept: tuple[str, ...]
    n_rows: int
    probe_s: float


def choose_model(
    data: TaskData,
    cards: Mapping[str, ModelCard],
    *,
    selection: SelectionConfig,
    trainer: TrainerConfig,
    cache_dir: Path,
    past: Sequence[Episode] = (),
    max_s: float | None = None,
) -> ModelChoice:
    """Show every model the same few training rows and choose one.

    A model that cannot be judged is left out and named (`views.view_all`).

    Args:
        data: The task.
        cards: The models, by name, in the order of preference.
        selection: How to choose.
        trainer: Device, threads and lengths.
        cache_dir: Where embeddings are kept for the next time.
        past: Selections on other tasks, for the selectors that learn.
        max_s: Seconds for probing; None: no limit.

    Raises:
        DataError: The support set cannot tell models apart: one class, or fewer rows than classes.
        ModelError: No model is left, or the selector has no meaning for the task.
    """
    from foretune.train.probe import support_rows

    views = view_all(
        data, cards, size=selection.support_size, seed=selection.seed, trainer=trainer,
        cache_dir=cache_dir, max_s=max_s,
    )  # fmt: skip
    kept = {name: cards[name] for name in views.of}
    shown = Shown(
        supports={name: view.support for name, view in views.of.items()},
        probes={name: view.probes for name, view in views.of.items()},
        models={name: describe(card, data.info) for name, card in kept.items()},
        kind=data.info.kind.value,
        n_rows=views.n_rows,
        seed=selection.seed,
        tuner=TrialTuner(
            data,
            support_rows(data, selection.support_size, selection.seed),
            kept,
            trainer=trainer,
            epochs=selection.bandit_epochs,
            seed=selection.seed,
        ),
    )
    start, about_start = None, ""
    if selection.method == "maml":
        start, about_start = learned_start(cache_dir, data.info, selection)
    selector, learnt = build_selector(
        selection.method,
        episodes=past,
        start=start,
        pulls=selection.bandit_pulls,
        rate=selection.meta_lr,
        iterations=selection.meta_iterations,
        seed=selection.seed,
    )
    judged = selector(shown)
    members = [
        Member(
            name=name,
            probes=views.of[name].probes,
            score=own.score,
            low=own.low,
            high=own.high,
            seconds=_seconds(kept[name], data, views),
            memory_mb=kept[name].parameters_m * _FLOAT_MB,
        )
        for name, own in judged.items()
    ]
    members.sort(key=lambda m: (-m.score, m.name))
    absolute = selection.method in IN_SCORE_UNITS
    scale = 1.0 if absolute else members[0].score - members[-1].score
    choice = choose(
        [Candidate(m.name, m.score, m.low, m.high, m.seconds) for m in members],
        selection.threshold * scale,
    )
    others = [m.name for m in members if m.name != choice.name]
    return ModelChoice(
        choice, tuple(members), views.left_out, about_start or learnt, selection.method,
        (choice.name, *others[: selection.keep - 1]), views.n_rows, views.seconds,
    )  # fmt: skip


def describe(card: ModelCard, info: TaskInfo) -> dict[str, float]:
    """Numbers that describe a model beside a task: also whether it was pretrained on that task."""
    names = (info.name, info.asked)
    return {
        **card.descriptors(),
        "labelled": float(bool(card.source_classes)),
        "saw_texts": float(any(name in card.corpus for name in names)),
        "saw_labels": float(card.source_task in names),
    }


def _seconds(card: ModelCard, data: TaskData, views: Views) -> float:
    """Predicted seconds of the default configuration, from the seconds of reading a row once."""
    per_row = views.of[card.name].seconds / views.n_rows
    epochs = float(card.default_for(data.info.kind.value).get("epochs", 1))
    rows = data.info.rows
    seconds = per_row * epochs * (_BACKWARD * rows["train"] + rows["validation"])
    return seconds if math.isfinite(seconds) else 0.0
