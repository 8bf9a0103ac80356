"""How long will a configuration take, and will it run at all?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from foretune.meta.gp import matern52, squared_distance
from foretune.meta.tasks import Tasks

_RIDGE = 1.0
_MAX_ROWS = 20_000
_MIN_TIMED = 20
_LENGTH = 0.3  # of the feasibility kernel, a parameter: a third of every range
_MAX_POINTS = 1_000
_OPTIMISM = 1.0  # pseudo-trials that ran: with no failure near, a configuration is feasible


@dataclass(frozen=True)
class CostModel:
    """Log seconds as a ridge regression on the encoded configuration and its squares.

    Fitted to log seconds less each task's median, so that tasks of any size teach it; a task's
    own offset is added by who asks. Seconds are compared after the inverse transform alone.
    """

    coefficients: np.ndarray
    centre: np.ndarray
    offset: float

    @classmethod
    def fit(cls, tasks: Tasks) -> CostModel | None:
        """None where the history knows too few seconds, or only equal ones."""
        rows, targets, offsets = [], [], []
        for task in tasks.tasks:
            timed = np.isfinite(task.log_seconds)
            if timed.sum() >= 2:
                offsets.append(float(np.median(task.log_seconds[timed])))
                rows.append(tasks.codec.encode(task.raw[timed]))
                targets.append(task.log_seconds[timed] - offsets[-1])
        if sum(map(len, targets)) < _MIN_TIMED:
            return None
        X, y = np.concatenate(rows), np.concatenate(targets)
        if np.ptp(y) <= 0:
            return None
        X, y = X[:: len(y) // _MAX_ROWS + 1], y[:: len(y) // _MAX_ROWS + 1]
        F = _basis(X)
        centre = F.mean(0)
        G = (F - centre).T @ (F - centre) + _RIDGE * np.eye(F.shape[1])
        return cls(
            np.linalg.solve(G, (F - centre).T @ (y - y.mean())), centre, float(np.median(offsets))
        )

    def relative(self, X: np.ndarray) -> np.ndarray:
        """Log seconds less the task's own offset, of encoded configurations (n, d): (n,)."""
        return (_basis(X) - self.centre) @ self.coefficients


def _basis(X: np.ndarray) -> np.ndarray:
    return np.concatenate([X, X**2], axis=1)


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
