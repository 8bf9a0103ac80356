"""Will a configuration run at all?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from foretune.meta.gp import matern52, squared_distance

_LENGTH = 0.3  # of the kernel, a parameter: a third of every range
_MAX_POINTS = 600
_OPTIMISM = 1.0  # pseudo-trials that ran: with no failure near, a configuration is feasible


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
