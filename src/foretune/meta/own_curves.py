"""What does a curve's beginning say about its end? By the study's own completed curves alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from foretune.meta.curves import MAX_CONTEXT, Curve, CurveSet

_MIN_OWN = 4  # completed curves that a study needs to predict by these alone
_GAINS_DIFFER, _PSEUDO = 0.2, 2  # of the unit; pseudo-observations that say so


@dataclass(frozen=True)
class Prediction:
    """What a curve will come to, higher is better.

    Attributes:
        chance: That it ends above the incumbent.
        score: The expected final score.
        low: 10 % quantile of it.
        high: 90 % quantile of it.
        by: ``history`` or ``study``: whose curves say so.
    """

    chance: float
    score: float
    low: float
    high: float
    by: str

    def within(self, least: float, greatest: float) -> Prediction:
        """The same where scores can only be so low and so high."""
        score, low, high = np.clip((self.score, self.low, self.high), least, greatest).tolist()
        return Prediction(self.chance, score, low, high, self.by)


def by_own_curves(context: CurveSet, curve: Curve) -> Prediction | None:
    """A prediction by the study's completed curves alone; None while these are too few.

    What the better half of them gained from here to the end is taken to be normal with unknown
    mean and variance, so that the final score follows a t distribution. Few like curves do not
    make the next one like them: two pseudo-observations say that gains differ by a fifth of the
    unit, less where less of the way is left.
    """
    if len(context.final) < _MIN_OWN:
        return None
    if context.of_best:
        curve = curve.best_so_far()
    better = context.final >= np.median(context.final)
    gain = (context.final - context.at(float(curve.x[-1]))[:, 0])[better]
    k = len(gain)
    score = float(curve.value[-1] + gain.mean())
    x = float(curve.x[-1])
    expected = _GAINS_DIFFER * context.unit * x / float(min(curve.x[0], context.grid[0]))
    degrees = k - 1 + _PSEUDO
    squares = (k - 1) * float(gain.var(ddof=1)) + _PSEUDO * expected**2
    sd = max(math.sqrt(squares / degrees * (1 + 1 / k)), 1e-3 * context.unit)
    chance = _student_cdf((score - float(context.final.max())) / sd, degrees)
    reach = sd * _student_tenth(degrees)
    return Prediction(chance, score, score - reach, score + reach, "study")


def _student_cdf(t: float, degrees: int) -> float:
    """Of Student's t with whole degrees of freedom (Abramowitz and Stegun 1964, 26.7.3-4)."""
    theta = math.atan(t / math.sqrt(degrees))
    cosine = math.cos(theta)
    if degrees % 2:
        total, term = theta, cosine * math.sin(theta)
        for j in range(3, degrees + 1, 2):
            total += term
            term *= cosine**2 * (j - 1) / j
        return 0.5 + total / math.pi
    total, term = 0.0, math.sin(theta)
    for j in range(2, degrees + 1, 2):
        total += term
        term *= cosine**2 * (j - 1) / j
    return 0.5 + 0.5 * total


@cache
def _student_tenth(degrees: int) -> float:
    """The 90 % quantile, by bisection."""
    low, high = 0.0, 100.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _student_cdf(middle, degrees) < 0.9 else (low, middle)
    return low


def most_telling(final: np.ndarray) -> np.ndarray:
    """Rows of at most as many completed curves as training saw: the best half, and the latest."""
    if len(final) <= MAX_CONTEXT:
        return np.arange(len(final))
    best = np.argsort(-final, kind="stable")[: MAX_CONTEXT // 2]
    latest = [i for i in range(len(final) - 1, -1, -1) if i not in set(best.tolist())]
    return np.sort(np.concatenate([best, latest[: MAX_CONTEXT - len(best)]]))
