"""How do histories travel: exported to a file, imported into a storage, merged into one?

Nothing is ever written over by halves: files are written beside their final name and moved there
when they are whole, studies are added one transaction each, and an existing study is never
changed: the same study again is skipped, another one of its name comes in under a new name.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from copy import copy as shallow
from dataclasses import dataclass, field, replace
from pathlib import Path

import sqlalchemy as sa
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from foretune.core import HistoryError
from foretune.history.attrs import FAILURE, LEASE
from foretune.history.copies import StudyCopy, write_copy
from foretune.history.parquet import write_parquet
from foretune.history.rows import BadRowError, Row, checked, to_rows
from foretune.history.schema import UnknownSchemaError, check_revision, read_heads
from foretune.history.source import PARQUET, Source, explained, find, label
from foretune.history.store import open_storage
from foretune.history.study_reader import copies_of_database
from foretune.history.tables import StudyHead, UnreadableError

_NUMBERED = re.compile(r"(-\d+)+$")
STILL_RUNNING = "was still running when its study was copied"


@dataclass
class Exchanged:
    """What an export, import or merge did; ``notes`` say what it left out and why.

    ``lost`` is what a database holds and nobody can read, a sentence each.
    """

    n_studies: int = 0
    n_trials: int = 0
    n_known: int = 0
    renamed: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)


def export_history(
    sources: Sequence[Source],
    path: Path,
    *,
    studies: Collection[str] | None = None,
    overwrite: bool = False,
) -> Exchanged:
    """Write the studies of ``sources`` (or those of ``studies``) to one parquet file.

    Raises:
        HistoryError: A source cannot be read, a study is not there, there is nothing to write, the
            file exists and ``overwrite`` is not set or something is lost, or it cannot be written.
    """
    if path.suffix not in PARQUET:
        raise HistoryError(f"expected a file that ends in .parquet, got {path}")
    done = Exchanged()
    with _replacing(path, overwrite=overwrite) as part, _told():
        shelf = _Shelf(lambda name: shelf.digests[name])
        found = _new(_copies(sources, studies, done), shelf, done)
        write_parquet((_renamed(study, rows) for study, rows in found), part)
        lacking = sorted(set(studies or ()) - shelf.digests.keys())
        if lacking:
            raise HistoryError(f"no study {lacking[0]!r} with trials in {_labels(sources)}")
        if not done.n_trials:
            raise HistoryError(f"nothing to export: no trials in {_labels(sources)}")
        if done.lost and path.exists():
            raise HistoryError(f"{path} stays as it was, give another file: {done.lost[0]}")
    return done


def import_history(sources: Sequence[Source], storage: RDBStorage) -> Exchanged:
    """Add the studies of ``sources`` to a storage that ``open_storage`` opened.

    Raises:
        HistoryError: A source cannot be read, or the storage cannot be written. The studies that
            were added until then stay, whole.
    """
    done = Exchanged()

    def digest_of(name: str) -> str:
        with storage.engine.connect() as connection:
            (there,) = copies_of_database(connection, lambda head: head.name == name)
        try:
            return _digest(to_rows(_settled(checked(there))))
        except BadRowError:
            return ""  # nothing is equal to it

    with _told(), explained(storage.url):
        shelf = _Shelf(digest_of)
        with storage.engine.connect() as connection:
            _check_known(connection)
            for head in read_heads(connection)[0].values():
                shelf.put(head.name)
        for study, _ in _new(_copies(sources, None, done), shelf, done):
            with storage.engine.begin() as connection:
                write_copy(connection, study)
    return done


def merge_histories(sources: Sequence[Source], path: Path, *, overwrite: bool = False) -> Exchanged:
    """Write the studies of several sources to one new file, parquet or SQLite by its ending.

    Raises:
        HistoryError: As for export; an existing database is never replaced.
    """
    if path.suffix in PARQUET:
        return export_history(sources, path, overwrite=overwrite)
    if path.exists():
        raise HistoryError(
            f"{path} exists and a database is never replaced: give another file, or add to it by"
            f" history.action=import storage.url=sqlite:///{path}"
        )
    with _replacing(path, overwrite=False) as part:
        storage = open_storage(f"sqlite:///{part}")
        try:
            done = import_history(sources, storage)
        finally:
            storage.engine.dispose()
        with closing(sqlite3.connect(part)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")  # one file, to be moved as a whole
    return done


def _check_known(connection: sa.Connection) -> None:
    try:
        check_revision(connection)
    except UnknownSchemaError as error:
        raise UnreadableError(
            f"is of schema {error.revision}, into which this version cannot import: upgrade"
            " foretune"
        ) from error


def _copies(
    sources: Sequence[Source], studies: Collection[str] | None, done: Exchanged
) -> Iterator[StudyCopy]:
    """The studies of all sources, finished; what is left out is noted."""
    notes = done.notes

    def keep(head: StudyHead) -> bool:
        return studies is None or head.name in studies

    for source in sources:
        try:
            history = find(source)
            for found in history.copies(keep):
                study = f"study {found.head.name!r}"
                try:
                    whole = checked(found)
                except BadRowError as problem:
                    notes.append(f"{label(source)}: left out {study} ({problem}).")
                    continue
                told = [f"{label(source)}, {study}: left out {what}." for what in whole.lost]
                notes += told
                done.lost += told[: len(found.lost)]
                if whole.trials:
                    yield _settled(whole)
                else:
                    why = "no trial can be read" if whole.lost else "no trials"
                    notes.append(f"{label(source)}: left out {study} ({why}).")
            notes += [f"{label(source)}: {note}." for note in history.notes()]
        except UnreadableError as problem:
            raise HistoryError(f"{label(source)} {problem}") from problem


def _settled(study: StudyCopy) -> StudyCopy:
    """``study`` with its trials numbered without gaps, and running ones as failed.

    Nobody runs them where the copy goes, and they would wait there for ever. The signature of the
    process that ran a trial means nothing there, and names its machine.
    """
    trials = []
    for number, trial in enumerate(study.trials):
        told = shallow(trial)
        told.number = number
        told.user_attrs = {k: v for k, v in trial.user_attrs.items() if k != LEASE}
        if trial.state is TrialState.RUNNING:
            told.state = TrialState.FAIL
            told.values = None
            told.user_attrs = {**told.user_attrs, FAILURE: STILL_RUNNING}
            told.datetime_complete = trial.datetime_start  # Optuna wants one of what has ended
        trials.append(told)
    return replace(study, trials=trials)


@dataclass
class _Shelf:
    """What is there already, by name; tells what a newcomer is to be called.

    A newcomer is compared with the studies of its own name, and of that name with a number behind
    it, which is what an earlier import would have called it.
    """

    read_digest: Callable[[str], str]
    families: dict[str, set[str]] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)

    def put(self, name: str, digest: str | None = None) -> None:
        """Note a study; its digest is read when it is first needed."""
        self.families.setdefault(_NUMBERED.sub("", name), set()).add(name)
        if digest is not None:
            self.digests[name] = digest

    def name_for(self, asked: str, digest: str) -> str | None:
        """A free name for a study, which is taken by that; None: the study is there already."""
        family = self.families.get(_NUMBERED.sub("", asked), set())
        if any(self._digest(name) == digest for name in family):
            return None
        numbered = (f"{asked}-{k}" for k in itertools.count(2))
        name = asked if asked not in family else next(n for n in numbered if n not in family)
        self.put(name, digest)
        return name

    def _digest(self, name: str) -> str:
        if name not in self.digests:
            self.digests[name] = self.read_digest(name)
        return self.digests[name]


def _new(
    copies: Iterator[StudyCopy], shelf: _Shelf, done: Exchanged
) -> Iterator[tuple[StudyCopy, list[Row]]]:
    """Those of ``copies`` that are not there already, under free names; with their rows."""
    for found in copies:
        asked, rows = found.head.name, to_rows(found)
        name = shelf.name_for(asked, _digest(rows))
        if name is None:
            done.n_known += 1
            continue
        if name != asked:
            done.renamed[asked] = name
        done.n_studies += 1
        done.n_trials += len(found.trials)
        yield replace(found, head=replace(found.head, name=name)), rows


def _renamed(study: StudyCopy, rows: list[Row]) -> list[Row]:
    if rows[0]["study_name"] != study.head.name:
        rows = [row | {"study_name": study.head.name} for row in rows]
    return rows


def _digest(rows: Sequence[Row]) -> str:
    """Equal for two copies of one study, whatever they are named and wherever they lie."""
    told = hashlib.sha256()
    for row in rows:
        cells = (str(cell) for column, cell in row.items() if column != "study_name")
        told.update("\0".join(cells).encode())
    return told.hexdigest()


def _labels(sources: Sequence[Source]) -> str:
    return ", ".join(label(source) for source in sources)


@contextmanager
def _told() -> Iterator[None]:
    """What goes wrong underneath, in the words of HistoryError."""
    try:
        yield
    except UnreadableError as problem:
        raise HistoryError(f"the history {problem}") from problem


@contextmanager
def _replacing(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """A path to write to, moved to ``path`` if all goes well and deleted if not."""
    if path.exists() and not overwrite:
        raise HistoryError(f"{path} exists: give another file, or history.overwrite=true")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield part
            os.replace(part, path)
        finally:
            for left in ("", "-wal", "-shm", ".lock"):
                Path(f"{part}{left}").unlink(missing_ok=True)
    except OSError as error:
        raise HistoryError(f"{path} cannot be written ({error.strerror or error})") from error
