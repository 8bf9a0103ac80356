"""Whatever is reported, MetaPruner does not crash, and does not stop a trial by nonsense."""

from __future__ import annotations

import math
from collections.abc import Mapping

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from foretune import MetaPruner, read_history

optuna.logging.set_verbosity(optuna.logging.ERROR)
SPACE = {"quality": FloatDistribution(0.0, 1.0)}
GOOD = {e: 0.9 - 0.5 / e for e in range(1, 11)}
VALUES = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, 1e300, -1e300, math.nan, math.inf, -math.inf, 1e-300]),
)
CURVES = st.dictionaries(st.integers(0, 60), VALUES, max_size=12)


def past(reports: Mapping[int, float], value: float) -> optuna.trial.FrozenTrial:
    return create_trial(
        params={"quality": 0.5}, distributions=SPACE, value=value, intermediate_values=dict(reports)
    )


def asked(study: optuna.Study, reports: Mapping[int, float]) -> bool:
    """Whether a trial with these reports would be stopped after any of them."""
    trial = study.ask(SPACE)
    stopped = False
    for step, value in reports.items():
        trial.report(value, step)
        stopped = trial.should_prune() or stopped
    study.tell(trial, state=TrialState.PRUNED)
    return stopped


def own_study(n: int = 6, **settings: object) -> optuna.Study:
    """A study whose completed curves are good and alike: a low curve is stopped."""
    study = optuna.create_study(direction="maximize", pruner=MetaPruner(**settings))
    for k in range(n):
        study.add_trial(past({e: v + 0.01 * k for e, v in GOOD.items()}, GOOD[10] + 0.01 * k))
    return study


@settings(max_examples=60, deadline=None)
@given(
    done=st.lists(st.tuples(CURVES, st.floats(allow_nan=False)), min_size=0, max_size=8),
    reports=CURVES,
    direction=st.sampled_from(["maximize", "minimize"]),
)
def test_never_crashes(done, reports, direction) -> None:
    study = optuna.create_study(direction=direction, pruner=MetaPruner())
    for curve, value in done:
        study.add_trial(past(curve, value))
    stopped = asked(study, reports)
    assert not (stopped and not done)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(CURVES, st.floats(allow_nan=False)), max_size=12), CURVES)
def test_any_history_is_read(done, reports) -> None:
    storage = optuna.storages.InMemoryStorage()
    for name in "ab":
        study = optuna.create_study(storage=storage, study_name=name, direction="maximize")
        study.add_trials([past(curve, value) for curve, value in done])
    pruner = MetaPruner(read_history(storage), meta_iterations=3, cache_dir="/dev/null/none")
    study = optuna.create_study(direction="maximize", pruner=pruner)
    study.add_trial(past(GOOD, GOOD[10]))
    asked(study, reports)


def test_a_low_curve_is_stopped() -> None:
    assert asked(own_study(), dict.fromkeys(range(1, 10), 0.1))


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_no_number_stops_nothing_and_is_said(
    wrong: float, caplog: pytest.LogCaptureFixture
) -> None:
    study = own_study()
    assert not asked(study, {1: wrong})
    assert not asked(study, {**{e: GOOD[e] + 0.06 for e in range(1, 5)}, 5: wrong})
    assert caplog.text.count("no finite number") == 1


def test_nan_in_the_middle_is_passed_over() -> None:
    study = own_study()
    assert asked(study, {1: 0.1, 2: math.nan, 3: 0.1, 4: 0.1, 5: 0.1})
    study = own_study()
    assert not asked(study, {1: GOOD[1] + 0.06, 2: math.nan, 3: GOOD[3] + 0.06})


def test_a_jump_is_waited_out_and_said(caplog: pytest.LogCaptureFixture) -> None:
    study = own_study()
    fine = {e: GOOD[e] + 0.06 for e in range(1, 7)}
    assert not asked(study, {**fine, 7: -50.0, 8: GOOD[8] + 0.06})
    assert caplog.text.count("left its curve's course") == 1


def test_steps_out_of_order_and_twice() -> None:
    for low, expected in ((0.1, True), (None, False)):
        study = own_study()
        reports = {e: low if low is not None else GOOD[e] + 0.06 for e in (5, 2, 8, 1, 6, 3, 4)}
        trial = study.ask(SPACE)
        stopped = False
        for step, value in reports.items():
            for _ in range(2):
                trial.report(value, step)
                stopped = trial.should_prune() or stopped
        assert stopped is expected


def test_a_longer_curve_is_not_judged_and_is_said(caplog: pytest.LogCaptureFixture) -> None:
    study = own_study()
    trial = study.ask(SPACE)
    trial.report(0.0, 25)
    assert not trial.should_prune()
    assert "longer than expected (25 > 10)" in caplog.text


def test_one_report_a_trial_says_nothing_of_its_beginning() -> None:
    study = optuna.create_study(direction="maximize", pruner=MetaPruner())
    for k in range(6):
        study.add_trial(past({1: 0.8 + 0.01 * k}, 0.8 + 0.01 * k))
    assert not asked(study, {1: 0.1})


def test_what_is_told_is_not_what_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    study = optuna.create_study(direction="maximize", pruner=MetaPruner())
    for k in range(6):  # a loss is reported, an accuracy told
        study.add_trial(past({e: 30.0 / e + k for e in range(1, 11)}, 0.9))
    assert not asked(study, dict.fromkeys(range(1, 10), 100.0))
    assert "not where their reports end" in caplog.text


def test_trials_that_tell_their_best_epoch() -> None:
    study = optuna.create_study(direction="maximize", pruner=MetaPruner())
    for k in range(6):
        falls = {**{e: v + 0.01 * k for e, v in GOOD.items()}, 10: 0.3}
        study.add_trial(past(falls, max(falls.values())))
    assert asked(study, dict.fromkeys(range(1, 9), 0.1))
    assert not asked(study, {**{e: GOOD[e] + 0.06 for e in range(1, 8)}, 8: 0.3})


def test_the_budget_follows_a_parameter_and_may_change() -> None:
    space = {"epochs": IntDistribution(2, 100), **SPACE}
    study = optuna.create_study(direction="maximize", pruner=MetaPruner())
    for k, epochs in enumerate((5, 10, 20, 10, 5)):
        curve = {e: 0.9 - 0.5 * (1 - e / epochs) + 0.01 * k for e in range(1, epochs + 1)}
        study.add_trial(
            create_trial(
                params={"epochs": epochs, "quality": 0.5}, distributions=space,
                value=curve[epochs], intermediate_values=curve,
            )
        )  # fmt: skip
    study.enqueue_trial({"epochs": 40, "quality": 0.5})
    trial = study.ask(space)
    for e in range(1, 40):  # on the same course, four times as slowly as the others
        trial.report(0.9 - 0.5 * (1 - e / 40) + 0.06, e)
        assert not trial.should_prune()


@pytest.mark.parametrize("seconds", [0.0, -5.0, math.nan])
def test_seconds_play_no_part(seconds: float) -> None:
    study = own_study()
    trial = study.ask(SPACE)
    trial.set_user_attr("seconds", seconds)
    trial.report(0.1, 5)
    assert trial.should_prune()


@pytest.mark.parametrize("first", [0, 1])
def test_steps_count_from_zero_or_one(first: int) -> None:
    study = optuna.create_study(direction="maximize", pruner=MetaPruner())
    for k in range(6):
        reports = {e - 1 + first: v + 0.01 * k for e, v in GOOD.items()}
        study.add_trial(past(reports, GOOD[10] + 0.01 * k))
    assert not asked(study, {e - 1 + first: v + 0.06 for e, v in GOOD.items()})
    assert asked(study, {first: 0.1, first + 1: 0.1})
