"""What a stopped trial would have come to informs the sampler, with its uncertainty."""

from __future__ import annotations

import datetime
import math

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from foretune import MetaPruner, MetaSampler
from foretune.meta.experts import Inputs, TargetExpert
from foretune.search.meta_fits import TargetFits
from foretune.search.meta_observe import StudyView
from foretune.search.meta_stopped import outlook, shares
from foretune.search.pauses import STOP_KEY

X = FloatDistribution(0.0, 1.0)


def trial(
    reports: list[float], state: TrialState = TrialState.COMPLETE, stop: object = None
) -> FrozenTrial:
    return create_trial(
        state=state,
        value=reports[-1] if state == TrialState.COMPLETE else None,
        params={"x": 0.5},
        distributions={"x": X},
        intermediate_values=dict(enumerate(reports, start=1)),
        system_attrs={} if stop is None else {STOP_KEY: stop},
    )


def stopped(reports: list[float], stop: object = None) -> FrozenTrial:
    return trial(reports, TrialState.PRUNED, stop)


def saturating(end: float, n: int = 8) -> list[float]:
    return [end * (1 - math.exp(-step)) for step in range(1, n + 1)]


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_what_the_pruner_predicted_counts_with_its_width(sign: float):
    told = {"score": sign * 0.7, "interval": sorted([sign * 0.6, sign * 0.85])}
    score, sd = outlook([trial([sign * 0.9]), stopped([sign * 0.1], told)], sign)
    np.testing.assert_allclose(score, [0.9, 0.7])
    assert sd[0] == 0.0
    assert sd[1] == pytest.approx(0.25 / 2.563, rel=1e-3)


def test_a_paused_trial_counts_as_it_was_predicted():
    told = {"score": 0.7, "interval": [0.6, 0.8]}
    paused, running = (
        create_trial(state=TrialState.RUNNING, params={"x": 0.5}, distributions={"x": X},
            intermediate_values={1: 0.3}, system_attrs=attrs,
            user_attrs={"pauses": [{}]} if attrs else {})
        for attrs in ({STOP_KEY: told}, {})
    )  # fmt: skip
    score, sd = outlook([trial([0.9]), paused, running], 1.0)
    np.testing.assert_allclose(score, [0.9, 0.7, np.nan])
    assert sd[1] > 0.0


def put_aside(reports: list[float], stop: object = None, **last: object) -> FrozenTrial:
    """A paused trial; with ``resumed`` one that was taken up again."""
    return create_trial(
        state=TrialState.RUNNING, params={"x": 0.5}, distributions={"x": X},
        intermediate_values=dict(enumerate(reports, start=1)),
        system_attrs={} if stop is None else {STOP_KEY: stop},
        user_attrs={"pauses": [{"at": 0.0, **last}], "seconds": 2.0},
    )  # fmt: skip


@pytest.mark.parametrize(
    "stop",
    [
        None,
        {},
        {"step": 2, "score": 0.7, "interval": [0.6, 0.8]},
        {"step": 1, "score": 0.7, "interval": [0.6, 0.8]},  # before the last report: out of date
        {"score": math.nan, "interval": [0.6, 0.8]},
    ],
)
@pytest.mark.parametrize("n_done", [0, 2, 5])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_paused_trial_is_read_as_a_stopped_one(stop: object, n_done: int, sign: float):
    done = [trial([sign * v for v in saturating(0.9 - 0.05 * k)]) for k in range(n_done)]
    reports = [sign * v for v in saturating(0.6)[:2]]
    pair = [stopped(reports, stop), put_aside(reports, stop)]
    for found in (*outlook([*done, *pair], sign), shares([*done, *pair])):
        np.testing.assert_array_equal(found[-2], found[-1])
    score = outlook([*done, pair[1]], sign)[0][-1]
    assert np.isfinite(score)
    assert (score == pytest.approx(sign * 0.7)) == (stop is not None and stop.get("step") == 2)


def test_what_a_paused_trial_took_counts_by_its_share():
    study = optuna.create_study(direction="maximize")
    study.add_trials([trial(saturating(0.9)) for _ in range(2)])
    study.add_trial(put_aside(saturating(0.5)[:2]))
    study.add_trial(put_aside(saturating(0.5)[:2], resumed=1.0))
    view = StudyView.of(study.trials, study.direction, 9)
    np.testing.assert_allclose(np.exp(view.log_seconds[2]), 8.0)  # 2 s for a quarter
    assert np.isnan(view.log_seconds[3])  # runs: how far it is nobody knows
    assert view.running.tolist() == [False, False, False, True]


@pytest.mark.parametrize("ended", [False, True])
def test_seconds_put_aside_are_not_seconds_of_the_trial(ended: bool):
    """A study of a loop of one's own, whose trials do not say what they took."""
    began = datetime.datetime(2026, 1, 1)
    start = began.timestamp()
    pauses = [{"at": start + 2.0, "resumed": start + 1000.0}, {"at": start + 1003.0}]
    aside = create_trial(
        state=TrialState.RUNNING, params={"x": 0.5}, distributions={"x": X},
        intermediate_values={1: 0.1}, user_attrs={"pauses": pauses},
    )  # fmt: skip
    aside.datetime_start = began
    if ended:
        aside.state = TrialState.PRUNED
        aside.datetime_complete = began + datetime.timedelta(seconds=9000)
    assert StudyView.of([aside], StudyDirection.MAXIMIZE, 9).spent_s == pytest.approx(5.0)


def test_what_was_taken_up_again_counts_as_predicted_until_it_ends():
    told = {"step": 1, "score": 0.7, "interval": [0.6, 0.8]}
    on = put_aside([0.1, 0.2, 0.3], told, resumed=1.0)
    np.testing.assert_allclose(outlook([trial([0.9]), on], 1.0)[0], [0.9, 0.7])


def test_a_pause_without_a_chance_owes_none():
    """Whoever paused it gave no reasons: the pruner goes on."""
    study = optuna.create_study(direction="maximize", pruner=MetaPruner())
    study.add_trials([trial([v + 0.01 * k for v in saturating(0.9)]) for k in range(5)])
    study.add_trial(put_aside([0.1], {"step": 1}))
    new = study.ask({"x": X})
    for step in range(1, 8):
        new.report(0.0, step)
    assert new.should_prune()


@pytest.mark.parametrize(
    "broken",
    [{}, {"score": 0.7}, {"score": math.nan, "interval": [0, 1]}, {"score": 1, "interval": "ab"}],
)
def test_a_broken_prediction_is_none(broken: object):
    score, sd = outlook([trial([0.9]), trial([0.5]), stopped([0.1, 0.2], broken)], 1.0)
    assert score[2] == pytest.approx(0.2)
    assert sd[2] == pytest.approx(0.2)  # what the completed ones differ by


def test_other_pruners_trials_are_predicted_by_the_studys_own_curves():
    done = [trial(saturating(end)) for end in (0.9, 0.8, 0.85, 0.7, 0.75)]
    early, late = stopped(saturating(0.6)[:2]), stopped(saturating(0.6)[:6])
    score, sd = outlook([*done, early, late], 1.0)
    assert score[5] == pytest.approx(0.6, abs=0.1)
    assert score[6] == pytest.approx(0.6, abs=0.02)
    assert sd[5] > sd[6] > 0.0


def test_with_too_few_curves_the_last_value_counts_at_most_the_median():
    score, sd = outlook([trial([0.9]), trial([0.5]), stopped([0.8]), stopped([0.4])], 1.0)
    np.testing.assert_allclose(score, [0.9, 0.5, 0.7, 0.4])
    np.testing.assert_allclose(sd, [0.0, 0.0, 0.2, 0.2])


def test_a_stopped_trial_without_a_sound_report_has_no_score():
    score, _ = outlook([trial([0.9]), stopped([math.nan]), stopped([1e200])], 1.0)
    assert np.isnan(score[1:]).all()


def test_a_trial_used_the_share_of_its_own_budget():
    reports = saturating(0.5)
    share = shares([trial(reports), stopped(reports[:2]), trial([math.nan], TrialState.FAIL)])
    np.testing.assert_allclose(share[:2], [1.0, 0.25])
    assert np.isnan(share[2])


def test_the_less_is_known_of_a_score_the_less_it_says():
    rng = np.random.default_rng(0)
    own = rng.random((8, 1))
    y = np.sin(4 * own[:, 0])
    y[0] += 3.0  # what a stopped trial is said to have come to
    none = np.zeros((8, 0))
    seen = Inputs(none, none, none, own)
    at = []
    for doubt in (0.01, 1.0, 100.0):
        doubts = np.where(np.arange(8) == 0, doubt, 0.0)
        groups = np.zeros(1, int)
        expert = TargetExpert.fit(
            observed=seen, y=y, doubt=doubts, running=Inputs(none[:0], none[:0], none[:0], own[:0]),
            groups=groups, fitted=TargetFits().of(own, y, doubts, groups),
            rng=np.random.default_rng(1),
        )  # fmt: skip
        first = Inputs(none[:1], none[:1], none[:1], own[:1])
        at.append(float(expert.predict(first, np.zeros(1))[0, 0]))
        assert int(expert.sure.sum()) == 7
    assert at[0] > at[1] > at[2]


def test_a_prediction_is_never_the_score_to_beat():
    """Stopped trials that were predicted to win: the search goes on as if nothing had won."""
    study = optuna.create_study(direction="maximize", sampler=MetaSampler(seed=0))
    rng = np.random.default_rng(0)
    for x in rng.random(6):
        study.add_trial(
            create_trial(params={"x": x}, distributions={"x": X}, value=-((x - 0.3) ** 2))
        )
    told = {"score": 50.0, "interval": [-100.0, 200.0]}
    study.add_trial(
        create_trial(
            state=TrialState.PRUNED, params={"x": 0.95}, distributions={"x": X},
            intermediate_values={1: -0.4}, system_attrs={STOP_KEY: told},
        )
    )  # fmt: skip
    found = []
    for _ in range(6):
        new = study.ask()
        found.append(new.suggest_float("x", 0.0, 1.0))
        study.tell(new, -((found[-1] - 0.3) ** 2))
    assert min(abs(x - 0.3) for x in found) < 0.05
