"""Where does MLflow keep its database and artifacts, and how is it opened quickly and safely?

``<folder>/mlflow.db`` (SQLite) and ``<folder>/artifacts``: a file of its own, as Optuna's database
and MLflow's both own a table ``alembic_version``.
"""

from __future__ import annotations

import functools
import logging
import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from foretune.core import ConfigError
from foretune.tracking.mirror import reason

if TYPE_CHECKING:
    from mlflow import MlflowClient

ROOT_TAG = "foretune.artifacts"  # experiment tag: the artifact root that its URIs were made with
OPENED_WITHIN_S = 300  # by another process; making the tables takes 7 s of a core (taste)
BUSY_S = 20.0  # wait for another writer; as long as MLflow's own sessions do


@dataclass(frozen=True)
class Database:
    """An open MLflow database.

    Attributes:
        client: The client that reads and writes it; nothing global is set.
        folder: The folder that holds it.
        experiment_id: The experiment that searches are listed under.
    """

    client: MlflowClient
    folder: Path
    experiment_id: str

    def alone(self) -> FileLock:
        """While it is held, no other process opens the database or begins a search in it."""
        return _lock(self.folder / "mlflow.db")


def database_path(folder: str | Path) -> Path:
    """The database file in ``folder``."""
    return Path(folder).expanduser().resolve() / "mlflow.db"


def database_uri(folder: str | Path) -> str:
    """The tracking URI of the database in ``folder``."""
    return f"sqlite:///{database_path(folder)}"


def open_database(folder: str | Path, experiment: str) -> Database:
    """Open the database in ``folder``, made where there is none (1.5 s), and the experiment.

    A file lock keeps two processes from making the tables at the same time (without it two of
    three died). WAL and synchronous=NORMAL make a run five times cheaper (112 to 22 ms).

    Raises:
        ConfigError: The folder cannot be written to, the file is no MLflow database, is locked or
            of another MLflow version, or the experiment was deleted.
    """
    path = database_path(folder)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _lock(path):
            _prepare_file(path)
            client = _connect(path)
            experiment_id = _experiment(client, experiment, artifact_root(path.parent))
    except Timeout as error:
        raise ConfigError(
            f"tracking.folder: another process has been opening {path} for more than"
            f" {OPENED_WITHIN_S} s: wait for it, or end it"
        ) from error
    except (OSError, sqlite3.Error, sqlite3.Warning) as error:
        raise ConfigError(
            f"tracking.folder: expected a folder that can be written to, got {path.parent}: "
            f"{error}. Name another by tracking.folder=DIR, or set tracking.enabled=false."
        ) from error
    return Database(client=client, folder=path.parent, experiment_id=experiment_id)


def _lock(path: Path) -> FileLock:
    return FileLock(path.with_suffix(".lock"), timeout=OPENED_WITHIN_S)


def artifact_root(folder: Path) -> str:
    """The URI of the artifacts under ``folder``."""
    return (folder / "artifacts").as_uri()


def _prepare_file(path: Path) -> None:
    """See that the file can be written and is MLflow's, and set what persists in it."""
    with closing(sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("BEGIN IMMEDIATE")
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
        if tables and "experiments" not in tables:
            connection.execute("ROLLBACK")
            raise ConfigError(
                f"tracking.folder: expected MLflow's database at {path}, got a database of "
                "something else. Name another folder by tracking.folder=DIR."
            )
        if "experiment_tags" in tables:
            _follow_move(connection, artifact_root(path.parent))
        connection.execute("COMMIT")


def _follow_move(connection: sqlite3.Connection, root: str) -> None:
    """Point the artifact URIs, which MLflow stores absolute, to where the folder is now."""
    moved = connection.execute(
        "SELECT DISTINCT value FROM experiment_tags WHERE key = ? AND value != ?", (ROOT_TAG, root)
    ).fetchall()
    for (old,) in moved:
        for table, column in (
            ("experiments", "artifact_location"),
            ("runs", "artifact_uri"),
            ("logged_models", "artifact_location"),
        ):
            connection.execute(
                f"UPDATE {table} SET {column} = :root || substr({column}, length(:old) + 1) "
                f"WHERE {column} = :old OR substr({column}, 1, length(:old) + 1) = :old || '/'",
                {"root": root, "old": old},
            )
        connection.execute(
            "UPDATE experiment_tags SET value = ? WHERE key = ? AND value = ?",
            (root, ROOT_TAG, old),
        )


def _connect(path: Path) -> MlflowClient:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # both are read at the import
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    from mlflow import MlflowClient

    # What goes wrong in MLflow is caught and said in one line by the tracker; the rest is noise.
    for name, level in (
        ("alembic", logging.WARNING),
        ("mlflow", logging.ERROR),
        ("mlflow.store.db.utils", logging.CRITICAL),
    ):
        logging.getLogger(name).setLevel(level)
    _synchronous_normal(path)
    try:
        client = MlflowClient(tracking_uri=database_uri(path.parent))
        client.search_experiments(max_results=1)
    except Exception as error:  # of MLflow, SQLAlchemy and Alembic, which have no base in common
        raise ConfigError(
            f"tracking.folder: MLflow cannot open its database {path}: {reason(error)}"
        ) from error
    return client


@functools.cache
def _synchronous_normal(path: Path) -> None:
    """Let every connection to ``path`` skip the fsync of each commit; WAL keeps it consistent."""
    import sqlalchemy

    def connected(connection: Any, _record: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            (_, _, file), *_ = connection.execute("PRAGMA database_list").fetchall()
            if file == str(path):
                connection.execute("PRAGMA synchronous=NORMAL")

    sqlalchemy.event.listen(sqlalchemy.engine.Engine, "connect", connected)


def _experiment(client: MlflowClient, name: str, root: str) -> str:
    found = client.get_experiment_by_name(name)
    if found is None:
        return client.create_experiment(name, artifact_location=root, tags={ROOT_TAG: root})
    if found.lifecycle_stage != "active":
        raise ConfigError(
            f"tracking.experiment: {name!r} was deleted in MLflow. Restore it (mlflow experiments "
            f"restore -x {found.experiment_id}) or name another by tracking.experiment=NAME."
        )
    return found.experiment_id
