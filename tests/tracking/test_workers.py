"""Four trials at a time in MLflow: one parent run, and a child a trial with its own numbers."""

from __future__ import annotations

from pathlib import Path

from foretune.config.schema.search import SearchConfig
from foretune.execute import ProcessExecutor, start_server
from foretune.testing.faults import FaultyRecipe
from foretune.testing.planted import Run
from foretune.tracking.database import Database
from foretune.tracking.mlflow_tracker import MlflowTracker


def test_four_workers_one_parent_run(database: Database, tmp_path: Path):
    start_server(["foretune.testing.faults"])
    recipe = FaultyRecipe(tmp_path, {3: "raise", 5: "exit"}, epoch_s=0.05)
    run = Run(SearchConfig(method="random", n_trials=12), tmp_path / "study")
    with MlflowTracker(database) as tracker, ProcessExecutor(recipe, n_workers=4) as executor:
        run.executor, run.observers = executor, (tracker,)
        tracker.search_ended(run())

    runs = database.client.search_runs([database.experiment_id])
    (parent,) = [one for one in runs if "mlflow.parentRunId" not in one.data.tags]
    children = {int(one.data.tags["trial"]): one for one in runs if one is not parent}
    assert sorted(children) == list(range(12))
    for trial in run.trials:
        child = children[trial.number]
        assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert child.info.status == ("FAILED" if trial.number in (3, 5) else "FINISHED")
        assert child.data.params["lr"] == format(trial.params["lr"], ".6g")
        points = database.client.get_metric_history(child.info.run_id, "epoch_score")
        assert {point.step for point in points} == set(trial.intermediate_values)
    assert parent.data.metrics["search/n_trials"] == 12
