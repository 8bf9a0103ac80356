"""What came of one search by one method on one task? And how good is that?

Symbols: n trials, N the trials that methods are compared over, b points of a budget of seconds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Scale:
    """What scores of a task can be, so that tasks compare.

    Attributes:
        best: The best recorded validation score; worst: the worst; median: the median one.
        test_best: The best recorded test score; test_worst: the worst.
        trial_s: Mean seconds of a recorded trial: the unit of a budget.
    """

    best: float
    worst: float
    median: float
    test_best: float = float("nan")
    test_worst: float = float("nan")
    trial_s: float = 1.0

    @classmethod
    def of(cls, score: np.ndarray, test: np.ndarray, seconds: np.ndarray) -> Scale:
        """The scale of recorded configurations, (c,) each."""
        scored = score[np.isfinite(score)]
        tested = test[np.isfinite(test)]
        low, high = (tested.min(), tested.max()) if len(tested) else (np.nan, np.nan)
        return cls(
            best=float(scored.max()), worst=float(scored.min()), median=float(np.median(scored)),
            test_best=float(high), test_worst=float(low), trial_s=float(seconds.mean()) or 1.0,
        )  # fmt: skip


@dataclass(frozen=True)
class Trace:
    """One search, trial by trial.

    Attributes:
        method: Key of the method.
        task: The task; family: its source.
        seed: The search's.
        score: (n,) validation score; NaN: the trial failed.
        test: (n,) test score; NaN: unknown.
        seconds: (n,) that trials took.
        asking_s: (n,) processor seconds that suggesting took.
        peak_mb: The most memory that a trial took; NaN: unknown.
        cpu_percent: Of one core, used by its trials; NaN: unknown.
        training_s: Processor seconds of the meta-training before the first suggestion.
    """

    method: str
    task: str
    family: str
    seed: int
    score: np.ndarray
    test: np.ndarray
    seconds: np.ndarray
    asking_s: np.ndarray
    peak_mb: float = float("nan")
    cpu_percent: float = float("nan")
    training_s: float = 0.0

    def best(self, n: int) -> np.ndarray:
        """(N,) best validation score after 1 .. n trials; NaN before the first; then it stays."""
        with np.errstate(invalid="ignore"):
            best = np.fmax.accumulate(self.score[:n])
        return np.concatenate([best, np.full(n - len(best), best[-1])])

    def incumbent_test(self, n: int) -> np.ndarray:
        """(N,) test score of the trial that is best on validation after 1 .. n trials."""
        filled = np.where(np.isfinite(self.score[:n]), self.score[:n], -np.inf)
        places = np.maximum.accumulate(np.where(_is_new_best(filled), np.arange(len(filled)), 0))
        test = self.test[:n][places]
        return np.concatenate([test, np.full(n - len(test), test[-1])])

    def regret(self, scale: Scale, n: int) -> np.ndarray:
        """(N,) share of the way from best to worst that is still to go; 1 before any score."""
        left = (scale.best - self.best(n)) / (scale.best - scale.worst)
        return np.nan_to_num(np.clip(left, 0.0, 1.0), nan=1.0)

    def strict_regret(self, scale: Scale, n: int) -> np.ndarray:
        """(N,) as `regret`, from best to median: nothing is gained by hopeless configurations."""
        width = max(scale.best - scale.median, 1e-12)
        return np.nan_to_num(np.clip((scale.best - self.best(n)) / width, 0.0, 1.0), nan=1.0)

    def test_regret(self, scale: Scale, n: int) -> np.ndarray:
        """(N,) as `regret`, of the incumbent on the test rows; NaN where they are not known."""
        width = scale.test_best - scale.test_worst
        if not width > 0:
            return np.full(n, np.nan)
        return np.clip((scale.test_best - self.incumbent_test(n)) / width, 0.0, 1.0)

    def spent_s(self, *, kept: bool = False) -> np.ndarray:
        """(n,) seconds from the start to the end of each trial, suggesting included.

        Args:
            kept: Whether the meta-model was trained before, and kept.
        """
        return np.cumsum(self.seconds + self.asking_s) + (0.0 if kept else self.training_s)

    def regret_at(self, scale: Scale, budget: np.ndarray, *, kept: bool = False) -> np.ndarray:
        """(b,) regret after budgets in units of the task's mean trial; 1 before the first end."""
        ends = self.spent_s(kept=kept) / scale.trial_s
        done = np.searchsorted(ends, budget, side="right")
        regret = np.concatenate([[1.0], self.regret(scale, len(self.score))])
        return regret[done]

    def first_reach(self, target: float) -> int | None:
        """The trial, from 1, that reaches a validation score; None where none does."""
        hits = np.flatnonzero(self.score >= target - 1e-12)
        return int(hits[0]) + 1 if len(hits) else None


def _is_new_best(score: np.ndarray) -> np.ndarray:
    before = np.concatenate([[-np.inf], np.maximum.accumulate(score)[:-1]])
    return score > before
