"""How far is a search, and how long will it take?"""

from __future__ import annotations

import time
from collections.abc import Callable

from foretune.core import Budget, format_duration


class Progress:
    """What a search has spent of its budget.

    Args:
        budget: The limit.
        n_done: Trials that earlier runs of the study have done.
        seconds_done: Seconds that they spent.
        clock: Seconds that only go up.
    """

    def __init__(
        self,
        budget: Budget,
        *,
        n_done: int = 0,
        seconds_done: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._budget = budget
        self._n_before, self.n_done = n_done, n_done
        self._seconds_before = seconds_done
        self._clock = clock
        self._start_s = clock()

    @property
    def seconds(self) -> float:
        """Seconds spent, those of earlier runs among them."""
        return self._seconds_before + self._clock() - self._start_s

    @property
    def fraction(self) -> float:
        """The share of the budget that is spent, in [0, 1]: of trials or of seconds, the larger."""
        shares = [0.0]
        if self._budget.n_trials is not None:
            shares.append(self.n_done / self._budget.n_trials)
        if self._budget.budget_s is not None:
            shares.append(self.seconds / self._budget.budget_s)
        return min(max(shares), 1.0)

    @property
    def left_s(self) -> float | None:
        """Seconds until the first limit is met; None before there is a trial to judge by."""
        left = []
        if self._budget.budget_s is not None:
            left.append(self._budget.budget_s - self.seconds)
        n_here = self.n_done - self._n_before
        if self._budget.n_trials is not None and n_here:
            per_trial_s = (self._clock() - self._start_s) / n_here
            left.append((self._budget.n_trials - self.n_done) * per_trial_s)
        return max(min(left), 0.0) if left else None

    def text(self) -> str:
        """``5/20 trials, 1 min 12 s of 4 min 0 s, 2 min 48 s left``."""
        of_trials = "" if self._budget.n_trials is None else f"/{self._budget.n_trials}"
        of_seconds = (
            "" if self._budget.budget_s is None else f" of {format_duration(self._budget.budget_s)}"
        )
        spent = f"{self.n_done}{of_trials} trials, {format_duration(self.seconds)}{of_seconds}"
        return spent if self.left_s is None else f"{spent}, {format_duration(self.left_s)} left"
