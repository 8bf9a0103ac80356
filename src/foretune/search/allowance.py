"""What does a search's budget still allow, by what its study holds?"""

from __future__ import annotations

from foretune.core import Budget
from foretune.search.study import Progress


def may_begin(budget: Budget, so_far: Progress) -> bool:
    """Whether another trial may begin; one that is paused has its place already."""
    n = so_far.n_done + so_far.n_running + so_far.n_paused
    return not budget.spent(n, so_far.seconds)


def has_time(budget: Budget, so_far: Progress) -> bool:
    """Whether a trial that has begun may go on."""
    return budget.budget_s is None or so_far.seconds < budget.budget_s


def left_s(budget: Budget, so_far: Progress, asking_s: float = 0.0) -> float | None:
    """Seconds that are left, ``asking_s`` after the look; None: no limit."""
    limit = budget.budget_s
    return None if limit is None else max(limit - so_far.seconds - asking_s, 0.0)
