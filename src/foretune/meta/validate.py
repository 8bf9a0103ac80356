"""How well does the meta-model predict a task that it has not seen?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from foretune.history import HistoryRecords
from foretune.meta.experts import HistoryExpert, Inputs
from foretune.meta.model import MetaModel
from foretune.meta.ranks import spearman
from foretune.meta.settings import MetaSettings
from foretune.meta.tasks import Task, build_tasks

LEVELS = (0.5, 0.8, 0.95)
# Half widths of the central intervals of a standard normal.
_QUANTILES = {0.5: 0.6744897501960817, 0.8: 1.2815515594600038, 0.95: 1.959963984540054}
_MIN_TASKS = 3
_SHOWN = 10


@dataclass(frozen=True)
class TaskCheck:
    """How one past task was predicted by a model that never saw it.

    Attributes:
        task: The study's name.
        n_trials: Its scored trials.
        n_shown: How many of them the model was shown before it predicted the rest.
        rank_correlation: Spearman's, of predicted and true scores of the rest.
        coverage: Share of the rest inside the central 50, 80 and 95 % intervals.
    """

    task: str
    n_trials: int
    n_shown: int
    rank_correlation: float
    coverage: Mapping[float, float]


def validate(
    records: HistoryRecords,
    settings: MetaSettings | None = None,
    *,
    n_shown: int = _SHOWN,
    max_folds: int = 5,
) -> list[TaskCheck]:
    """Hold every task out once and predict it.

    Each fold trains one model without its tasks; leaving tasks out one at a time would train as
    many models as there are tasks, so ``max_folds`` bounds the cost (as many folds as tasks: the
    strict leave-one-task-out check).

    Args:
        records: The history.
        settings: The meta-model's numbers.
        n_shown: Trials of the held-out task that are shown, drawn evenly; the rest is predicted.
        max_folds: Models to train at most.

    Returns:
        One check a task; empty where fewer than three tasks are usable.
    """
    settings = settings or MetaSettings()
    tasks = build_tasks(records, use_descriptors=settings.ablation.descriptors)
    names = [t.name for t in tasks.tasks]
    if len(names) < _MIN_TASKS:
        return []
    checks: dict[str, TaskCheck] = {}
    n_folds = min(max_folds, len(names))
    for fold in range(n_folds):
        held_out = tasks.tasks[fold::n_folds]
        without = {t.name for t in held_out}
        rest = replace(records, studies=tuple(s for s in records.studies if s.name not in without))
        model = MetaModel.fit(rest, settings, None)
        if model is not None:
            for task in held_out:
                own = replace(task, raw=model.codec.translate(task.raw, tasks.codec))
                checks[task.name] = check(model, own, n_shown)
    return [checks[name] for name in names if name in checks]


def check(model: MetaModel, task: Task, n_shown: int) -> TaskCheck:
    """Show some trials of a task (in the model's codec) and compare predictions with the rest."""
    n = len(task.u)
    n_shown = min(n_shown, n // 2)
    order = np.random.default_rng(0).permutation(n)
    shown, rest = order[:n_shown], order[n_shown:]
    y = task.scale.undo(task.u)

    def inputs(rows: np.ndarray) -> Inputs:
        return model.inputs(task.raw[rows], model.codec, task=task.descriptors, models=task.models)

    expert = HistoryExpert.fit(
        model.network, observed=inputs(shown), y=y[shown], doubt=np.zeros(n_shown),
        running=inputs(rest[:0]), prior=model.spread_prior(task.metric),
        by_map=model.settings.ablation.placing,
    )  # fmt: skip
    widths = np.array([_QUANTILES[level] for level in LEVELS])
    predicted = expert.predict(inputs(rest), np.concatenate([[0.0], -widths, widths]))
    centre, low, high = predicted[0], predicted[1:4], predicted[4:]
    inside = ((y[rest] >= low) & (y[rest] <= high)).mean(1)
    return TaskCheck(
        task.name, n, n_shown, spearman(centre, y[rest]),
        {level: float(share) for level, share in zip(LEVELS, inside, strict=True)},
    )  # fmt: skip
