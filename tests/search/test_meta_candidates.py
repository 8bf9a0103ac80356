"""MetaSampler suggests from a given list alone, each of it once, and its best ones first."""

from __future__ import annotations

import math

import numpy as np
import optuna
import pytest

from foretune import MetaSampler
from foretune.core.errors import ConfigError

optuna.logging.set_verbosity(optuna.logging.WARNING)


def score(params: dict[str, object]) -> float:
    """Adam at a learning rate of 3e-3 is best; momentum is there under sgd alone."""
    lr = math.log10(float(params["lr"]))
    return 0.6 * (params["optimiser"] == "adam") - (lr + 2.5) ** 2 - 0.1 * params.get("momentum", 0)


def objective(trial: optuna.Trial) -> float:
    params: dict[str, object] = {
        "optimiser": trial.suggest_categorical("optimiser", ["sgd", "adam", "rmsprop"]),
        "lr": trial.suggest_float("lr", 1e-6, 1e-1, log=True),
    }
    if params["optimiser"] == "sgd":
        params["momentum"] = trial.suggest_float("momentum", 0.0, 1.0)
    return score(params)


def drawn(n: int, seed: int) -> list[dict[str, object]]:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    study.optimize(objective, n_trials=n)
    return [t.params for t in study.trials]


@pytest.fixture(scope="module")
def history() -> optuna.storages.InMemoryStorage:
    storage = optuna.storages.InMemoryStorage()
    for k in range(4):
        sampler = optuna.samplers.RandomSampler(seed=k)
        study = optuna.create_study(
            storage=storage, study_name=f"past-{k}", direction="maximize", sampler=sampler
        )
        study.optimize(objective, n_trials=25)
    return storage


@pytest.mark.parametrize("learns", [True, False])
def test_only_candidates_each_once_and_then_again(
    history: optuna.storages.InMemoryStorage, tmp_path, learns: bool
):
    candidates = drawn(12, seed=9)
    sampler = MetaSampler(
        history if learns else None, seed=0, candidates=candidates, cache_dir=tmp_path,
        meta_iterations=60,
    )  # fmt: skip
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(objective, n_trials=14)
    tried = [t.params for t in study.trials]
    assert sorted(map(str, tried[:12])) == sorted(map(str, candidates))
    assert all(params in candidates for params in tried[12:])


def test_the_history_finds_the_best_of_the_list_early(
    history: optuna.storages.InMemoryStorage, tmp_path
):
    candidates = drawn(40, seed=5)
    sampler = MetaSampler(
        history, seed=0, candidates=candidates, cache_dir=tmp_path, meta_iterations=300
    )
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(objective, n_trials=4)
    order = np.argsort([-score(c) for c in candidates])
    # Random picks have one of the best four of forty among four in a third of all lists.
    assert study.best_params in [candidates[k] for k in order[:4]]


def test_a_default_comes_first_if_it_is_listed(history: optuna.storages.InMemoryStorage, tmp_path):
    candidates = drawn(10, seed=3)
    absent = {"optimiser": "adam", "lr": 1e-3}
    sampler = MetaSampler(
        history, seed=0, candidates=candidates, default_params=[absent, candidates[7]],
        cache_dir=tmp_path, meta_iterations=60,
    )  # fmt: skip
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(objective, n_trials=2)
    assert study.trials[0].params == candidates[7]
    assert study.trials[1].params in candidates


def test_an_empty_list_is_refused():
    with pytest.raises(ConfigError, match="at least one configuration"):
        MetaSampler(candidates=[])
