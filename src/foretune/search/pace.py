"""How long are the trials that a search picks, by one point's? As trials of other tasks tell."""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum

import numpy as np
from optuna.distributions import CategoricalDistribution

from foretune.core import ParamValue, TaskInfo
from foretune.history import HistoryRecords, ParamColumn, StudyRecord
from foretune.history.attrs import MODALITY, TASK
from foretune.space import MODEL

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
        _ratio(study, point, models, picks)
        for study in records.studies
        if study.user_attrs.get(MODALITY) == task.kind.modality
        and study.user_attrs.get(TASK) != task.name
    ]
    known = [ratio for ratio in found if ratio is not None]
    if len(known) < MIN_PAST:
        return None
    spread = statistics.stdev(math.log(ratio) for ratio in known)
    return Pace(statistics.median(known), max(spread, UNSURE))


def _ratio(
    study: StudyRecord, point: Mapping[str, ParamValue], models: Collection[str], picks: Picks
) -> float | None:
    timed = study.scored & np.isfinite(study.seconds) & (study.seconds > 0)
    own = study.seconds[timed & _like(study, point)]
    rows = np.flatnonzero(timed & _of_models(study, models))
    if not len(own) or not len(rows):
        return None
    if picks is not Picks.ANY:
        order = np.argsort(study.values[rows] * (-1 if study.maximize else 1), kind="stable")
        rows = rows[order[: math.ceil(GOOD_SHARE * len(rows))]]
    mean = statistics.harmonic_mean if picks is Picks.SHORT else statistics.fmean
    return mean(study.seconds[rows].tolist()) / float(own.mean())


def _like(study: StudyRecord, point: Mapping[str, ParamValue]) -> np.ndarray:
    """(n,) bool: the trials of the very point."""
    if point.keys() - {column.name for column in study.columns}:
        return np.zeros(len(study.values), bool)
    alike = np.ones(len(study.values), bool)
    for column in study.columns:
        if column.name in point:
            alike &= column.values == _code(column, point[column.name])
        else:
            alike &= np.isnan(column.values)
    return alike


def _of_models(study: StudyRecord, models: Collection[str]) -> np.ndarray:
    """(n,) bool: the trials of one of ``models``, or of no named one."""
    for column in study.columns:
        if column.name == MODEL:
            known = [_code(column, model) for model in models]
            return np.isnan(column.values) | np.isin(column.values, known)
    return np.ones(len(study.values), bool)


def _code(column: ParamColumn, value: ParamValue) -> float:
    """What stands for a value in its column; NaN, which equals nothing: it does not occur there."""
    if isinstance(column.distribution, CategoricalDistribution):
        choices = column.distribution.choices
        return float(choices.index(value)) if value in choices else math.nan
    return math.nan if value is None or isinstance(value, str) else float(value)
