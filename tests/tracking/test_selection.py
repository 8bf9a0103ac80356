"""A model selection as a run of its own, on a real MLflow database."""

import json
import math
from pathlib import Path

from mlflow import MlflowClient

from foretune.config.schema.tracking import TrackingConfig
from foretune.core import TaskInfo, TaskKind
from foretune.tracking import SelectionRecord, log_selection
from foretune.tracking.database import database_uri

TASK = TaskInfo(
    name="reviews", asked="reviews", kind=TaskKind.TEXT_CLASSIFICATION, metric="accuracy",
    metrics=("accuracy",), higher_is_better=True, classes=("a", "b"), source="local", origin="",
    stand_in=False, fingerprint="f0",
)  # fmt: skip


def record(**changed):
    numbers = {"low": 0.1, "high": math.inf, "seconds": 3.0, "leep": math.nan}
    given = {
        "task": TASK,
        "selector": "ridge_loo",
        "chosen": "minilm",
        "members": {
            "minilm": {"score": 0.7, **numbers},
            "odd name (v2)": {"score": 0.4, **numbers},
        },
        "lines": ("minilm is the best", "left out: x: no checkpoint"),
        "n_rows": 32,
        "seconds": 1.5,
    }
    return SelectionRecord(**{**given, **changed})


def test_scores_table_and_chart_are_kept(mlruns):
    lines = log_selection(TrackingConfig(folder=str(mlruns)), record())
    assert lines == ("MLflow: make ui, run select reviews of experiment foretune",)
    client = MlflowClient(database_uri(mlruns))
    experiment = client.get_experiment_by_name("foretune")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.metrics["minilm/score"] == 0.7
    assert run.data.tags["chosen"] == "minilm"
    assert "left out: x" in run.data.tags["mlflow.note.content"]
    root = Path(client.download_artifacts(run.info.run_id, ""))
    assert (root / "plots" / "selection.png").read_bytes().startswith(b"\x89PNG")
    table = json.loads((root / "selection.json").read_text())
    assert "odd name (v2)" in json.dumps(table)


def test_nothing_is_recorded_where_tracking_is_off(tmp_path):
    config = TrackingConfig(enabled=False, folder=str(tmp_path / "no"))
    assert log_selection(config, record()) == ()
    assert not (tmp_path / "no").exists()


def test_models_that_all_score_the_same_are_drawn(mlruns):
    flat = {n: {"score": 0.0, "low": -math.inf, "high": math.inf, "seconds": 0.0} for n in "ab"}
    assert log_selection(TrackingConfig(folder=str(mlruns)), record(members=flat))
