"""How does each method search an unseen task of the surrogate, whose whole space is open?"""

from __future__ import annotations

import itertools
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from foretune.bench.listing import suggest
from foretune.bench.surrogate import Surrogate, at_share
from foretune.bench.trace import Trace
from foretune.core import ParamValue, derive_seed

if TYPE_CHECKING:
    from foretune.meta.settings import MetaSettings

METHODS = ("meta", "grid_729", "random", "tpe", "gp")
GRID = ("batch_size", "learning_rate", "momentum", "weight_decay", "num_layers", "max_dropout")
SHARES = (1 / 6, 1 / 2, 5 / 6)  # of each range: 3 ** 6 = 729 points, none of them at an end


def search(
    surrogate: Surrogate,
    task: str,
    method: str,
    *,
    seed: int,
    n_trials: int,
    settings: MetaSettings,
    cache_dir: Path,
) -> Trace:
    """One search of ``n_trials`` trials on a task that the history lacks."""
    if method == "grid_729":
        configs, asking = _grid(surrogate, seed)[:n_trials], [0.0] * n_trials
    else:
        sampler = _sampler(surrogate, method, derive_seed(seed, method, task), settings, cache_dir)
        configs, asking = _ask(surrogate, task, sampler, n_trials)
    return Trace(
        method=method, task=task, family=task, seed=seed,
        score=surrogate.evaluate(task, configs), test=np.full(len(configs), np.nan),
        seconds=surrogate.evaluate(task, configs, "time"), asking_s=np.array(asking),
    )  # fmt: skip


def _grid(surrogate: Surrogate, seed: int) -> list[dict[str, ParamValue]]:
    values = [[at_share(surrogate.distributions[n], s) for s in SHARES] for n in GRID]
    points = list(itertools.product(*values))
    rng = np.random.default_rng(derive_seed(seed, "grid"))
    order = rng.permutation(len(points))
    return [surrogate.middle | dict(zip(GRID, points[int(k)], strict=True)) for k in order]


def _sampler(
    surrogate: Surrogate, method: str, seed: int, settings: MetaSettings, cache_dir: Path
) -> BaseSampler:
    from foretune.search.meta_sampler import MetaSampler

    match method:
        case "random":
            return RandomSampler(seed)
        case "tpe":
            return TPESampler(seed=seed, multivariate=True)
        case "gp":
            return optuna.samplers.GPSampler(seed=seed)
        case "meta":
            return MetaSampler(
                surrogate.history, seed=seed, meta_lr=settings.meta_lr,
                meta_iterations=settings.meta_iterations, support_size=settings.support_size,
                selection_threshold=settings.selection_threshold, cache_dir=cache_dir,
            )  # fmt: skip
        case _:
            raise ValueError(f"expected a method of the surrogate, got {method!r}")


def _ask(
    surrogate: Surrogate, task: str, sampler: BaseSampler, n: int
) -> tuple[list[dict[str, ParamValue]], list[float]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        configs: list[dict[str, ParamValue]] = []
        asking: list[float] = []
        for _ in range(n):
            began = time.process_time()
            trial = study.ask()
            config = {name: suggest(trial, name, d) for name, d in surrogate.distributions.items()}
            asking.append(time.process_time() - began)
            configs.append(config)
            trial.set_user_attr("seconds", float(surrogate.evaluate(task, [config], "time")[0]))
            study.tell(trial, float(surrogate.evaluate(task, [config])[0]))
    return configs, asking
