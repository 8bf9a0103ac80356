"""How many trials fit into a budget, as far as the trials on record tell?"""

from __future__ import annotations

import math
from collections.abc import Sequence

from foretune.core import Budget, format_duration


def forecast(
    budget: Budget,
    *,
    n_done: int,
    seconds_done: float,
    took_s: Sequence[float],
    n_workers: int = 1,
    by: str = "this study's trials",
) -> tuple[str, ...]:
    """A line on what is left of the budget; none where no trial tells how long one takes.

    Args:
        budget: The limits.
        n_done: Trials that are done.
        seconds_done: Seconds that are spent.
        took_s: Seconds of past trials of the kind that is to come.
        n_workers: Trials at a time.
        by: Whose trials these are.

    >>> forecast(Budget(20, 60.0), n_done=2, seconds_done=20.0, took_s=[8.0, 12.0])
    ("plan: about 4 more trials in the 40.0 s left (10.0 s each, by this study's trials)",)
    >>> forecast(Budget(20), n_done=2, seconds_done=20.0, took_s=[8.0, 12.0], n_workers=2)
    ("plan: 18 more trials in about 1 min 30 s (10.0 s each, by this study's trials)",)
    """
    known = [seconds for seconds in took_s if seconds > 0 and math.isfinite(seconds)]
    if not known:
        return ()
    each_s = sum(known) / len(known)
    left_s = math.inf if budget.budget_s is None else max(budget.budget_s - seconds_done, 0.0)
    n_fit = math.inf if left_s == math.inf else math.ceil(left_s * n_workers / each_s)
    n_left = math.inf if budget.n_trials is None else max(budget.n_trials - n_done, 0)
    if min(n_fit, n_left) == 0:
        return ()
    why = f"({format_duration(each_s)} each, by {by})"
    if n_fit < n_left:
        left = format_duration(left_s)
        return (f"plan: about {n_fit:.0f} more trials in the {left} left {why}",)
    takes = format_duration(n_left * each_s / n_workers)
    return (f"plan: {n_left:.0f} more trials in about {takes} {why}",)
