"""What did the user point at: a database, an Optuna storage object, a parquet file, a journal?

SQLite files are always opened read-only here: reading never creates, migrates or locks one.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import optuna
import sqlalchemy as sa
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from foretune.core import mask_url
from foretune.history.copies import DAMAGED, StudyCopy, copies_of_storage
from foretune.history.frozen import read_storage
from foretune.history.parquet import ParquetFile
from foretune.history.schema import NoOptunaTablesError, UnknownSchemaError, check_revision
from foretune.history.sql import read_sql
from foretune.history.study_reader import copies_of_database, strays
from foretune.history.tables import FlatTables, Keep, UnreadableError
from foretune.history.urls import file_path, reason

PARQUET = (".parquet", ".pq")
JOURNAL = (".log", ".journal", ".jsonl")
LOCK_WAIT_S = 10.0

Source = str | Path | BaseStorage


class Readable(Protocol):
    """A history that was found; the methods raise UnreadableError where it is damaged."""

    def tables(self, keep: Keep, *, outline: bool = False) -> FlatTables:
        """The studies that ``keep`` wants; an outline may lack parameters, curves, attributes."""
        ...

    def copies(self, keep: Keep) -> Iterator[StudyCopy]:
        """The studies that ``keep`` wants, with nothing lost but what each says it has lost."""
        ...

    def notes(self) -> tuple[str, ...]:
        """What the copies left out that is of no study, in words that follow a name and a colon."""
        ...


@dataclass(frozen=True)
class Database:
    """A database of a revision that the bulk SQL knows."""

    engine: sa.Engine
    url: str

    def tables(self, keep: Keep, *, outline: bool = False) -> FlatTables:
        """See Readable."""
        with explained(self.url):
            return read_sql(self.engine, keep, outline=outline)

    def copies(self, keep: Keep) -> Iterator[StudyCopy]:
        """See Readable."""
        with explained(self.url), self.engine.connect() as connection:
            yield from copies_of_database(connection, keep)

    def notes(self) -> tuple[str, ...]:
        """See Readable."""
        with explained(self.url), self.engine.connect() as connection:
            return tuple(f"left out {what}" for what in strays(connection))


@dataclass(frozen=True)
class Storage:
    """Any other Optuna storage, through its public interface."""

    storage: BaseStorage

    def tables(self, keep: Keep, *, outline: bool = False) -> FlatTables:
        """See Readable; this one is never an outline."""
        return read_storage(self.storage, keep)

    def copies(self, keep: Keep) -> Iterator[StudyCopy]:
        """See Readable."""
        try:
            yield from copies_of_storage(self.storage, keep)
        except (AssertionError, SQLAlchemyError, *DAMAGED) as error:  # Optuna checks no row
            raise UnreadableError(f"is damaged ({type(error).__name__})") from error

    def notes(self) -> tuple[str, ...]:
        """See Readable; Optuna tells of none."""
        return ()


def label(source: Source) -> str:
    """What to call a source in messages, without credentials."""
    if isinstance(source, BaseStorage):
        inner = _relational(source)
        return mask_url(inner.url) if inner else type(source).__name__
    return mask_url(str(source))


def find(source: Source) -> Readable:
    """The history that ``source`` means.

    Raises:
        UnreadableError: It is missing, damaged, locked, or of a kind or revision not known.
    """
    if isinstance(source, BaseStorage):
        inner = _relational(source)
        return _database(inner.engine, inner.url, lambda: source) if inner else Storage(source)
    text = str(source)
    try:
        path = file_path(text)
    except ArgumentError as error:
        raise UnreadableError("is no storage URL") from error
    if path is None:
        if text.startswith("sqlite"):
            raise UnreadableError("is a database in memory, which nobody else can read")
        return _opened(text, {"poolclass": NullPool}, text)
    if not path.exists():
        raise UnreadableError("does not exist")
    if path.is_dir():
        raise UnreadableError("is a folder, not a file")
    if not path.stat().st_size:
        raise UnreadableError("is an empty file")
    if path.suffix in PARQUET:
        return ParquetFile(path)
    if path.suffix in JOURNAL:
        try:
            return Storage(JournalStorage(JournalFileBackend(str(path))))
        except Exception as error:  # Optuna replays the journal without checking it
            raise UnreadableError(f"is no readable Optuna journal ({error!r})") from error
    try:
        return _opened("sqlite://", sqlite_reader(path), text)
    except UnreadableError as problem:
        # A write-ahead log needs a shared-memory file beside the database; where the folder is
        # read-only there can be neither, nor a writer, so the file is read as it lies.
        cause = str(problem.__cause__)
        if "unable to open" not in cause and "readonly" not in cause:
            raise
        return _opened("sqlite://", sqlite_reader(path, immutable=True), text)


def sqlite_reader(path: Path, *, immutable: bool = False) -> dict[str, Any]:
    """Options for an SQLAlchemy engine on an existing SQLite file that cannot write to it."""
    uri = f"file:{quote(str(path.absolute()))}?mode=ro{'&immutable=1' if immutable else ''}"

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(uri, uri=True, timeout=LOCK_WAIT_S, check_same_thread=False)

    return {"creator": connect, "poolclass": NullPool}


@contextmanager
def explained(url: str) -> Iterator[None]:
    """Errors of the database as UnreadableError."""
    try:
        yield
    except SQLAlchemyError as error:
        raise UnreadableError(reason(error, url)) from error


def _relational(storage: BaseStorage) -> RDBStorage | None:
    """A relational storage, also one that Optuna wrapped in its cache."""
    inner = getattr(storage, "_backend", storage)
    return inner if isinstance(inner, RDBStorage) else None


def _opened(engine_url: str, options: dict[str, Any], url: str) -> Readable:
    try:
        engine = sa.create_engine(engine_url, **options)
    except (ArgumentError, NoSuchModuleError) as error:
        raise UnreadableError(f"is no storage URL that SQLAlchemy knows ({error})") from error
    except ImportError as error:
        raise UnreadableError(f"needs a database driver that is missing ({error})") from error

    def storage() -> BaseStorage:
        return RDBStorage(engine_url, engine_kwargs=options, skip_table_creation=True)

    return _database(engine, url, storage)


def _database(engine: sa.Engine, url: str, fallback: Callable[[], BaseStorage]) -> Readable:
    """Bulk SQL where the revision is known, else Optuna itself if it knows it."""
    try:
        with explained(url), engine.connect() as connection:
            check_revision(connection)
    except NoOptunaTablesError as error:
        raise UnreadableError("holds no Optuna tables") from error
    except UnknownSchemaError as error:
        if not re.fullmatch(r"v[\w.]{1,20}", str(error.revision), re.ASCII):
            raise UnreadableError("is incomplete or damaged, or older than Optuna 1.0") from error
        try:
            return Storage(fallback())
        except RuntimeError:
            raise UnreadableError(
                f"is of schema {error.revision}, which Optuna {optuna.__version__} does not know:"
                " upgrade Optuna, or the database by `optuna storage upgrade`"
            ) from error
    return Database(engine, url)
