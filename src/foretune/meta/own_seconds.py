"""How long do a study's own trials take, beside what the history says of them?"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from foretune.meta.cost import ANY_LEVEL, matern

_KNOWN_SD, _UNKNOWN_SD = 0.3, 1.0  # of log seconds around their level, with a history and without
_FACTORS = np.array([0.1, 0.3, 1.0, 3.0])  # of these and of the next: what may turn out
_TIMING_SD = 0.1  # of one and the same trial's log seconds, by taste
_OWN_LENGTH = 0.5  # of a range, a parameter


@dataclass(frozen=True)
class OwnSeconds:
    """What a study's own timed trials add to the history's word on seconds.

    A process over what the history's prediction is wrong by: a level, a deviation from
    configuration to configuration, and the noise of a machine that does other things too. How much
    of the two there is, is the most probable under log-normal priors around what is usual. The
    level is like those of past tasks or, on another machine, anything: whichever is more probable.
    """

    X: np.ndarray
    alpha: np.ndarray
    level: float
    deviation: float
    length: float

    @classmethod
    def fit(
        cls,
        X: np.ndarray,
        log_seconds: np.ndarray,
        expected: np.ndarray | None,
        offset: float,
        spread: float = ANY_LEVEL,
    ) -> OwnSeconds:
        """From the study's timed trials, none or more.

        Args:
            X: Their encoded configurations, each parameter in [0, 1], (n, d).
            log_seconds: Their log seconds, (n,).
            expected: What the history expects but for the level, (n,); None: nothing is expected.
            offset: The level before the first trial; without an expectation until then only.
            spread: How much past tasks' levels differ, a standard deviation.
        """
        gap = log_seconds - (0.0 if expected is None else expected)
        deviation = _KNOWN_SD if expected is not None else _UNKNOWN_SD
        length = _OWN_LENGTH * max(1, X.shape[1]) ** 0.5
        if not len(gap):
            return cls(X, gap, offset, deviation, length)
        K = matern(X, X, length)
        best, fitted = -np.inf, cls(X, np.zeros(len(gap)), float(np.median(gap)), 0.0, length)
        if expected is None:
            offset = float(np.median(gap))
        grid = product(deviation * _FACTORS, _TIMING_SD * _FACTORS, (spread, ANY_LEVEL))
        for sd, noise, wide in grid:
            C = sd**2 * K + noise**2 * np.eye(len(gap))
            one, raw = np.linalg.solve(C, np.stack([np.ones(len(gap)), gap - offset], axis=1)).T
            precision = one.sum() + wide**-2
            level = float(raw.sum() / precision)
            alpha = raw - level * one
            prior = np.log(np.array([sd / deviation, noise / _TIMING_SD])) ** 2
            density = -0.5 * (
                float((gap - offset) @ alpha) + np.linalg.slogdet(C)[1]
                + np.log(precision * wide**2) + prior.sum()
            )  # fmt: skip
            if density > best:
                best, fitted = density, cls(X, alpha, offset + level, float(sd), length)
        return fitted

    def correction(self, X: np.ndarray) -> np.ndarray:
        """What to add to the history's expectation, at encoded configurations (q, d): (q,)."""
        if not len(self.alpha):
            return np.full(len(X), self.level)
        return self.level + self.deviation**2 * matern(X, self.X, self.length) @ self.alpha
