"""What does a search learn from? The user's own studies first, then those that are shipped."""

from __future__ import annotations

import dataclasses

from foretune.config.schema.root import RootConfig
from foretune.core import TaskInfo
from foretune.history import HistoryRecords, read_history, seed_history
from foretune.history.attrs import STAND_IN, TASK
from foretune.history.wording import whose

N_SHOWN = 8  # past tasks that are named in the console


def past_studies(config: RootConfig, info: TaskInfo) -> HistoryRecords:
    """What ``search=meta`` and ``search.pruner=meta`` learn from on a task.

    Stand-ins are left out where the task is a real one, unless they are asked for: their scores
    are true, but of other data than their users had in mind. With ``history.seed`` the studies
    that ship with Foretune follow the user's own, without those of the task's own source.
    """
    records = _own_studies(config, info)
    if not config.history.seed:
        return records
    same = config.search.meta.include_same_data
    shipped = seed_history(
        exclude_fingerprint=None if same else info.fingerprint,
        exclude_task=None if same else info.name,
    )
    return HistoryRecords((*records.studies, *shipped.studies), (*records.notes, *shipped.notes))


def _own_studies(config: RootConfig, info: TaskInfo) -> HistoryRecords:
    meta = config.search.meta
    records = read_history(
        list(meta.history) or [config.storage.url],
        exclude_fingerprint=None if meta.include_same_data else info.fingerprint,
    )
    if info.stand_in or meta.include_stand_ins:
        return records
    kept = tuple(s for s in records.studies if not s.user_attrs.get(STAND_IN))
    n_out = len(records.studies) - len(kept)
    note = (f"{n_out} studies on packaged stand-in data are left out",) if n_out else ()
    return dataclasses.replace(records, studies=kept, notes=(*records.notes, *note))


def about_history(past: HistoryRecords | None) -> tuple[str, ...]:
    """What the search learns from, for the console and the record."""
    if past is None:
        return ()
    if not past.studies:
        return ("history: nothing to learn from yet", *past.notes)
    own = [s for s in past.studies if not s.shipped]
    tasks = list(dict.fromkeys(str(s.user_attrs.get(TASK, s.name)) for s in own or past.studies))
    n_trials = sum(len(s.values) for s in past.studies)
    shown = ", ".join(tasks[:N_SHOWN]) + (", ..." if len(tasks) > N_SHOWN else "")
    counts = whose(own=len(own), shipped=past.n_shipped)
    return (f"history: {counts}, {n_trials:,} trials ({shown})", *past.notes)
