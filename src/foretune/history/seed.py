"""What does a search know before there is a history? The trials that ship with Foretune.

``shipped/seed.parquet`` holds real trials of ``job=record`` (docs/seed-history.md): scores alone,
no rows of any data set. Its studies are called ``TASK (shipped)`` and say so wherever a suggestion
is explained.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from foretune.history.attrs import FINGERPRINT, TASK
from foretune.history.read import read_history
from foretune.history.records import HistoryRecords

SEED_FILE = Path(__file__).with_name("shipped") / "seed.parquet"
FAMILY = "family"  # study attribute: what tasks of one source share
SHARED_POINTS = "shared_points"  # of a recorded study: so many configurations, the first ones, are
# those of every task; the others are its own


def seed_history(
    *, exclude_fingerprint: str | None = None, exclude_task: str | None = None
) -> HistoryRecords:
    """The shipped studies, to be given to `foretune.MetaSampler` alone or beside one's own.

    With one's own beside them they count for less (`foretune.meta.tasks.weights`).

    Args:
        exclude_fingerprint: Of the data to be tried: studies on it are left out, and with them
            all of their family (subsets and other sizes of one source).
        exclude_task: Its name, which does the same where the rows are others.

    Returns:
        The studies; none, and a note, where pyarrow is missing.
    """
    records = read_history(SEED_FILE)
    families = {
        study.user_attrs.get(FAMILY)
        for study in records.studies
        if _is(study.user_attrs.get(FINGERPRINT), exclude_fingerprint)
        or _is(study.user_attrs.get(TASK), exclude_task)
    }
    kept = [s for s in records.studies if s.user_attrs.get(FAMILY) not in families]
    studies = tuple(
        replace(study, name=f"{study.user_attrs[TASK]} (shipped)", source="shipped", shipped=True)
        for study in kept
    )
    return HistoryRecords(studies, records.notes)


def _is(value: object, excluded: str | None) -> bool:
    return excluded is not None and value == excluded
