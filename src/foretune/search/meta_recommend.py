"""Which configurations should a new task try first, before any trial?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution

from foretune.meta.cache import cache_folder
from foretune.meta.model import MetaModel
from foretune.meta.settings import MetaSettings
from foretune.search.meta_history import recorded
from foretune.search.meta_related import Related
from foretune.search.meta_threads import one_thread
from foretune.search.meta_values import mapping, numbers


@dataclass(frozen=True)
class Recommendation:
    """One configuration to try.

    Attributes:
        params: Its values.
        rank: 1 is the first to try.
        quality: Mean over past tasks of its predicted normalised score: 0 is a task's median
            trial, 1 its best tenth.
        seconds: What past trials like it took; None where the history knows no seconds.
        best_on: Past tasks on which it is predicted to be the best of those recommended.
    """

    params: Mapping[str, object]
    rank: int
    quality: float
    seconds: float | None
    best_on: tuple[str, ...]


def recommend(
    task: Mapping[str, Any] | None,
    history: Any,
    n: int = 5,
    *,
    space: Mapping[str, BaseDistribution] | None = None,
    settings: MetaSettings | None = None,
    cache_dir: str | Path | None = None,
) -> list[Recommendation]:
    """The ``n`` configurations to try first on a task that has no trial yet.

    Greedy over the past tasks: each configuration covers those that the earlier ones serve worst.
    Among configurations within the selection threshold of the best the fastest is taken.

    Args:
        task: What is known of the task, as in a study's user attributes: ``task_descriptors``,
            ``fingerprint`` (studies of the same data are left out); None: nothing.
        history: As `foretune.MetaSampler` takes it.
        n: How many.
        space: Optuna's distributions of the task's search, by name: past configurations with a
            choice that it lacks (an image model, for a text) are no recommendation. None: what past
            tasks had is what there is.
        settings: The meta-model's numbers.
        cache_dir: Where the trained model is kept; None: the user's cache.

    Returns:
        At most ``n``, best first; empty where the history holds nothing to learn from.
    """
    attrs = mapping(task)
    settings = settings or MetaSettings()
    records = recorded(history, fingerprint=attrs.get("fingerprint"), name=None)
    with one_thread():
        folder = cache_folder(cache_dir)
        model = MetaModel.fit(records, settings, folder)
        if model is None or model.transfer.none:
            return []
        related = Related.of(model, space or {})
        return _picks(related, numbers(attrs.get("task_descriptors")), n, every=space is None)


def _picks(
    related: Related, descriptors: Mapping[str, float], n: int, *, every: bool
) -> list[Recommendation]:
    pool, model = related.pool(), related.model.of_tasks(related.tasks)
    rows = model.portfolio(
        n,
        task=descriptors,
        threshold=model.settings.selection_threshold,
        pool=pool,
        every=every,
    )
    predicted = model.regressors.predict(rows)
    seconds = None
    relative = model.relative_seconds(model.inputs(rows, model.codec, task=descriptors, models={}))
    if relative is not None and model.cost is not None:
        seconds = np.exp(np.clip(relative + model.cost.offset, -20.0, 20.0))
    names = [t.name for t in model.regressors.tasks.tasks]
    winner = predicted.argmax(1)
    return [
        Recommendation(
            params=model.codec.to_params(row), rank=k + 1, quality=float(predicted[:, k].mean()),
            seconds=None if seconds is None else float(seconds[k]),
            best_on=tuple(name for name, w in zip(names, winner, strict=True) if w == k),
        )
        for k, row in enumerate(rows)
    ]  # fmt: skip
