"""How does each method search a recorded task? A look-up takes the place of training."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import optuna
from optuna.samplers import BaseSampler
from optuna.trial import TrialState

from foretune.bench import orders
from foretune.bench.listing import Listing, NearestSampler
from foretune.bench.table import TableTask, records_of
from foretune.bench.trace import Trace
from foretune.core import ParamValue, derive_seed
from foretune.history import HistoryRecords

if TYPE_CHECKING:
    from foretune.meta.settings import MetaSettings

Axes = Mapping[str, Sequence[ParamValue]]


@dataclass(frozen=True)
class Contest:
    """A held-out task, and what methods may know.

    Attributes:
        task: The task.
        past: The other families' tasks.
        history: The same as a history.
        grid: Axes of the grid; small_grid: of the small one.
        settings: The meta-model's numbers.
        cache_dir: Where trained meta-models are kept.
    """

    task: TableTask
    past: tuple[TableTask, ...]
    history: HistoryRecords
    grid: Axes
    small_grid: Axes
    settings: MetaSettings
    cache_dir: Path

    @classmethod
    def of(cls, task: TableTask, past: tuple[TableTask, ...], **rest: object) -> Contest:
        """A contest on ``task``."""
        return cls(task, past, records_of(past), **rest)  # type: ignore[arg-type]


def search(contest: Contest, method: str, *, seed: int, n_trials: int) -> Trace | None:
    """One search of at most ``n_trials`` trials; None where the method has nothing to go by.

    It ends with the best recorded configuration: nothing that comes after changes a measure.
    """
    task = contest.task
    n = min(n_trials, len(task.configs))
    best = int(np.nanargmax(task.score))
    if method in _ORDERS:
        began = time.process_time()
        places = _ORDERS[method](contest, seed)[:n]
        places = places[: places.index(best) + 1] if best in places else places
        asking = [time.process_time() - began] + [0.0] * (len(places) - 1)
    else:
        places, asking = _ask(contest, _sampler(contest, method, seed), n, best)
    if not places:
        return None
    peak = task.peak_mb[places]
    return Trace(
        method=method, task=task.name, family=task.family, seed=seed,
        score=task.score[places], test=task.test[places], seconds=task.seconds[places],
        asking_s=np.array(asking[: len(places)]),
        peak_mb=float(np.nanmax(peak)) if np.isfinite(peak).any() else float("nan"),
        cpu_percent=_mean(task.cpu_percent[places], task.seconds[places]),
    )  # fmt: skip


def _mean(value: np.ndarray, weight: np.ndarray) -> float:
    """Weighted mean of what is known; NaN: nothing is."""
    known = np.isfinite(value) & (weight > 0)
    return float(np.average(value[known], weights=weight[known])) if known.any() else float("nan")


_ORDERS: Mapping[str, Callable[[Contest, int], list[int]]] = {
    "random": lambda c, seed: orders.random_order(c.task, seed),
    "grid": lambda c, seed: orders.grid_order(c.task, c.grid, seed),
    "grid_small": lambda c, seed: orders.grid_order(c.task, c.small_grid, seed),
    "default": lambda c, seed: orders.default_order(c.task),
    "mean_rank": lambda c, seed: orders.mean_rank_order(c.task, c.past),
    "portfolio": lambda c, seed: orders.portfolio_order(c.task, c.past),
    "nearest": lambda c, seed: orders.nearest_task_order(c.task, c.past),
}


def _sampler(contest: Contest, method: str, seed: int) -> BaseSampler:
    task = contest.task
    seed = derive_seed(seed, method, task.name)
    match method:
        case "tpe" | "tpe_default":
            with warnings.catch_warnings():  # "group is experimental"
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                listing = Listing(task)
                inner = optuna.samplers.TPESampler(
                    seed=seed, multivariate=True, group=listing.conditional
                )
            first = task.default if method == "tpe_default" else None
            return NearestSampler(inner, listing, first=first)
        case "gp":
            gp = optuna.samplers.GPSampler(seed=seed, warn_independent_sampling=False)
            return NearestSampler(gp, Listing(task))
        case "meta_moved":
            meta = _meta(contest, seed, listed=False)
            return NearestSampler(meta, Listing(task), at_once=True)
        case "meta" | "meta_default" | "cold":
            return _meta(contest, seed, history=method != "cold", judges=method == "meta")
        case _:
            raise ValueError(f"expected a method of the replay, got {method!r}")


def _meta(
    contest: Contest, seed: int, *, history: bool = True, listed: bool = True, judges: bool = True
) -> BaseSampler:
    from foretune.search.meta_sampler import MetaSampler

    task, settings = contest.task, contest.settings
    first = [dict(task.configs[task.default])] if task.default is not None else []
    return MetaSampler(
        contest.history if history else None, seed=seed, default_params=first,
        judge_defaults=judges, meta_lr=settings.meta_lr, meta_iterations=settings.meta_iterations,
        support_size=settings.support_size, selection_threshold=settings.selection_threshold,
        candidates=task.configs if listed else None, cache_dir=contest.cache_dir,
    )  # fmt: skip


def _ask(
    contest: Contest, sampler: BaseSampler, n: int, best: int
) -> tuple[list[int], list[float]]:
    """Places in the order in which a sampler asks for them, and what asking took."""
    task, listing = contest.task, Listing(contest.task)
    study = optuna.create_study(
        direction="maximize", sampler=sampler, study_name=f"held-out {task.name}"
    )
    for name, value in task.attributes.items():
        study.set_user_attr(name, value)
    places: list[int] = []
    asking: list[float] = []
    while len(places) < n and best not in places:
        began = time.process_time()
        trial = study.ask()
        k = listing.walk(trial)
        asking.append(time.process_time() - began)
        places.append(k)
        trial.set_user_attr("seconds", float(task.seconds[k]))
        if np.isfinite(task.score[k]):
            study.tell(trial, float(task.score[k]))
        else:
            study.tell(trial, state=TrialState.FAIL)
    return places, asking
