"""Which past studies may a new study learn from?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from foretune.history import HistoryRecords, read_history


def recorded(history: Any, *, fingerprint: str | None, name: str | None) -> HistoryRecords:
    """A history without the study itself and without studies of the same data.

    Args:
        history: What `foretune.MetaSampler` takes.
        fingerprint: Of the new study's data; None: leave out none for their data.
        name: Of the new study, if it has one.
    """
    if not isinstance(history, HistoryRecords):
        names = () if name is None else (name,)
        return read_history(history, exclude_fingerprint=fingerprint, exclude_studies=names)
    kept = tuple(
        s
        for s in history.studies
        if s.name != name
        and (fingerprint is None or s.user_attrs.get("fingerprint") != fingerprint)
    )
    return replace(history, studies=kept)


def turn(records: HistoryRecords) -> HistoryRecords:
    """A history in which every study was recorded in the other direction."""
    return replace(
        records, studies=tuple(replace(s, maximize=not s.maximize) for s in records.studies)
    )
