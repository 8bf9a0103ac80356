"""A history holds studies of several metrics; the units of one say nothing about another's."""

from __future__ import annotations

import math
from pathlib import Path

import optuna
import pytest

from foretune import MetaSampler

optuna.logging.set_verbosity(optuna.logging.WARNING)


def accuracy(trial: optuna.Trial, shift: float = 0.0) -> float:
    lr = math.log10(trial.suggest_float("lr", 1e-6, 1e-1, log=True))
    layers = trial.suggest_int("layers", 1, 8)
    return 0.9 * math.exp(-0.1 * (lr + 3 - shift) ** 2 - 0.01 * (layers - 5) ** 2)


@pytest.fixture
def history(tmp_path: Path) -> str:
    """Two studies of an accuracy, in [0, 1], and six of a squared error, in hundreds."""
    url = f"sqlite:///{tmp_path / 'past.db'}"
    for k in range(8):
        drawn = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=k))
        shift, is_error = 0.2 * (k % 3 - 1), k >= 2
        drawn.optimize(
            lambda t, a=shift, e=is_error: 800 * accuracy(t, a) if e else accuracy(t, a),
            n_trials=20,
        )
        study = optuna.create_study(storage=url, study_name=f"past-{k}", direction="maximize")
        study.set_user_attr("metric", "neg_mse" if is_error else "accuracy")
        study.add_trials(drawn.trials)
    return url


def test_no_score_is_shown_that_the_metric_cannot_have(history: str, tmp_path: Path):
    sampler = MetaSampler(history, seed=0, cache_dir=tmp_path, meta_iterations=60)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.set_user_attr("metric_range", [0.0, 0.5])
    study.optimize(accuracy, n_trials=3)
    for trial in study.trials[1:]:
        why = trial.system_attrs["foretune:why"]
        assert 0.0 <= why["interval"][0] <= why["score"] <= why["interval"][1] <= 0.5


@pytest.mark.parametrize("n_before", [1, 2])
def test_what_is_predicted_lies_in_the_metrics_own_units(
    history: str, tmp_path: Path, n_before: int
):
    sampler = MetaSampler(history, seed=0, cache_dir=tmp_path, meta_iterations=60)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.set_user_attr("metric", "accuracy")
    study.optimize(accuracy, n_trials=n_before + 1)
    why = study.trials[-1].system_attrs["foretune:why"]
    assert why["expert"] == "history"
    assert 0.0 < why["score"] < 1.5
    low, high = why["interval"]
    assert -1.0 < low < high < 2.0
