"""How do scores of different tasks become comparable?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


def compress(u: np.ndarray) -> np.ndarray:
    """Logarithmic below -1: failures are everywhere and must not set the scale.

    >>> compress(np.array([0.5, -1.0, -10.0])).round(2)
    array([ 0.5, -1. , -3.3])
    """
    return np.where(u < -1.0, -1.0 - np.log(np.maximum(-u, 1.0)), u)


@dataclass(frozen=True)
class Scale:
    """A task's location and spread, in its own score units."""

    location: float
    spread: float

    def apply(self, score: np.ndarray) -> np.ndarray:
        """Normalised scores, the left tail compressed."""
        return compress((score - self.location) / self.spread)

    def undo(self, u: np.ndarray) -> np.ndarray:
        """Scores that `apply` maps to ``u``."""
        tail = np.where(u < -1.0, -np.exp(np.minimum(-u - 1.0, 50.0)), u)
        return self.location + self.spread * tail


def normalise(score: np.ndarray) -> tuple[np.ndarray, Scale]:
    """Scores (n,) of one task by their median and upper spread, and the scale that was used.

    The spread is the distance from the median to the 90 % quantile; where these coincide (more
    than half of the trials are equally good) the standard deviation takes its place.
    """
    location = float(np.median(score))
    spread = float(np.quantile(score, 0.9)) - location
    floor = 1e-9 * max(1.0, abs(location))
    if spread <= floor:
        spread = max(float(np.std(score)), floor)
    scale = Scale(location, spread)
    return scale.apply(score), scale
