"""Does the history still deserve to be heard on this task?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_MIN_TRIALS = 4
_BOOTSTRAPS = 64
_TRUSTED, _IGNORED = 0.5, 0.25
MEMORY = 3  # votes that must all be in favour, once the history was let go
_CONTRADICTION = -2.6  # deviations of Kendall's tau from chance: one in two hundred
_MIN_CONTRADICTING = 6


@dataclass(frozen=True)
class Verdict:
    """How much the history's experts count against the new task's own process.

    Attributes:
        weight: How much, in [0, 1]: the least of the latest votes.
        n: Observations that it was judged by.
        vote: Share of bootstrap samples in which the history predicts better; None: no vote yet.
        contradicted: Whether the observations rank the other way round than the history expects.
    """

    weight: float
    n: int
    vote: float | None = None
    contradicted: bool = False

    @staticmethod
    def possible(n: int) -> bool:
        """Whether ``n`` observations are enough to judge by."""
        return n >= _MIN_TRIALS

    @property
    def lets_go(self) -> bool:
        """Whether this very vote, whatever is remembered, is against the history."""
        return self.vote is not None and self.vote < _IGNORED

    @property
    def text(self) -> str:
        """``trusted``, ``doubted`` or ``ignored``."""
        if self.weight >= _TRUSTED:
            return "trusted"
        return "ignored" if self.weight < _IGNORED else "doubted"


def judge(
    history: np.ndarray,
    target: np.ndarray,
    y: np.ndarray,
    rng: np.random.Generator,
    *,
    before: Sequence[float] = (),
) -> Verdict:
    """Vote by leave-one-out ranking, as RGPE does (Feurer et al. 2018, section 4).

    Each side predicts every observation from all the others. Its error in a bootstrap sample of
    the observations is the number of pairs that its predictions order wrongly; ties go to the
    history. Its likelihood would be the sharper judge but is the wrong one: a noise-free process
    that knows a dozen neighbours is always surer of them than the history can be.

    Trust that was lost is regained slowly: a single lucky vote of a history that was let go would
    else spend trials on it again and again.

    Args:
        history: Leave-one-out predictions of the history's networks, (n,).
        target: Those of the target-only processes, (n,).
        y: What was observed, (n,).
        rng: Draws the bootstrap samples.
        before: The votes before that count too: once the history was let go, the latest.
    """
    n = len(y)
    rows = rng.integers(n, size=(_BOOTSTRAPS, n))
    pick = rows[:, :, None], rows[:, None, :]
    wrong = [_discordant(side, y)[pick].sum((1, 2)) for side in (history, target)]
    vote = float(np.mean(wrong[0] <= wrong[1]))
    return Verdict(min([vote, *before]), n, vote)


def contradicts(expected: np.ndarray, y: np.ndarray) -> bool:
    """Whether a history ranks configurations the wrong way round, which is knowledge as well.

    A loss that was recorded as a score to maximise does. By Kendall's tau and its normal
    approximation, so that one side's scale does not matter.

    Args:
        expected: What the history expects of each trial before any of them, (n,).
        y: What was observed, (n,).

    >>> contradicts(np.arange(8.0), -np.arange(8.0)), contradicts(np.arange(8.0), np.arange(8.0))
    (True, False)
    """
    n = len(y)
    if n < _MIN_CONTRADICTING:
        return False
    pairs = np.triu_indices(n, 1)
    signs = [np.sign(side[pairs[0]] - side[pairs[1]]) for side in (expected, y)]
    tau = float(np.mean(signs[0] * signs[1]))
    return tau < _CONTRADICTION * math.sqrt(2 * (2 * n + 5) / (9 * n * (n - 1)))


def _discordant(predicted: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(n, n) whether each pair is ordered wrongly, half where a prediction ties."""
    signs = np.sign(predicted[:, None] - predicted[None]) * np.sign(y[:, None] - y[None])
    return np.where(y[:, None] == y[None], 0.0, (1.0 - signs) / 2.0)
