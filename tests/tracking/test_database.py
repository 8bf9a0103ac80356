"""The database opens quickly, or says in one message why it cannot."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from foretune.config.schema.tracking import TrackingConfig
from foretune.core import ConfigError
from foretune.tracking import NullTracker, build_tracker
from foretune.tracking.database import database_path, open_database


def test_a_disabled_tracker_touches_no_disk(tmp_path: Path):
    folder = tmp_path / "mlruns"
    tracker = build_tracker(TrackingConfig(enabled=False, folder=str(folder)))
    assert isinstance(tracker, NullTracker)
    assert not folder.exists()


def test_a_folder_that_cannot_be_made(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"tracking\.folder: expected a folder .* written to"):
        build_tracker(TrackingConfig(folder=str(tmp_path / "file" / "mlruns")))


def test_a_read_only_database(mlruns: Path):
    """Root may write any file, so the database itself is made to refuse."""
    path = database_path(mlruns)
    path.unlink()
    path.mkdir()
    with pytest.raises(ConfigError, match=r"tracking\.folder=DIR"):
        open_database(mlruns, "foretune")


def test_a_file_that_is_no_database(mlruns: Path):
    path = database_path(mlruns)
    path.write_bytes(b"not a database, but someone's text. " * 100)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="file is not a database"):
        open_database(mlruns, "foretune")
    assert path.read_bytes() == before


def test_a_database_of_something_else(mlruns: Path):
    """Optuna's database owns a table alembic_version too: MLflow's tables must not join it."""
    path = database_path(mlruns)
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE studies (study_id INTEGER)")
    with pytest.raises(ConfigError, match="something else"):
        open_database(mlruns, "foretune")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("studies",)]


def test_a_database_of_another_mlflow(mlruns: Path):
    with closing(sqlite3.connect(database_path(mlruns))) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'from_the_future'")
        connection.commit()
    with pytest.raises(ConfigError, match=r"MLflow cannot open .* out-of-date database schema"):
        open_database(mlruns, "foretune")


def test_a_deleted_experiment(mlruns: Path):
    database = open_database(mlruns, "mine")
    database.client.delete_experiment(database.experiment_id)
    with pytest.raises(ConfigError, match=r"tracking\.experiment: 'mine' was deleted"):
        open_database(mlruns, "mine")


def test_experiments_of_one_folder_keep_apart(mlruns: Path):
    first, second = open_database(mlruns, "first"), open_database(mlruns, "second")
    assert first.experiment_id != second.experiment_id
    assert open_database(mlruns, "first").experiment_id == first.experiment_id


def test_processes_that_open_a_fresh_folder_together(tmp_path: Path):
    """Without the file lock, two of three died of half-made tables."""
    code = (
        "from foretune.tracking.database import open_database; "
        f"print(open_database({str(tmp_path / 'mlruns')!r}, 'foretune').experiment_id)"
    )
    command = [sys.executable, "-c", code]
    openers = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    (first, errors), (second, more_errors) = (opener.communicate() for opener in openers)
    assert first == second != "", errors + more_errors


def test_a_copied_folder_points_to_itself(mlruns: Path, tmp_path: Path):
    copy = Path(shutil.copytree(mlruns, tmp_path / "copy"))
    database = open_database(copy, "foretune")
    location = database.client.get_experiment(database.experiment_id).artifact_location
    assert location == (copy / "artifacts").as_uri()


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (TrackingConfig(folder=" "), "tracking.folder"),
        (TrackingConfig(folder="http://server:5000"), "tracking.folder"),
        (TrackingConfig(experiment=""), "tracking.experiment"),
        (TrackingConfig(port=0), "tracking.port"),
        (TrackingConfig(port=70000), "tracking.port"),
    ],
)
def test_problems_are_named(config: TrackingConfig, said: str):
    (problem,) = config.problems()
    assert problem.startswith(said)


def test_the_defaults_have_no_problem():
    assert TrackingConfig().problems() == []
