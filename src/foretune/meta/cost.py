"""How long will a configuration take, and will it run at all?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from foretune.meta.codec import Codec
from foretune.meta.gp import matern52, squared_distance

_WORK = re.compile(
    "batch|depth|epoch|estimator|frozen|hidden|iter|layer|length|model|round|size|step|unit|width",
    re.IGNORECASE,
)
_NO_WORK = 0.3  # on the recorded trials .3 and .1 are alike, 1 is much worse
_RIDGES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
_ROUNDS = 20
_TINY = 1e-3  # of a variance, so that a matrix can be inverted
_MAX_ROWS = 20_000
_MIN_TIMED = 20
_LENGTHS = np.array([0.5, 1.0, 2.0])  # of the median distance between past configurations
_NOISE_SHARES = (0.03, 0.1, 0.3, 0.9)  # of the variance that the regression leaves
_KNOWN_SD, _UNKNOWN_SD = 0.3, 1.0  # of log seconds around their level, with a history and without
_FACTORS = np.array([0.1, 0.3, 1.0, 3.0])  # of these and of the next: what may turn out
_TIMING_SD = 0.1  # of one and the same trial's log seconds, by taste
_OWN_LENGTH = 0.5  # of a range, a parameter
_LENGTH = 0.3  # of the feasibility kernel, a parameter: a third of every range
_MAX_POINTS = 600
_OPTIMISM = 1.0  # pseudo-trials that ran: with no failure near, a configuration is feasible


@dataclass(frozen=True)
class CostModel:
    """Log seconds of a configuration: a ridge regression, and a process over what it leaves.

    Fitted to log seconds less each past task's own level, so that tasks of any size teach it, each
    configuration once; the new task's level is for `OwnSeconds`. Seconds are compared after the
    inverse transform alone.

    Attributes:
        coefficients, centre: Of the regression on encoded configurations and their squares.
        offset: The level of a typical past task.
        X, alpha: The process's points (m, d) and weights (m,).
        length: Its length scale.
    """

    coefficients: np.ndarray
    centre: np.ndarray
    offset: float
    X: np.ndarray
    alpha: np.ndarray
    length: float

    @classmethod
    def fit(cls, X: Sequence[np.ndarray], log_seconds: Sequence[np.ndarray]) -> CostModel | None:
        """From the trials of past tasks; None where these know too few seconds, or only equal ones.

        Args:
            X: Of each task the encoded configurations, (n, d).
            log_seconds: Their log seconds, (n,), NaN unknown.
        """
        rows, targets, offsets = [], [], []
        for x, y in zip(X, log_seconds, strict=True):
            timed = np.isfinite(y)
            if timed.sum() >= 2:
                offsets.append(float(np.median(y[timed])))
                rows.append(x[timed])
                targets.append(y[timed])
        if sum(map(len, targets)) < _MIN_TIMED:
            return None
        step = sum(map(len, targets)) // _MAX_ROWS + 1
        rows, targets = [x[::step] for x in rows], [y[::step] for y in targets]
        if max(float(np.ptp(y)) for y in targets) <= 0:
            return None
        points, which = np.unique(np.concatenate(rows).round(9), axis=0, return_inverse=True)
        level, y, noise = _levels(which.reshape(-1), targets, len(points))
        F = _basis(points)
        centre = F.mean(0)
        coefficients = _ridge(F - centre, y)
        left = y - (F - centre) @ coefficients
        some = np.random.default_rng(0).permutation(len(points))[:_MAX_POINTS]
        alpha, length = _process(points[some], left[some], noise[some])
        return cls(coefficients, centre, float(np.median(level)), points[some], alpha, length)

    def relative(self, X: np.ndarray) -> np.ndarray:
        """Log seconds less the task's own level, of encoded configurations (n, d): (n,)."""
        smooth = (_basis(X) - self.centre) @ self.coefficients
        return smooth + _matern(X, self.X, self.length) @ self.alpha


def columns(codec: Codec) -> np.ndarray:
    """(d,) how far apart encoded configurations are for what they cost, a column.

    Few configurations cannot tell what matters; names can. What is not named like work is drawn
    together, not left out.
    """
    works = np.array([bool(_WORK.search(param.name)) for param in codec.params])
    return np.where(works[codec.groups], 1.0, _NO_WORK)


def _basis(X: np.ndarray) -> np.ndarray:
    return np.concatenate([X, X**2], axis=1)


def _levels(
    which: np.ndarray, targets: Sequence[np.ndarray], n: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Levels (t,) of tasks; of ``n`` configurations the mean above them, and its variance.

    Tasks are compared where they tried the same: one that tried slow configurations alone is no
    slow task. Alternating means; tasks that share nothing are centred by themselves, and then the
    variance is not known: NaN.
    """
    y = np.concatenate(targets)
    task = np.repeat(np.arange(len(targets)), [len(t) for t in targets])
    counts = np.bincount(which, minlength=n)
    level, mean = np.array([float(t.mean()) for t in targets]), np.zeros(n)
    for _ in range(_ROUNDS):
        mean = np.bincount(which, y - level[task], minlength=n) / counts
        shift = np.bincount(task, y - level[task] - mean[which]) / np.bincount(task)
        level = level + shift
    left = y - level[task] - mean[which]
    degrees = len(y) - n - len(targets)
    variance = float(left @ left) / degrees / counts if degrees > 0 else np.full(n, np.nan)
    return level + mean.mean(), mean - mean.mean(), variance


def _ridge(F: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Coefficients of centred features (n, f), the ridge by leave-one-out error in closed form."""
    U, s, Vt = np.linalg.svd(F, full_matrices=False)
    best = (np.inf, np.zeros(F.shape[1]))
    for ridge in _RIDGES:
        shrunk = s**2 / (s**2 + ridge)
        leverage = np.minimum((U**2) @ shrunk + 1.0 / len(y), 0.999)
        fitted = U @ (shrunk * (U.T @ y))
        error = float((((y - fitted) / (1.0 - leverage)) ** 2).mean())
        if error < best[0]:
            best = error, Vt.T @ (s / (s**2 + ridge) * (U.T @ y))
    return best[1]


def _matern(A: np.ndarray, B: np.ndarray, length: float) -> np.ndarray:
    squared = squared_distance(torch.from_numpy(A), torch.from_numpy(B)) / length**2
    return matern52(squared).numpy()


def _process(X: np.ndarray, y: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights (n,) and length scale of the process that makes residuals ``y`` (n,) most likely.

    ``known`` (n,) is the variance of each; where it is not (NaN) it is a share of all, the most
    likely one.
    """
    variance = float(y.var())
    if variance <= 0:
        return np.zeros(len(y)), 1.0
    best = (-np.inf, np.zeros(len(y)), 1.0)
    typical = float(np.sqrt(np.median(squared_distance(*[torch.from_numpy(X)] * 2)))) or 1.0
    for length in _LENGTHS * typical:
        K = _matern(X, X, float(length))
        for share in _NOISE_SHARES if np.isnan(known).any() else (0.0,):
            noise = np.full(len(y), share * variance) if share else known + _TINY * variance
            L = np.linalg.cholesky(variance * (1.0 - share) * K + np.diag(noise))
            white = np.linalg.solve(L, y)
            likelihood = -0.5 * float(white @ white) - float(np.log(np.diag(L)).sum())
            if likelihood > best[0]:
                alpha = variance * (1.0 - share) * np.linalg.solve(L.T, white)
                best = likelihood, alpha, float(length)
    return best[1], best[2]


@dataclass(frozen=True)
class OwnSeconds:
    """What a study's own timed trials add to the history's word on seconds.

    A process over what the history's prediction is wrong by: a level that is anything, a deviation
    from configuration to configuration, and the noise of a machine that does other things too. How
    much of the two there is, is the most probable under log-normal priors around what is usual.
    """

    X: np.ndarray
    alpha: np.ndarray
    level: float
    deviation: float
    length: float

    @classmethod
    def fit(
        cls, X: np.ndarray, log_seconds: np.ndarray, expected: np.ndarray | None, offset: float
    ) -> OwnSeconds:
        """From the study's timed trials, none or more.

        Args:
            X: Their encoded configurations, each parameter in [0, 1], (n, d).
            log_seconds: Their log seconds, (n,).
            expected: What the history expects but for the level, (n,); None: nothing is expected.
            offset: The level before the first trial.
        """
        gap = log_seconds - (0.0 if expected is None else expected)
        deviation = _KNOWN_SD if expected is not None else _UNKNOWN_SD
        length = _OWN_LENGTH * max(1, X.shape[1]) ** 0.5
        if not len(gap):
            return cls(X, gap, offset, deviation, length)
        K = _matern(X, X, length)
        best, fitted = -np.inf, cls(X, np.zeros(len(gap)), float(np.median(gap)), 0.0, length)
        for sd in deviation * _FACTORS:
            for noise in _TIMING_SD * _FACTORS:
                C = sd**2 * K + noise**2 * np.eye(len(gap))
                one, raw = np.linalg.solve(C, np.stack([np.ones(len(gap)), gap], axis=1)).T
                level = float(raw.sum() / one.sum())
                alpha = raw - level * one
                prior = np.log(np.array([sd / deviation, noise / _TIMING_SD])) ** 2
                density = -0.5 * (
                    float((gap - level) @ alpha) + np.linalg.slogdet(C)[1]
                    + np.log(one.sum()) + prior.sum()
                )  # fmt: skip
                if density > best:
                    best, fitted = density, cls(X, alpha, level, float(sd), length)
        return fitted

    def correction(self, X: np.ndarray) -> np.ndarray:
        """What to add to the history's expectation, at encoded configurations (q, d): (q,)."""
        if not len(self.alpha):
            return np.full(len(X), self.level)
        return self.level + self.deviation**2 * _matern(X, self.X, self.length) @ self.alpha


@dataclass(frozen=True)
class Feasibility:
    """Share of trials that ran, near a configuration: a kernel-weighted mean over all trials."""

    X: np.ndarray
    ran: np.ndarray
    length: float

    @classmethod
    def fit(
        cls, ran: np.ndarray, failed: np.ndarray, *, n_params: int, seed: int
    ) -> Feasibility | None:
        """From encoded configurations (n, d) that ran and (m, d) that failed; None without any."""
        if not len(failed):
            return None
        rng = np.random.default_rng(seed)
        ran = ran[rng.permutation(len(ran))[:_MAX_POINTS]]
        failed = failed[rng.permutation(len(failed))[:_MAX_POINTS]]
        labels = np.concatenate([np.ones(len(ran)), np.zeros(len(failed))])
        return cls(np.concatenate([ran, failed]), labels, _LENGTH * max(1, n_params) ** 0.5)

    def log_probability(self, Q: np.ndarray) -> np.ndarray:
        """Log probability that encoded configurations (q, d) run, (q,)."""
        squared = squared_distance(torch.from_numpy(Q), torch.from_numpy(self.X)) / self.length**2
        k = matern52(squared).numpy()
        return np.log((k @ self.ran + _OPTIMISM) / (k.sum(1) + _OPTIMISM))
