"""How is the storage of a running search opened, safely and by many processes at once?

An SQLite file is put in write-ahead mode with `synchronous=NORMAL`: a trial's bookkeeping then
costs a tenth of the default, readers never wait, and a crash of the process loses nothing. Its
first opening is behind a file lock, since processes that create the tables at one time break.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import optuna
import sqlalchemy as sa
from optuna.storages import RDBStorage
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from foretune.core import HistoryError, mask_url
from foretune.history.schema import (
    HEAD,
    TABLES,
    NoOptunaTablesError,
    UnknownSchemaError,
    check_revision,
)
from foretune.history.source import sqlite_reader
from foretune.history.urls import file_path, reason

BUSY_TIMEOUT_S = 30.0
ADVISORY_LOCK = 7_267_203  # any number, the same in every process


def open_storage(url: str, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> RDBStorage:
    """Open the storage that a search writes to, and create it where there is none.

    Args:
        url: An SQLAlchemy URL: ``sqlite:///file`` or a server's.
        busy_timeout_s: How long to wait for other processes, at opening and at every write.

    Raises:
        HistoryError: The file is no Optuna database, of another schema, locked or read-only; the
            server cannot be reached or its driver is not installed. Nothing was written over.
    """
    if not url.strip():
        raise HistoryError("expected a storage URL such as sqlite:///outputs/history.db, got ''")
    url = url if "://" in url else f"sqlite:///{url}"
    try:
        path = file_path(url)
        if path is not None:
            return _open_file(url, path, busy_timeout_s)
        return _open_server(url)
    except HistoryError as error:
        raise HistoryError(f"history {mask_url(url)} {error}") from error
    except (SQLAlchemyError, sqlite3.Error, optuna.exceptions.OptunaError) as error:
        raise HistoryError(f"history {mask_url(url)} {reason(error, url)}") from error


def study_attribute(storage: RDBStorage, study: str, name: str) -> object:
    """A user attribute of a study; None where there is no such study or attribute."""
    try:
        study_id = storage.get_study_id_from_name(study)
    except KeyError:
        return None
    return storage.get_study_user_attrs(study_id).get(name)


def _open_file(url: str, path: Path, busy_timeout_s: float) -> RDBStorage:
    try:
        from filelock import FileLock, Timeout
    except ImportError as error:
        raise HistoryError("needs filelock: pip install 'foretune[run]'") from error
    if path.is_dir():
        raise HistoryError("is a folder: give storage.url a file in it")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock", timeout=busy_timeout_s):
            revision = _check_file(path)
            _prepare(path, busy_timeout_s)
            storage = _storage(url, {"timeout": busy_timeout_s}, revision)
    except Timeout as error:
        raise HistoryError(
            f"is being opened by another process for more than {busy_timeout_s:.0f} s: wait for it,"
            f" or delete {path}.lock if it is gone"
        ) from error
    except OSError as error:
        raise HistoryError(
            f"cannot be written ({error.strerror}: {error.filename}): give storage.url a file in a"
            " folder that you may write to"
        ) from error

    @sa.event.listens_for(storage.engine, "connect")
    def configure(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA synchronous=NORMAL")

    storage.engine.dispose()  # the connections from before the listener
    return storage


def _check_file(path: Path) -> str | None:
    """The revision of the file's tables; None: there are none yet, or not all of them."""
    if not path.exists() or not path.stat().st_size:
        return None
    engine = sa.create_engine("sqlite://", **sqlite_reader(path))
    with engine.connect() as connection:
        names = set(sa.inspect(connection).get_table_names())
        if names < TABLES:
            return None  # its creation was cut short, or there is nothing in it
        try:
            return check_revision(connection)
        except NoOptunaTablesError as error:
            raise HistoryError(
                "is a database of something else, without Optuna's tables: give storage.url"
                " another file"
            ) from error
        except UnknownSchemaError as error:
            return error.revision


def _prepare(path: Path, busy_timeout_s: float) -> None:
    """Switch the file to write-ahead mode and make sure that it can be written to now."""
    with closing(sqlite3.connect(path, timeout=busy_timeout_s)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("BEGIN IMMEDIATE")
        # SQLite grants that on a read-only file too, so something is written and taken back.
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        connection.execute(f"PRAGMA user_version={version}")
        connection.rollback()


def _open_server(url: str) -> RDBStorage:
    if url.startswith("sqlite"):
        return RDBStorage(url)  # in memory
    try:
        engine = sa.create_engine(url, poolclass=NullPool)
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError) as error:
        raise HistoryError(
            f"is no storage URL ({mask_url(str(error))}): expected for example"
            " sqlite:///outputs/history.db or postgresql+psycopg://user:password@host/database"
        ) from error
    except ImportError as error:
        raise HistoryError(f"needs a database driver ({error}): install it with pip") from error
    if engine.dialect.name != "postgresql":
        return _storage(url, {}, None)
    with engine.connect() as connection:  # held while the tables are created
        connection.execute(sa.select(sa.func.pg_advisory_lock(ADVISORY_LOCK)))
        return _storage(url, {}, None)


def _storage(url: str, connect_args: dict[str, float], revision: str | None) -> RDBStorage:
    """Optuna's storage; it checks and creates only what is not known to be right already."""
    try:
        return RDBStorage(
            url,
            engine_kwargs={"connect_args": connect_args, "pool_pre_ping": not connect_args},
            skip_compatibility_check=revision == HEAD,
            skip_table_creation=revision is not None,
        )
    except RuntimeError as error:  # Optuna's word for another schema
        raise HistoryError(
            f"is of schema {revision or 'unknown'}, which Optuna {optuna.__version__} cannot use:"
            " upgrade Optuna, or the database by `optuna storage upgrade`, or give storage.url"
            " another file"
        ) from error
