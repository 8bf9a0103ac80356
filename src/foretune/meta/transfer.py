"""Do the past tasks say anything of each other? If they do not, they say nothing of a new one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from foretune.meta.gp import cholesky, condition
from foretune.meta.network import DeepKernel
from foretune.meta.ranks import spearman
from foretune.meta.training import Batches, left_out

_SHOWN = 10  # trials of the held-out task that its prediction may use
_MIN_PREDICTED = 4
_LEAST = 0.1  # mean rank correlation below which transfer is none worth having; by taste
_DEVIATIONS = 2.0  # of the mean's error: what is doubtful counts as transfer
_MAX_TASKS = 128


@dataclass(frozen=True)
class Transfer:
    """How well past tasks are predicted by networks that never saw them.

    Attributes:
        correlation: Mean rank correlation of predicted and true scores.
        error: Standard error of that mean; infinite where there is nothing to judge by.
        n_tasks: Tasks that were predicted.
        least: The correlation below which they say next to nothing of each other.
    """

    correlation: float = 0.0
    error: float = math.inf
    n_tasks: int = 0
    least: float = _LEAST

    @classmethod
    def of(cls, found: Sequence[float], null: Sequence[float], least: float = _LEAST) -> Transfer:
        """From each task's rank correlation, and its variance if there were none.

        Without a task there is no judgement.
        """
        if not found:
            return cls(least=least)
        by_chance = math.sqrt(sum(null)) / len(found)
        between = float(np.std(found)) / math.sqrt(len(found))
        return cls(float(np.mean(found)), max(by_chance, between), len(found), least)

    @property
    def upper(self) -> float:
        """What the correlation may be at most."""
        return self.correlation + _DEVIATIONS * self.error

    @property
    def none(self) -> bool:
        """Whether it is certain that next to nothing transfers."""
        return self.upper < self.least


def measure(network: DeepKernel, batches: Batches) -> Transfer:
    """Predict each past task by a member of the ensemble that was trained without it.

    Args:
        network: The meta-trained ensemble.
        batches: What it was trained on.

    Returns:
        No judgement where no task could be left out of any member's training.
    """
    unseen = left_out(batches.sizes, network.members)
    rng = np.random.default_rng(0)
    found, null = [], []
    for task in np.flatnonzero(unseen.any(0))[:_MAX_TASKS]:
        n = int(batches.sizes[task])
        shown = min(_SHOWN, n // 2)
        if n - shown < _MIN_PREDICTED:
            continue
        rows = rng.permutation(n)
        predicted = _predict(network, batches, int(task), rows, shown)[unseen[:, task]].mean(0)
        found.append(spearman(predicted, batches.u[task].numpy()[rows[shown:]]))
        null.append(1.0 / (n - shown - 1))
    return Transfer.of(found, null)


def _predict(
    network: DeepKernel, batches: Batches, task: int, rows: np.ndarray, shown: int
) -> np.ndarray:
    """Each member's prediction of ``rows[shown:]`` given ``rows[:shown]``, (M, n - shown)."""
    X, context, u = (t[task][torch.from_numpy(rows)].double() for t in
                     (batches.X, batches.context, batches.u))  # fmt: skip
    features = network.features(X, context)
    known, query = features.rows(0, shown), features.rows(shown, None)
    change, _ = condition(
        L=cholesky(network.noisy_kernel(known)), residual=u[:shown] - known.mean,
        cross=network.kernel(known, query), prior_variance=network.prior_variance[:, None],
    )  # fmt: skip
    return (query.mean + change).numpy()
