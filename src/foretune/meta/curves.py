"""How does one learning curve compare with others, whatever their lengths and units?

Letters used in every file on curves:
    x: natural logarithm of the share of a trial's own budget, (..., g), 0 at its end
    V: values at common x, higher is better, (n, g)      final: what the trials told, (n,)
    n: completed curves, g: points, m: curves that are asked about
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from optuna.trial import TrialState

from foretune.history import StudyRecord

MAX_GRID = 64
MAX_CONTEXT = 40  # completed curves that another one is compared with
N_FEATURES = 19  # of `compare`
SLOPE_UNIT = 0.02  # of a study's unit: smaller differences count linearly, larger ones by order
_LAGS = np.log([1.0, 2.0, 4.0])  # a curve is looked at now, at half and at a quarter of the way
_SAME = 1e-9
_ABSURD = 1e100  # a value beyond it is no score, and its square no number
_NEAR = 0.1  # of the unit: what is told lies so near a curve's end, or is not what it reports


def sound(value: float) -> bool:
    """Whether a value can be a score.

    >>> sound(0.5), sound(math.nan), sound(1e300)
    (True, False, False)
    """
    return abs(value) < _ABSURD


@dataclass(frozen=True)
class Curve:
    """Sound reports of one trial in order: ``x`` (g,) and ``value`` (g,)."""

    x: np.ndarray
    value: np.ndarray

    @classmethod
    def of(
        cls, reports: Mapping[int, float], *, last: int, sign: float, zero: bool
    ) -> Curve | None:
        """From reported values by step; None where no value is sound.

        Args:
            reports: Values as reported.
            last: The step at which the trial's budget ends.
            sign: -1 where a lower value is better.
            zero: Whether the study counts its steps from 0.
        """
        steps = [s for s in sorted(reports) if sound(reports[s])]
        if not steps:
            return None
        share = (np.array(steps, float) + zero) / (last + zero)
        return cls(np.log(np.maximum(share, _SAME)), sign * np.array([reports[s] for s in steps]))

    def best_so_far(self) -> Curve:
        """The same, for a study whose trials tell their best epoch."""
        return Curve(self.x, np.maximum.accumulate(self.value))

    def lagged(self) -> np.ndarray:
        """Values now, at half and at a quarter of the way that was gone, (3,)."""
        return np.interp(self.x[-1] - _LAGS, self.x, self.value)


@dataclass(frozen=True)
class CurveSet:
    """Completed curves of one study on a common grid.

    Attributes:
        grid: (g,) x, ascending, 0 last.
        V: (n, g) values, interpolated in x; before a curve's first report its first value.
        reported: (n, g) whether the trial reported at this very place.
        first: (n,) first values.
        final: (n,) what was told.
        of_best: Whether the study's trials tell their best epoch rather than their last.
    """

    grid: np.ndarray
    V: np.ndarray
    reported: np.ndarray
    first: np.ndarray
    final: np.ndarray
    of_best: bool

    @classmethod
    def of(cls, curves: Sequence[Curve], final: np.ndarray) -> CurveSet | None:
        """Put curves together; None where what was told is not where they end."""
        if not len(curves):
            return None
        end = np.array([c.value[-1] for c in curves])
        best = np.array([c.value.max() for c in curves])
        span = np.array([np.ptp(c.value) for c in curves])
        near = _NEAR * max(float(np.median(span)), float(np.std(final)), _SAME)
        of_best = bool((np.abs(final - best) <= near).all() and (np.abs(final - end) > _SAME).any())
        if not of_best and np.median(np.abs(final - end)) > near:
            return None
        if of_best:
            curves = [c.best_so_far() for c in curves]
        points = np.unique(np.concatenate([*(c.x for c in curves), [0.0]]).round(12))
        if len(points) > MAX_GRID:
            wanted = np.linspace(points[0], 0.0, MAX_GRID)
            points = points[np.unique(np.abs(points - wanted[:, None]).argmin(1))]
        return cls(
            grid=points,
            V=np.stack([np.interp(points, c.x, c.value) for c in curves]),
            reported=np.stack([np.isin(points, c.x.round(12)) for c in curves]),
            first=np.array([c.value[0] for c in curves]),
            final=final,
            of_best=of_best,
        )

    def at(self, x: float) -> np.ndarray:
        """Values at ``x``, at half and at a quarter of the way there, (n, 3)."""
        if len(self.grid) == 1:
            return np.repeat(self.V, len(_LAGS), axis=1)
        where = np.clip(x - _LAGS, self.grid[0], self.grid[-1])
        j = np.clip(np.searchsorted(self.grid, where) - 1, 0, len(self.grid) - 2)
        w = (where - self.grid[j]) / (self.grid[j + 1] - self.grid[j])
        return self.V[:, j] * (1.0 - w) + self.V[:, j + 1] * w

    def rows(self, which: np.ndarray) -> CurveSet:
        """Some of the curves."""
        V, reported = self.V[which], self.reported[which]
        return CurveSet(self.grid, V, reported, self.first[which], self.final[which], self.of_best)

    @property
    def unit(self) -> float:
        """What a difference is measured by: how far curves climb, and how finals differ.

        The same estimate from few good curves in training and in use: a new task's true spread is
        not known while only a few of its trials are.
        """
        climb = float(np.median(np.abs(self.final - self.first)))
        return math.hypot(climb, float(np.std(self.final)))


def completed(study: StudyRecord, limit: int) -> tuple[CurveSet, np.ndarray] | None:
    """Curves of at most ``limit`` completed trials of a past study, and these trials' rows.

    None where it has none, or where what was told is not where they end.
    """
    sign = 1.0 if study.maximize else -1.0
    told = (study.states == TrialState.COMPLETE.value) & (np.abs(study.values) < _ABSURD)
    points = study.curves
    fine = np.abs(points.value) < _ABSURD
    trial, step, value = points.trial[fine], points.step[fine], points.value[fine]
    rows = np.flatnonzero(told & np.isin(np.arange(len(told)), trial))
    rows = rows[:: -(-len(rows) // limit)] if len(rows) > limit else rows
    zero = bool(len(step) and step.min() == 0)
    starts, stops = np.searchsorted(trial, rows), np.searchsorted(trial, rows, side="right")
    curves = []
    for a, b in zip(starts, stops, strict=True):
        share = (step[a:b] + zero) / max(1, step[b - 1] + zero)
        curves.append(Curve(np.log(np.maximum(share, _SAME)), sign * value[a:b]))
    found = CurveSet.of(curves, sign * study.values[rows])
    return None if found is None else (found, rows)


def compare(
    context: CurveSet, x: float, *, first_x: float, query: np.ndarray, best: np.ndarray
) -> np.ndarray:
    """What a chance is predicted from: partial curves beside completed ones, without units.

    Args:
        context: Completed curves of the study.
        x: How far the partial ones are.
        first_x: Where they were reported first.
        query: Their values as `Curve.lagged` gives them, (m, 3).
        best: Their best values so far, (m,).

    Returns:
        (m, 19) float32.
    """
    final, c = context.final, context.at(x)
    i = int(np.argmax(final))
    incumbent, course = final[i], c[i]
    better = final >= np.median(final)
    to_come = final - c[:, 0]
    one = np.ones(len(query))
    now = query[:, 0]
    differences = np.stack(
        [
            now - incumbent,
            now - course[0],
            now - c[:, 0].max(),
            now - np.median(c[:, 0]),
            now - query[:, 1],
            query[:, 1] - query[:, 2],
            one * (course[0] - course[1]),
            one * (course[1] - course[2]),
            one * (incumbent - course[0]),
            one * to_come[better].mean(),
            best - now,
            query[:, 1] - course[1],
            one * (incumbent - np.median(final)),
            one * np.std(final),
            one * to_come.max(),
        ],
        axis=1,
    )
    rank = 2.0 * (now[:, None] > c[None, :, 0]).mean(1) - 1.0
    halvings = 1.0 + (x - first_x) / math.log(2.0)
    plain = np.stack([one * x, one * math.log(len(final)), one * halvings, rank], axis=1)
    placed = np.arcsinh(differences / (context.unit * SLOPE_UNIT))
    return np.concatenate([plain, placed], axis=1).astype(np.float32)
