"""What did the user point at: a database, an Optuna storage object, a parquet file, a journal?

SQLite files are always opened read-only here: reading never creates, migrates or locks one.
"""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import quote

import optuna
import sqlalchemy as sa
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from foretune.history.frozen import read_storage
from foretune.history.parquet import read_parquet
from foretune.history.schema import NoOptunaTablesError, UnknownSchemaError
from foretune.history.sql import read_sql
from foretune.history.tables import FlatTables, Keep, UnreadableError

PARQUET = (".parquet", ".pq")
JOURNAL = (".log", ".journal", ".jsonl")
LOCK_WAIT_S = 10.0
MEANINGS = {
    "locked": "is locked by another process: try again when it is done",
    "readonly": "is read-only",
    "unable to open": "cannot be opened",
    "not a database": "is not an SQLite database",
    "malformed": "is damaged",
    "decode": "is damaged",
}
_SECRET = re.compile(r"([A-Za-z][\w+.-]*://)(?!/)\S*@")
_QUERY_SECRET = re.compile(r"(?i)([?&](?:password|passwd|pwd|token|secret|sslpassword)=)[^&\s]*")

Source = str | Path | BaseStorage


def mask_url(text: str) -> str:
    """``text`` with the user and password of the URLs in it hidden.

    >>> mask_url("postgresql://me:p@ss@db.example/optuna?sslmode=require")
    'postgresql://***@db.example/optuna?sslmode=require'
    >>> mask_url("sqlite:///outputs/history.db")
    'sqlite:///outputs/history.db'
    """
    return _QUERY_SECRET.sub(r"\1***", _SECRET.sub(r"\1***@", text))


def label(source: Source) -> str:
    """What to call a source in messages, without credentials."""
    if isinstance(source, BaseStorage):
        engine = _engine_of(source)
        return type(source).__name__ if engine is None else mask_url(str(engine.url))
    return mask_url(str(source))


def read_source(source: Source, keep: Keep) -> FlatTables:
    """The studies of ``source`` that ``keep`` says yes to.

    Raises:
        UnreadableError: It is missing, damaged, locked, or of a kind or revision that is not known.
    """
    if isinstance(source, BaseStorage):
        return _read_object(source, keep)
    text = str(source)
    path = file_path(text)
    if path is None:
        if text.startswith("sqlite"):
            raise UnreadableError("is a database in memory, which nobody else can read")
        return _read_database(text, {"poolclass": NullPool}, keep)
    if not path.exists():
        raise UnreadableError("does not exist")
    if path.is_dir():
        raise UnreadableError("is a folder, not a file")
    if not path.stat().st_size:
        raise UnreadableError("is an empty file")
    if path.suffix in PARQUET:
        return read_parquet(path, keep)
    if path.suffix in JOURNAL:
        return read_storage(JournalStorage(JournalFileBackend(str(path))), keep)
    return _read_sqlite(path, keep)


def _read_object(storage: BaseStorage, keep: Keep) -> FlatTables:
    engine = _engine_of(storage)
    if engine is not None:
        try:
            return read_sql(engine, keep)
        except UnknownSchemaError:
            pass  # the storage object opened it, so Optuna knows it
    return read_storage(storage, keep)


def file_path(text: str) -> Path | None:
    """The file that ``text`` means; None where it is the URL of a server or of a memory."""
    scheme, mark, rest = text.partition("://")
    if not mark:
        return Path(text)
    if scheme == "file":
        return Path(re.sub(r"^(localhost)?(?=/)", "", rest))
    if scheme.partition("+")[0] != "sqlite":
        return None
    database = sa.make_url(text).database
    if not database or database == ":memory:" or "mode=memory" in text:
        return None
    if database.startswith("file:"):
        database = database.removeprefix("file:").partition("?")[0]
    return Path(database)


def _engine_of(storage: BaseStorage) -> sa.Engine | None:
    """The engine of a relational storage, also of one that Optuna wrapped in its cache."""
    inner = getattr(storage, "_backend", storage)
    return inner.engine if isinstance(inner, RDBStorage) else None


def _read_sqlite(path: Path, keep: Keep) -> FlatTables:
    try:
        return _read_database("sqlite://", sqlite_reader(path), keep)
    except UnreadableError as problem:
        # A write-ahead log needs a shared-memory file beside the database; where the folder is
        # read-only there can be neither, nor a writer, so the file is read as it lies.
        cause = str(problem.__cause__)
        if "unable to open" not in cause and "readonly" not in cause:
            raise
        return _read_database("sqlite://", sqlite_reader(path, immutable=True), keep)


def sqlite_reader(path: Path, *, immutable: bool = False) -> dict[str, Any]:
    """Options for an SQLAlchemy engine on an existing SQLite file that cannot write to it."""
    uri = f"file:{quote(str(path.absolute()))}?mode=ro{'&immutable=1' if immutable else ''}"

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(uri, uri=True, timeout=LOCK_WAIT_S, check_same_thread=False)

    return {"creator": connect, "poolclass": NullPool}


def _read_database(url: str, options: dict[str, Any], keep: Keep) -> FlatTables:
    """Read by bulk SQL; through Optuna where it knows a revision that the SQL does not."""
    try:
        engine = sa.create_engine(url, **options)
    except (ArgumentError, NoSuchModuleError) as error:
        raise UnreadableError(f"is no storage URL that SQLAlchemy knows ({error})") from error
    except ImportError as error:
        raise UnreadableError(f"needs a database driver that is not installed ({error})") from error
    try:
        return read_sql(engine, keep)
    except NoOptunaTablesError as error:
        raise UnreadableError("holds no Optuna tables") from error
    except UnknownSchemaError as error:
        if error.revision is None:
            raise UnreadableError("is incomplete, or older than Optuna 1.0") from error
        try:
            storage = RDBStorage(url, engine_kwargs=options, skip_table_creation=True)
        except RuntimeError:
            raise UnreadableError(
                f"is of schema {error.revision}, which Optuna {optuna.__version__} does not know:"
                " upgrade Optuna, or the database by `optuna storage upgrade`"
            ) from error
        return read_storage(storage, keep)
    except SQLAlchemyError as error:
        raise UnreadableError(reason(error, engine.url.password)) from error
    finally:
        engine.dispose()


def reason(error: Exception, secret: str | None = None) -> str:
    """What a database's error means, in one line and without the password."""
    text = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
    if secret:
        text = text.replace(str(secret), "***")
    for sign, meaning in MEANINGS.items():
        if sign in text:
            return f"{meaning} ({text})"
    return f"cannot be used ({mask_url(text)})"
