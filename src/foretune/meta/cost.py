"""How long will a configuration take, by what past tasks' trials took?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from foretune.meta.gp import matern52, squared_distance
from foretune.meta.work import Work

ANY_LEVEL = 3.0  # of log seconds: a task's level may be anything (by taste)
_LEAST_SPREAD = 0.1  # of past tasks' levels, by taste
_MIN_LEVELS = 4  # past tasks that tell how much levels differ
_GROUPS_DIFFER = 0.05  # of the variance, to start with: rather what was tried differs
_ROUNDS = 20
_STEPS = (6.0, 3.0, 1.7)  # by which a variance is changed in each round of its search
_PRIOR_SD = 3.0  # of log variances around what they start from
_STUDENT = 4.0  # degrees of freedom: a trial that met a warm cache, or a busy machine, is no rule
_LENGTH = 0.25  # of a number's range, by the root of how many there are
_MAX_ROWS = 20_000
_MAX_POINTS, _MAX_SEARCHED = 600, 200
_MAX_NUMBERS = 20_000_000  # in the covariances of all processes: 160 MB
_MIN_TIMED = 20


@dataclass(frozen=True)
class CostModel:
    """Log seconds of a configuration: a sum of processes that are made for work.

    Lines in each number (the logarithm of epochs, of a batch's rows), for all kinds (models) and
    for each; smooth functions of all numbers, again for all and for each kind; lines in what
    describes a kind and in what is not named like work; and a smooth function of everything.
    Their variances are the most probable ones. Errors follow a t distribution.

    Fitted to log seconds less each past task's own level, so that tasks of any size teach it, each
    configuration once; the new task's level is for `OwnSeconds`. Seconds are compared after the
    inverse transform alone.

    Attributes:
        work: What the columns mean.
        X, alpha: The processes' points (m, d) and weights (m,).
        own: What each of these takes beyond what the processes say, where it comes again, (m,).
        variances: Of each process.
        length: Of the smooth function of everything.
        offset: The level of a typical past task.
        spread: How much past tasks' levels differ, a standard deviation.
    """

    work: Work
    X: np.ndarray
    alpha: np.ndarray
    own: np.ndarray
    variances: np.ndarray
    length: float
    offset: float
    spread: float

    @classmethod
    def fit(
        cls,
        X: Sequence[np.ndarray],
        log_seconds: Sequence[np.ndarray],
        work: Work | None = None,
    ) -> CostModel | None:
        """From the trials of past tasks; None where these know too few seconds, or only equal ones.

        Args:
            X: Of each task the configurations as `work_rows` gives them, (n, d); columns beyond
                these describe kinds.
            log_seconds: Their log seconds, (n,), NaN unknown.
            work: What the columns mean; None: all are numbers.
        """
        rows, targets = [], []
        for x, y in zip(X, log_seconds, strict=True):
            timed = np.isfinite(y)
            if timed.sum() >= 2:
                rows.append(x[timed])
                targets.append(y[timed])
        if sum(map(len, targets)) < _MIN_TIMED:
            return None
        step = sum(map(len, targets)) // _MAX_ROWS + 1
        rows, targets = [x[::step] for x in rows], [y[::step] for y in targets]
        if max(float(np.ptp(y)) for y in targets) <= 0:
            return None
        points, which = np.unique(np.concatenate(rows).round(9), axis=0, return_inverse=True)
        level, y, noise, group = _levels(which.reshape(-1), targets, len(points))
        offset = float(y.mean())
        work = Work.of_numbers(points.shape[1]) if work is None else work
        n_parts = len(parts_of(points[:1], points[:1], work, 1.0))
        limit = min(_MAX_POINTS, int((_MAX_NUMBERS / n_parts) ** 0.5))
        some = np.random.default_rng(0).permutation(len(points))[:limit]
        points, y, noise, group = points[some], y[some] - offset, noise[some], group[some]
        length = float(np.sqrt(np.median(_squared(points, points)))) or 1.0
        parts = parts_of(points, points, work, length)
        if np.ptp(group) > 0:
            parts.append(((group[:, None] == group).astype(float), _GROUPS_DIFFER))
        alpha, own, variances = _fit(parts, y, np.nan_to_num(noise))
        spread = float(np.sqrt(level.var() + variances[n_parts:].sum()))
        spread = max(spread, _LEAST_SPREAD) if len(level) >= _MIN_LEVELS else ANY_LEVEL
        return cls(work, points, alpha, own, variances[:n_parts], length, offset, spread)

    def relative(self, X: np.ndarray) -> np.ndarray:
        """Log seconds less the task's own level, of configurations (n, d) as in `fit`: (n,)."""
        smooth = covariance(X, self.X, self.work, self.length, self.variances) @ self.alpha
        return smooth + np.array([self._known.get(key, 0.0) for key in _keys(X)])

    @cached_property
    def _known(self) -> dict[bytes, float]:
        return dict(zip(_keys(self.X), self.own.tolist(), strict=True))


def _keys(X: np.ndarray) -> list[bytes]:
    return [row.tobytes() for row in X.round(6) + 0.0]


def matern(A: np.ndarray, B: np.ndarray, length: float) -> np.ndarray:
    """Matern 5/2 correlations of rows (n, d) and (m, d): (n, m)."""
    return matern52(torch.from_numpy(_squared(A, B) / length**2)).numpy()


def _squared(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    return squared_distance(torch.from_numpy(A), torch.from_numpy(B)).numpy()


def parts_of(
    A: np.ndarray, B: np.ndarray, work: Work, length: float
) -> list[tuple[np.ndarray, float]]:
    """Covariances (n, m) of each process at unit variance, and where its variance starts from."""
    kind, number, other, about = work.split(A)
    kind_b, number_b, other_b, about_b = work.split(B)
    one = np.ones((len(A), len(B)))
    lines = [np.outer(a, b) for a, b in zip(number.T - 0.5, number_b.T - 0.5, strict=True)]
    bent = np.exp(-0.5 * _squared(number, number_b) / (_LENGTH**2 * max(1, number.shape[1])))
    parts = [(one, 2.0), *((line, 0.5) for line in lines), (bent, 0.1)]
    if kind.shape[1]:
        same = np.clip(1.0 - _squared(kind, kind_b), 0.0, 1.0)
        parts += [(same, 0.5), *((same * line, 0.25) for line in lines), (same * bent, 0.1)]
    if about.shape[1]:
        parts.append((about @ about_b.T / about.shape[1], 0.25))
    if other.shape[1]:
        parts.append((other @ other_b.T, 0.03))
        parts.append((matern(A, B, length), 0.03))
    return parts


def covariance(
    A: np.ndarray, B: np.ndarray, work: Work, length: float, variances: np.ndarray
) -> np.ndarray:
    """Of rows (n, d) and (m, d) under all processes, (n, m): the sum of `parts_of`, but fast."""
    kind, number, other, about = work.split(A)
    kind_b, number_b, other_b, about_b = work.split(B)
    left, k = list(variances), number.shape[1]

    def function_of_numbers() -> np.ndarray:
        level, lines, bend = left.pop(0), left[:k], left[k]
        del left[: k + 1]
        return np.asarray(level + (number - 0.5) * lines @ (number_b - 0.5).T + bend * bent)

    bent = np.exp(-0.5 * _squared(number, number_b) / (_LENGTH**2 * max(1, k)))
    K = function_of_numbers()
    if kind.shape[1]:
        K += np.clip(1.0 - _squared(kind, kind_b), 0.0, 1.0) * function_of_numbers()
    if about.shape[1]:
        K += left.pop(0) * (about @ about_b.T) / about.shape[1]
    if other.shape[1]:
        K += left.pop(0) * (other @ other_b.T)
        K += left.pop(0) * matern(A, B, length)
    return K


def _fit(
    parts: Sequence[tuple[np.ndarray, float]], y: np.ndarray, noise: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights (n,), what is each one's own (n,), and the processes' most probable variances.

    ``noise`` (n,) is the variance of each of ``y`` (n,) by repeated trials alone. Those that the
    others predict badly count the less (a t distribution's weights, by leaving each out).
    """
    scale = float(y.var())
    if scale <= 0:
        return np.zeros(len(y)), np.zeros(len(y)), np.zeros(len(parts))
    G = np.stack([part for part, _ in parts])
    start = np.array([*(v for _, v in parts), 0.01]) * scale
    least = noise + 1e-4 * scale
    variances, extra = start, np.zeros(len(y))
    few = slice(0, _MAX_SEARCHED)
    for again in (False, True):
        variances = _search(G[:, few, few], y[few], (least + extra)[few], start, variances)
        for _ in range(2):
            K = np.tensordot(variances[:-1], G, 1) + np.diag(variances[-1] + least + extra)
            inverse = np.linalg.inv(K)
            alpha = inverse @ y
            if again:
                break
            usual = np.maximum(1.0 / np.diag(inverse) - extra, least)
            ratio = (alpha / np.diag(inverse)) ** 2 / usual
            extra = (variances[-1] + least) * np.maximum((ratio - 1.0) / (_STUDENT + 1.0), 0.0)
    return alpha, (variances[-1] + extra) * alpha, variances[:-1]


def _search(
    G: np.ndarray, y: np.ndarray, noise: np.ndarray, start: np.ndarray, variances: np.ndarray
) -> np.ndarray:
    """Each variance in turn, up or down, as long as that is more probable."""

    def density(K: np.ndarray, v: np.ndarray) -> float:
        L = np.linalg.cholesky(K + np.diag(v[-1] + noise))
        white = np.linalg.solve(L, y)
        prior = (np.log(v / start) / _PRIOR_SD) ** 2
        return float(-0.5 * (white @ white + prior.sum()) - np.log(np.diag(L)).sum())

    v = variances.copy()
    K = np.tensordot(v[:-1], G, 1)
    best = density(K, v)
    for step in _STEPS:
        for j in range(len(v)):
            for factor in (step, 1.0 / step):
                tried = v.copy()
                tried[j] *= factor
                changed = K if j == len(G) else K + (tried[j] - v[j]) * G[j]
                found = density(changed, tried)
                if found > best:
                    best, v, K = found, tried, changed
                    break
    return v


def _levels(
    which: np.ndarray, targets: Sequence[np.ndarray], n: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What tasks (t,) take beyond their group; of ``n`` configurations mean, variance and group.

    Tasks are compared where they tried the same: one that tried slow configurations alone is no
    slow task. Alternating means. Tasks that are linked by what they tried are a group; its mean
    level stays with its configurations, for what differs between groups may be these.
    The variance is that of repeated configurations' means; without any it is not known: NaN.
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
    group, of = np.arange(len(targets)), np.full(n, len(targets))
    for _ in targets:
        np.minimum.at(of, which, group[task])
        before = group.copy()
        np.minimum.at(group, task, of[which])
        if (group == before).all():
            break
    middle = np.bincount(group, level) / np.maximum(1, np.bincount(group))
    return level - middle[group], mean + middle[of], variance, of
