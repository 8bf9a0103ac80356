"""In which order do the methods that need no model try a task's configurations?

Each returns places in the task's list, best guess first, none twice.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from foretune.bench.listing import Listing
from foretune.bench.table import TableTask
from foretune.core import ParamValue, derive_seed
from foretune.meta.portfolio import greedy
from foretune.space import point_key

COVER = 10  # of a greedy portfolio; by then it covers every past task (taste)
Past = Sequence[TableTask]


def random_order(task: TableTask, seed: int) -> list[int]:
    """A shuffled list."""
    rng = np.random.default_rng(derive_seed(seed, "random", task.name))
    return [int(k) for k in rng.permutation(len(task.configs))]


def grid_order(task: TableTask, axes: Mapping[str, Sequence[ParamValue]], seed: int) -> list[int]:
    """A grid around the default configuration, shuffled, each point moved to the nearest.

    Args:
        task: The task.
        axes: Values of each parameter; those that the task's space lacks are left out.
        seed: Of the order.
    """
    listing = Listing(task)
    named = {name: values for name, values in axes.items() if name in task.distributions}
    base = dict(task.configs[task.default if task.default is not None else 0])
    points = [
        base | dict(zip(named, values, strict=True))
        for values in itertools.product(*named.values())
    ]
    rng = np.random.default_rng(derive_seed(seed, "grid", task.name))
    order: list[int] = []
    for k in rng.permutation(len(points))[: len(task.configs)]:
        order.append(listing.nearest(points[int(k)], order))
    return order


def default_order(task: TableTask) -> list[int]:
    """The known-good default, and nothing else."""
    return [] if task.default is None else [task.default]


def mean_rank_order(task: TableTask, past: Past) -> list[int]:
    """By the mean rank on the past tasks that hold these configurations; [] where none does."""
    ranks = _ranks(task, past)
    if not len(ranks):
        return []
    known = np.isfinite(ranks)
    mean = np.where(known, ranks, 0.0).sum(0) / np.maximum(known.sum(0), 1)
    return _by(np.where(known.any(0), mean, np.inf))


def portfolio_order(task: TableTask, past: Past) -> list[int]:
    """Greedy cover of the past tasks by their recorded scores, then the mean rank."""
    ranks = _ranks(task, past)
    if not len(ranks):
        return []
    picks = greedy(-np.where(np.isfinite(ranks), ranks, 1.0), min(COVER, ranks.shape[1]))
    return list(dict.fromkeys([*picks, *mean_rank_order(task, past)]))


def nearest_task_order(task: TableTask, past: Past) -> list[int]:
    """By the scores on the past task whose descriptors are nearest."""
    held = [other for other in past if _places(task, other) is not None]
    if not held:
        return []
    names = sorted({name for t in (task, *held) for name in t.descriptors})
    table = np.array([[t.descriptors.get(n, np.nan) for n in names] for t in (task, *held)], float)
    table = np.sign(table) * np.log1p(np.abs(table))  # rows and lengths span powers of ten
    spread = np.nanstd(table, axis=0) if names else np.zeros(0)
    usable = spread > 0
    gap = (table[1:, usable] - table[0, usable]) / spread[usable]
    distance = np.nan_to_num(gap**2, nan=1.0).sum(1)
    return mean_rank_order(task, [held[int(distance.argmin())]])


def _by(loss: np.ndarray) -> list[int]:
    return [int(k) for k in np.argsort(loss, kind="stable")]


def _places(task: TableTask, other: TableTask) -> np.ndarray | None:
    """(c,) where ``other`` holds the task's configurations, -1: nowhere; None: less than half."""
    places = np.array([other.index.get(point_key(config), -1) for config in task.configs])
    return places if (places >= 0).mean() >= 0.5 else None


def _ranks(task: TableTask, past: Past) -> np.ndarray:
    """(t, c) rank in [0, 1] on each past task, 0 is best; a failure is last, NaN is unknown."""
    from scipy.stats import rankdata

    rows = []
    for other in past:
        places = _places(task, other)
        if places is None:
            continue
        held = places >= 0
        score = np.where(np.isfinite(other.score), other.score, -np.inf)[places[held]]
        ranks = np.full(len(places), np.nan)
        ranks[held] = (rankdata(-score) - 1.0) / max(held.sum() - 1, 1)
        rows.append(ranks)
    return np.array(rows).reshape(len(rows), len(task.configs))
