"""MetaSampler keeps every promise that Optuna's own samplers keep, with and without a history."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.samplers import BaseSampler
from optuna.testing.pytest_samplers import (
    BasicSamplerTestCase,
    RelativeSamplerTestCase,
    SingleOnlySamplerTestCase,
)

from foretune import MetaSampler


class TestWithoutHistory(BasicSamplerTestCase, RelativeSamplerTestCase, SingleOnlySamplerTestCase):
    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: MetaSampler(seed=0)


class TestWithHistory(BasicSamplerTestCase, RelativeSamplerTestCase, SingleOnlySamplerTestCase):
    @pytest.fixture(scope="class")
    def history(self) -> optuna.storages.BaseStorage:
        """Studies over the contract's own names, in other ranges and kinds than it asks for."""
        storage = optuna.storages.InMemoryStorage()
        for k in range(3):
            study = optuna.create_study(
                storage=storage,
                study_name=f"past-{k}",
                sampler=optuna.samplers.RandomSampler(seed=k),
            )

            def objective(trial: optuna.Trial, k: int = k) -> float:
                x = trial.suggest_float("x", -1, 5)
                kind = trial.suggest_categorical("category", ["x", "z"])
                extra = trial.suggest_int("z", 0, 4) if kind == "z" else 0
                if k == 2:
                    trial.suggest_categorical("y", ["p", "q"])
                else:
                    trial.suggest_float("y", 0, 1)
                return (x - 1) ** 2 + extra + k

            study.optimize(objective, n_trials=12)
        return storage

    @pytest.fixture
    def sampler(
        self, history: optuna.storages.BaseStorage, tmp_path_factory: pytest.TempPathFactory
    ) -> Callable[[], BaseSampler]:
        cache: Path = tmp_path_factory.getbasetemp() / "meta-cache"
        return lambda: MetaSampler(history=history, seed=0, meta_iterations=20, cache_dir=cache)
