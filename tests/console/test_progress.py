"""How far a search is, by trials and by seconds."""

from __future__ import annotations

import pytest

from foretune.console.progress import Progress
from foretune.core import Budget


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.mark.parametrize(
    ("budget", "fraction", "left_s"),
    [
        (Budget(n_trials=10), 0.4, 60.0),  # six trials at ten seconds each
        (Budget(budget_s=100), 0.4, 60.0),
        (Budget(n_trials=10, budget_s=50), 0.8, 10.0),  # the seconds run out first
        (Budget(n_trials=5, budget_s=1000), 0.8, 10.0),  # the trials do
    ],
)
def test_the_limit_that_is_met_first_counts(budget: Budget, fraction: float, left_s: float):
    clock = Clock()
    progress = Progress(budget, clock=clock)
    progress.n_done, clock.now_s = 4, 1040.0
    assert progress.fraction == pytest.approx(fraction)
    assert progress.left_s == pytest.approx(left_s)


def test_a_resumed_search_judges_by_its_own_trials():
    clock = Clock()
    progress = Progress(Budget(n_trials=10), n_done=4, seconds_done=4000, clock=clock)
    assert progress.left_s is None
    progress.n_done, clock.now_s = 6, 1020.0
    assert progress.left_s == pytest.approx(40.0)
    assert progress.text() == "6/10 trials, 1 h 7 min, 40.0 s left"


def test_more_than_the_budget_is_all_of_it():
    clock = Clock()
    progress = Progress(Budget(budget_s=10), clock=clock)
    clock.now_s += 30
    assert (progress.fraction, progress.left_s) == (1.0, 0.0)
