"""How long are the trials that a search picks, by one point's? As trials of other tasks tell."""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum

import numpy as np

from foretune.core import ParamValue, TaskInfo
from foretune.history import HistoryRecords, StudyRecord
from foretune.history.attrs import MODALITY, TASK
from foretune.space import MODEL, point_key

MIN_PAST = 3  # studies that tried the point (taste)
GOOD_SHARE = 0.25  # of a study's trials: what a search that knows the past picks from (taste)
UNSURE = 0.3  # at least: a search picks otherwise than the past, too (taste)


class Picks(Enum):
    """Which of a study's trials are like those that a search picks."""

    ANY = "any"
    GOOD = "good"
    SHORT = "short"  # good ones, the shorter the more often


@dataclass(frozen=True)
class Pace:
    """What past studies tell.

    Attributes:
        ratio: Seconds of a trial of the search by those of the timed point, the studies' median.
        unsure: Its relative error, by how the studies differ.
    """

    ratio: float
    unsure: float


def pace(
    records: HistoryRecords | None,
    point: Mapping[str, ParamValue] | None,
    *,
    task: TaskInfo,
    models: Collection[str],
    picks: Picks,
) -> Pace | None:
    """Seconds of a trial of the search by those of ``point``.

    Args:
        records: Past studies; those of the task's modality count that tried ``point``, too.
        point: What will be timed on the task itself.
        task: The task; its own studies are left aside.
        models: What the search chooses from; trials of others are left aside.
        picks: What the search prefers.

    Returns:
        What they tell; None: they are fewer than ``MIN_PAST``.
    """
    if records is None or point is None:
        return None
    found = [
        _ratio(study, point_key(point), models, picks)
        for study in records.studies
        if study.user_attrs.get(MODALITY) == task.kind.modality
        and study.user_attrs.get(TASK) != task.name
    ]
    known = [ratio for ratio in found if ratio is not None]
    if len(known) < MIN_PAST:
        return None
    spread = statistics.stdev(math.log(ratio) for ratio in known)
    return Pace(statistics.median(known), max(spread, UNSURE))


def _ratio(study: StudyRecord, key: str, models: Collection[str], picks: Picks) -> float | None:
    timed = np.flatnonzero(study.scored & np.isfinite(study.seconds) & (study.seconds > 0))
    params = {int(row): study.params_at(int(row)) for row in timed}
    own = [float(study.seconds[row]) for row, held in params.items() if point_key(held) == key]
    rows = [row for row, held in params.items() if held.get(MODEL) in (None, *models)]
    if not own or not rows:
        return None
    if picks is not Picks.ANY:
        rows.sort(key=lambda row: study.values[row], reverse=study.maximize)
        rows = rows[: math.ceil(GOOD_SHARE * len(rows))]
    seconds = [float(study.seconds[row]) for row in rows]
    mean = statistics.harmonic_mean if picks is Picks.SHORT else statistics.fmean
    return mean(seconds) / statistics.fmean(own)
