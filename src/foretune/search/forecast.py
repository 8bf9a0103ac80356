"""How many trials fit into a budget, as far as past trials and a few timed steps tell?"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from optuna.distributions import CategoricalDistribution

from foretune.core import Budget, Forecast, ParamValue, format_duration
from foretune.history import HistoryRecords
from foretune.history.attrs import TASK
from foretune.history.records import ParamColumn
from foretune.search.pace import Pace
from foretune.space import Space

TimeStep = Callable[[Mapping[str, ParamValue]], float | None]
"""Seconds that a point would take, from a few of its steps; None: it cannot be told."""

MIN_ALIKE = 3  # past trials of a model, for a timed step to say how much faster this machine is
UNSURE = 0.15  # relative error of the mean of past trials, however many (taste)
UNSURE_ALONE = 0.4  # and of a timed step's without any (taste)
SPREAD = 0.6  # standard deviation of trials' seconds by their mean, where no past trials tell it
Z = 1.28  # 80 %
N_DRAWN = 256  # points of the space, for its mean number of epochs
EPOCHS = "epochs"


@dataclass(frozen=True)
class Took:
    """What a past trial took.

    Attributes:
        seconds: Above 0.
        model: Its model's name, if it had one.
        epochs: Its epochs, if they were a parameter.
    """

    seconds: float
    model: str | None = None
    epochs: float | None = None

    @property
    def each_s(self) -> float:
        """Seconds an epoch."""
        return self.seconds / (self.epochs or 1.0)


def past_trials(records: HistoryRecords | None, task: str) -> list[Took]:
    """What the user's own trials on ``task`` took."""
    found = []
    for study in () if records is None else records.studies:
        if study.user_attrs.get(TASK) != task or study.shipped:  # of another machine
            continue
        columns = {column.name: column for column in study.columns}
        for row in np.flatnonzero(study.seconds > 0):  # NaN is not
            model, epochs = columns.get("model"), columns.get(EPOCHS)
            found.append(
                Took(
                    float(study.seconds[row]),
                    None if model is None else _choice(model, int(row)),
                    None if epochs is None else _number(epochs, int(row)),
                )
            )
    return found


def _choice(column: ParamColumn, row: int) -> str | None:
    value, kind = column.values[row], column.distribution
    if not isinstance(kind, CategoricalDistribution) or not math.isfinite(value):
        return None
    return str(kind.choices[int(value)])


def _number(column: ParamColumn, row: int) -> float | None:
    value = float(column.values[row])
    if isinstance(column.distribution, CategoricalDistribution):
        text = _choice(column, row) or ""
        return float(text) if text.replace(".", "", 1).isdigit() else None
    return value if value > 0 and math.isfinite(value) else None


def forecast(
    budget: Budget,
    *,
    n_done: int,
    seconds_done: float,
    own_s: Sequence[float],
    past: Sequence[Took],
    space: Space,
    n_workers: int = 1,
    time_step: TimeStep | None = None,
    pace: Pace | None = None,
) -> Forecast | None:
    """How long trials will take, and how many fit into what is left; None: nothing tells.

    The study's own trials tell best. Without any, past ones on the same task do, brought to this
    machine and these settings by a timed step of a known-good point; without these, the step
    brought to what such a search picks (``pace``), or to the space's mean number of epochs.

    Args:
        budget: The limits.
        n_done: Trials that are done.
        seconds_done: Seconds that are spent.
        own_s: Seconds of the study's own trials.
        past: Past trials on the same task.
        space: What is searched; the first of its defaults is timed.
        n_workers: Trials at a time.
        time_step: Times it; None: not at all.
        pace: The search's trials by the timed point, as other tasks tell.
    """
    n_left = math.inf if budget.n_trials is None else max(budget.n_trials - n_done, 0)
    left_s = math.inf if budget.budget_s is None else max(budget.budget_s - seconds_done, 0.0)
    if not n_left or not left_s:
        return None
    known = [seconds for seconds in own_s if seconds > 0 and math.isfinite(seconds)]
    point = space.first_default
    timed_s = None
    if not known and time_step is not None and point is not None:
        timed_s = time_step(point)
    if known:
        by, unsure = _by(len(known), "of this study"), UNSURE
        seconds = known
    elif past:
        by, unsure = _by(len(past), "on this task"), UNSURE
        scale = None if timed_s is None or point is None else _scale(past, point, timed_s)
        if scale is not None:
            by += " and a timed step"
        seconds = [took.seconds * (scale or 1.0) for took in past]
    elif timed_s is not None and pace is not None:
        by, unsure = "from a timed step and past tasks", pace.unsure
        seconds = [timed_s * pace.ratio]
    elif timed_s is not None and point is not None:
        by, unsure = "from a timed step", UNSURE_ALONE
        seconds = [timed_s * _typical(space, point)]
    else:
        return None
    trial_s = statistics.fmean(seconds)
    spread = statistics.stdev(seconds) / trial_s if len(seconds) > 1 else SPREAD
    unsure = math.hypot(unsure, spread / math.sqrt(len(seconds)) if len(seconds) > 1 else 0.0)
    return _told(
        trial_s,
        spread=spread,
        unsure=unsure,
        n_left=n_left,
        left_s=left_s,
        n_workers=n_workers,
        by=by,
    )


def _by(n: int, which: str) -> str:
    return f"from {n:,} past trial{'s' if n > 1 else ''} {which}"


def _scale(past: Sequence[Took], point: Mapping[str, ParamValue], timed_s: float) -> float | None:
    """How many times as long as in the past an epoch of the point's model takes here and now."""
    model = point.get("model")
    alike = [took.each_s for took in past if model is None or took.model in (None, model)]
    if len(alike) < MIN_ALIKE:
        return None
    return timed_s / float(point.get(EPOCHS) or 1.0) / statistics.median(alike)


def _typical(space: Space, point: Mapping[str, ParamValue]) -> float:
    """The space's mean number of epochs by the point's."""
    if not point.get(EPOCHS):
        return 1.0
    rng = np.random.default_rng(0)
    drawn = [float(space.sample(rng).get(EPOCHS) or 1.0) for _ in range(N_DRAWN)]
    return statistics.fmean(drawn) / float(point[EPOCHS] or 1.0)


def _told(
    trial_s: float,
    *,
    spread: float,
    unsure: float,
    n_left: float,
    left_s: float,
    n_workers: int,
    by: str,
) -> Forecast:
    """The forecast in a sentence, with an 80 % interval.

    >>> known = {"spread": 0.5, "unsure": 0.1, "by": "from 120 past trials"}
    >>> _told(41.0, n_left=math.inf, left_s=1800.0, n_workers=1, **known).text
    'about 38 to 51 trials of 41.0 s in 30 min 0 s (from 120 past trials)'
    >>> _told(41.0, n_left=20, left_s=math.inf, n_workers=2, **known).text
    '20 trials of 41.0 s in about 5 min 44 s to 8 min 9 s (from 120 past trials)'
    """
    each = format_duration(trial_s)
    if left_s < math.inf:
        n_mean = left_s * n_workers / trial_s
        error = Z * math.hypot(unsure, spread / math.sqrt(max(n_mean, 1.0)))
        low, high = max(round(n_mean / (1 + error)), 1), max(math.ceil(n_mean * (1 + error)), 1)
        if low < n_left:
            n = f"{low} to {min(high, n_left):.0f}" if low < high else f"{low}"
            text = f"about {n} trials of {each} in {format_duration(left_s)} ({by})"
            return Forecast(trial_s, text)
    mean_s = n_left * trial_s / n_workers
    error = Z * math.hypot(unsure, spread / math.sqrt(max(n_left, 1.0)))
    low_s, high_s = mean_s / (1 + error), min(mean_s * (1 + error), left_s)
    within = f"{format_duration(low_s)} to {format_duration(high_s)}"
    count = f"{n_left:.0f} trial{'s' if n_left != 1 else ''}"
    return Forecast(trial_s, f"{count} of {each} in about {within} ({by})")
