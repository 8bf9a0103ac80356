"""How does a learner read a history, wherever it is kept and however broken it is?"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from pathlib import Path

from optuna.storages import BaseStorage

from foretune.history.assemble import assemble
from foretune.history.records import HistoryRecords, StudyRecord
from foretune.history.source import Source, find, label
from foretune.history.tables import StudyHead, UnreadableError
from foretune.history.wording import named

History = Source | HistoryRecords | Iterable[Source | HistoryRecords] | None
_log = logging.getLogger(__name__)


def read_history(
    history: History,
    *,
    exclude_fingerprint: str | None = None,
    exclude_studies: Collection[str] = (),
) -> HistoryRecords:
    """Read every usable study of a history into arrays.

    Args:
        history: A storage URL, an Optuna storage object, the path of an SQLite file, of an
            exported parquet file or of an Optuna journal, records read before, or several of
            those; None: nothing.
        exclude_fingerprint: Leave out studies whose user attribute ``fingerprint`` equals this:
            they are of the same data.
        exclude_studies: Names of studies to leave out.

    Returns:
        The studies, and a note for each thing left out. Never raises on bad content: a source
        that is missing, damaged, locked or of an unknown kind becomes a note.
    """
    studies: dict[tuple[str, bytes], StudyRecord] = {}
    notes: list[str] = []
    for source in _sources(history):
        found, said = _read_one(source, exclude_fingerprint, frozenset(exclude_studies))
        notes += said
        for study in found:
            twin = studies.setdefault(_content(study), study)
            if twin is not study:
                notes.append(
                    f"{study.source}: left out study {study.name!r} "
                    f"(the same trials as in {twin.source})."
                )
    for note in notes:
        _log.info(note)
    return HistoryRecords(tuple(studies.values()), tuple(notes))


def _sources(history: History) -> list[Source | HistoryRecords]:
    if history is None:
        return []
    if isinstance(history, str | Path | BaseStorage | HistoryRecords):
        return [history]
    return list(history)


def _read_one(
    source: Source | HistoryRecords, fingerprint: str | None, names: frozenset[str]
) -> tuple[list[StudyRecord], list[str]]:
    if isinstance(source, HistoryRecords):
        kept = [
            study
            for study in source.studies
            if study.name not in names
            and (fingerprint is None or study.user_attrs.get("fingerprint") != fingerprint)
        ]
        return kept, list(source.notes)
    same_data: list[str] = []
    seen: list[str] = []

    def keep(head: StudyHead) -> bool:
        seen.append(head.name)
        if fingerprint is not None and head.user_attrs.get("fingerprint") == fingerprint:
            same_data.append(head.name)
            return False
        return head.name not in names

    called = label(source)
    try:
        studies, notes = assemble(find(source).tables(keep), called)
    except UnreadableError as problem:
        return [], [f"{called} {problem}."]
    except Exception as error:  # whatever a damaged file provokes must not end a search
        _log.debug("reading %s failed", called, exc_info=True)
        return [], [f"{called} cannot be read ({type(error).__name__})."]
    if same_data:
        notes.append(f"{called}: left out {named(same_data)} (the same data).")
    if not seen:
        notes.append(f"{called} holds no studies.")
    return studies, notes


def _content(study: StudyRecord) -> tuple[str, bytes]:
    """Equal for two copies of one study."""
    arrays = (study.numbers, study.states, study.values)
    return study.name, b"".join(array.tobytes() for array in arrays)
