"""What a trial is predicted to come to stays within what was seen, and within what is possible."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution

from foretune import MetaPruner
from foretune.history.attrs import METRIC_RANGE
from foretune.history.records import ParamColumn
from foretune.search.pauses import STOP_KEY
from foretune.testing.curves import EPOCHS, past_curves, planted_curve


def stopped(pruner: MetaPruner, *, high: float | None = None) -> dict:
    """Numbers of a hopeless trial whose ``warm`` no past trial had."""
    study = optuna.create_study(direction="maximize", pruner=pruner)
    if high is not None:
        study.set_user_attr(METRIC_RANGE, [0.0, high])

    def objective(trial: optuna.Trial) -> float:
        quality = trial.suggest_float("quality", 0.0, 1.0)
        trial.suggest_float("warm", 0.0, 1.0)
        trial.suggest_categorical("slow", [False, True])
        values = planted_curve(quality, slow=False)
        for epoch, value in enumerate(values, 1):
            trial.report(value, epoch)
            if epoch < EPOCHS and trial.should_prune():
                raise optuna.TrialPruned
        return values[-1]

    for quality, warm in ((0.9, 0.0), (0.0, 1.0)):
        study.enqueue_trial({"quality": quality, "warm": warm, "slow": False})
    study.optimize(objective, n_trials=2)
    return study.trials[1].system_attrs[STOP_KEY]


def test_a_parameter_that_no_past_trial_varied_says_nothing(tmp_path: Path) -> None:
    past = past_curves()
    studies = [
        replace(
            study,
            columns=(
                *study.columns,
                ParamColumn("warm", FloatDistribution(0.0, 1.0), np.zeros(len(study.values))),
            ),
        )
        for study in past.studies
    ]
    history = replace(past, studies=tuple(studies))
    told = stopped(MetaPruner(history, cache_dir=tmp_path, stop_below=0.5))
    low, high = told["interval"]
    assert 0.2 < low < told["score"] < high < 1.0  # its curve was seen to be between .2 and .5


def test_nothing_impossible_is_predicted(tmp_path: Path) -> None:
    pruner = MetaPruner(past_curves(), cache_dir=tmp_path, stop_below=0.5)
    free, held = stopped(pruner), stopped(pruner, high=0.45)
    assert max(free["interval"]) > 0.45
    assert max(held["interval"]) == pytest.approx(0.45)
    assert held["chance"] == free["chance"]
