import pytest

from foretune.core import Budget
from foretune.search.forecast import forecast


@pytest.mark.parametrize(
    ("budget", "took_s", "n_workers", "begins"),
    [
        (Budget(None, 100.0), [10.0, 30.0], 1, "plan: about 5 more trials in the 1 min 40 s left"),
        (Budget(None, 100.0), [10.0, 30.0], 4, "plan: about 20 more trials"),
        (
            Budget(3, 100.0),
            [20.0],
            1,
            "plan: 3 more trials in about 1 min 0 s (20.0 s each, by us)",
        ),
        (Budget(100, 100.0), [20.0], 1, "plan: about 5 more trials"),
    ],
)
def test_how_many_trials_fit(budget, took_s, n_workers, begins):
    (line,) = forecast(
        budget, n_done=0, seconds_done=0.0, took_s=took_s, n_workers=n_workers, by="us"
    )
    assert line.startswith(begins)


@pytest.mark.parametrize("took_s", [[], [0.0], [float("nan")]])
def test_nothing_is_said_where_nothing_is_known(took_s):
    assert forecast(Budget(5), n_done=0, seconds_done=0.0, took_s=took_s) == ()


def test_nothing_is_said_where_nothing_is_left():
    assert forecast(Budget(5), n_done=5, seconds_done=9.0, took_s=[1.0]) == ()
