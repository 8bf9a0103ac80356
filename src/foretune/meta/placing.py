"""Where does a new task lie on the history's scale? Location and spread by MAP."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from foretune.meta.normalise import Scale, compress, normalise

_MIN_LOG_SD = 0.3  # a history of like tasks must not forbid a task of another spread
_GRID = np.linspace(-2.5, 2.5, 26)
_ROUNDS = 3


@dataclass(frozen=True)
class SpreadPrior:
    """Distribution of the natural logarithm of past tasks' spreads."""

    log_mean: float
    log_sd: float

    @classmethod
    def fit(cls, spreads: np.ndarray) -> SpreadPrior:
        """From the spreads of past tasks (t,)."""
        logs = np.log(spreads)
        return cls(float(np.median(logs)), max(_MIN_LOG_SD, float(logs.std())))

    def log_density(self, log_spread: np.ndarray) -> np.ndarray:
        """Up to a constant.

        No heavy tail: a handful of trials that are equally good would else be taken for the whole
        range of the task, blown up. A task in other units moves the spread by its likelihood.
        """
        return -0.5 * ((log_spread - self.log_mean) / self.log_sd) ** 2


def place(learned: Tensor, L: Tensor, y: np.ndarray, prior: SpreadPrior) -> Scale:
    """The scale under which the new task's scores look most like a past task's.

    For each spread of a grid the location is fitted by generalised least squares of the placed
    scores against the learned mean (a flat prior), through the compression of the left tail; the
    pair with the highest posterior density wins.

    Args:
        learned: Mean that the network expects at the observed configurations, (n,).
        L: Cholesky factor of their noisy kernel matrix, (n, n).
        y: Their scores, higher is better, (n,).
        prior: Of the spread.
    """
    logs = prior.log_mean + prior.log_sd * _GRID
    observed = float(np.std(y))
    if observed > 1e-9 * max(1.0, float(np.abs(y).max())):
        logs = np.unique(np.concatenate([logs, math.log(observed) + _GRID]))
    spread = np.exp(logs)[:, None]
    one = torch.linalg.solve_triangular(L, torch.ones(len(y), 1, dtype=L.dtype), upper=False)[:, 0]
    mean = learned.numpy()
    # The best point is never in the compressed tail: start by putting it where it is expected.
    top = int(np.argmax(y))
    location = y[top] - spread * max(float(mean[top]), 0.0)
    for _ in range(_ROUNDS):
        residual = compress((y[None] - location) / spread) - mean
        white = torch.linalg.solve_triangular(L, torch.from_numpy(residual).T, upper=False)
        shift = (one @ white / (one @ one)).numpy()
        location = location + spread * shift[:, None]
    raw = (y[None] - location) / spread
    residual = compress(raw) - mean
    white = torch.linalg.solve_triangular(L, torch.from_numpy(residual).T, upper=False).numpy()
    # One degree of freedom went into the location: its flat prior contributes a factor spread.
    jacobian = (len(y) - 1) * logs + np.log(np.maximum(-raw, 1.0)).sum(1)
    density = -0.5 * (white**2).sum(0) - jacobian + prior.log_density(logs)
    k = int(np.argmax(density))
    return Scale(float(location[k, 0]), float(spread[k, 0]))


def place_by_quantiles(y: np.ndarray) -> Scale:
    """What `place` replaces (ablation): the observations' own median and spread."""
    return normalise(y)[1]
