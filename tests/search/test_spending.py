"""Seconds count where they are asked to: cheap configurations first, or the whole front."""

from __future__ import annotations

import logging
import math

import numpy as np
import optuna
import pytest
from optuna.trial import create_trial

from foretune import MetaSampler
from foretune.config.schema.search import MetaConfig, SearchConfig
from foretune.core import ConfigError
from foretune.meta.cost import CostModel
from foretune.meta.own_seconds import OwnSeconds
from foretune.meta.portfolio import greedy
from foretune.meta.price import Price
from foretune.search.front import pareto_front, undominated
from foretune.search.meta_observe import StudyView
from foretune.search.meta_spend import Front, Spending

optuna.logging.set_verbosity(optuna.logging.WARNING)


def planted(trial: optuna.Trial) -> float:
    """The best lr is 1e-3; width costs up to a hundred times the seconds and gives a little."""
    lr = math.log10(trial.suggest_float("lr", 1e-5, 1e-1, log=True))
    width = trial.suggest_float("width", 0.0, 1.0)
    trial.set_user_attr("seconds", 10.0 ** (2.0 * width))
    return -((lr + 3.0) ** 2) + 0.3 * width


def search(sampler: optuna.samplers.BaseSampler, n: int) -> optuna.Study:
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(planted, n_trials=n)
    return study


def seconds(study: optuna.Study) -> float:
    return sum(t.user_attrs["seconds"] for t in study.trials)


def test_a_cost_aware_search_spends_less_and_finds_as_much():
    plain, aware = [], []
    for seed in range(3):
        plain.append(search(MetaSampler(seed=seed), 16))
        aware.append(search(MetaSampler(seed=seed, cost_aware=True), 16))
    # The best configurations cost 100 each. Seen: 2057 against 3124.
    assert sum(map(seconds, aware)) < 0.85 * sum(map(seconds, plain))
    for study in aware:
        assert study.best_value > 0.25  # seen: .3, the optimum
    again = search(MetaSampler(seed=0, cost_aware=True), 16)
    assert [t.params for t in again.trials] == [t.params for t in aware[0].trials]


def test_what_tests_a_history_is_fast_where_seconds_count(tmp_path):
    """The trial that is spread over the space after a dozen that the history picked."""
    storage = f"sqlite:///{tmp_path / 'past.db'}"
    for k in range(4):
        past = optuna.create_study(storage=storage, study_name=f"past-{k}", direction="maximize",
            sampler=optuna.samplers.RandomSampler(seed=k))  # fmt: skip
        past.optimize(planted, n_trials=20)
    told = {}
    for aware in (False, True):
        took = []
        for seed in range(3):
            sampler = MetaSampler(
                storage, seed=seed, cost_aware=aware, meta_iterations=60, cache_dir=tmp_path
            )
            for trial in search(sampler, 14).trials:
                if trial.system_attrs["foretune:why"]["expert"] == "start":
                    took.append(trial.user_attrs["seconds"])
        assert took
        told[aware] = np.mean(took)
    assert told[True] < 0.5 * told[False]


def test_kappa_is_the_share_of_the_budget_that_is_left():
    study = optuna.create_study(direction="maximize")
    for took in (10.0, 30.0):
        study.add_trial(create_trial(value=0.0, user_attrs={"seconds": took}, params={"x": 1.0},
            distributions={"x": optuna.distributions.FloatDistribution(0, 2)}))  # fmt: skip
    view = StudyView.of(study.trials, study.direction, 2)
    assert Spending(False, 100.0, 4).price(view).kappa == 0.0
    assert Spending(True).price(view).kappa == 1.0
    assert Spending(True, 100.0).price(view).kappa == pytest.approx(0.6)
    assert Spending(True, 100.0, 4).price(view).kappa == pytest.approx(0.5)
    assert Spending(True, 20.0).price(view).kappa == 0.0
    assert Spending(True).price(view).grain_s == 0.0
    assert Spending(True, 100.0).price(view).grain_s == pytest.approx(0.5)


def test_what_later_trials_find_ready_is_paid_once_and_predicted_never():
    study = optuna.create_study(direction="maximize")
    kinds = ({"once_s": 6.0}, {}, {"once_s": None}, {"once_s": -3.0}, {"once_s": 9.0})
    for kind in kinds:
        study.add_trial(create_trial(value=0.0, user_attrs={"seconds": 8.0, **kind},
            params={"x": 1.0}, distributions={"x": optuna.distributions.FloatDistribution(0, 2)},
        ))  # fmt: skip
    view = StudyView.of(study.trials, study.direction, len(kinds))
    seconds = np.exp(view.log_seconds)
    assert seconds[:4] == pytest.approx([2.0, 8.0, 8.0, 8.0])
    assert np.isnan(seconds[4])  # more than it took: no sound number
    assert view.spent_s == 40.0
    assert not len(view.untimed)


def test_what_a_two_hundredth_of_the_budget_does_not_pay_for_counts_as_nothing():
    """Cheapest trials of no use were tried by the dozen: a tenth of next to nothing is a gain."""
    first = [("junk", 0.01), ("good", 0.4)]

    def tried(**limits: float) -> list[str]:
        def objective(trial: optuna.Trial) -> float:
            kind = trial.suggest_categorical("kind", [name for name, _ in first])
            x = trial.suggest_float("x", 0.0, 1.0)
            trial.set_user_attr("seconds", dict(first)[kind])
            return (0.9 if kind == "good" else 0.5) + 0.05 * x * (1 - x)

        sampler = MetaSampler(seed=0, cost_aware=True, **limits)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        study.optimize(objective, n_trials=24)
        return [t.params["kind"] for t in study.trials]

    assert tried(budget_s=400.0).count("good") > tried().count("good")


@pytest.mark.parametrize("wrong", [0.0, -5.0, "fast", math.nan, math.inf])
@pytest.mark.parametrize("how", [{"cost_aware": True}, {"objectives": ("score", "seconds")}])
def test_seconds_that_are_none_are_said_once_and_survived(
    wrong: object, how: dict[str, object], caplog: pytest.LogCaptureFixture
):
    def objective(trial: optuna.Trial) -> float:
        value = planted(trial)
        if trial.number % 2:
            trial.set_user_attr("seconds", wrong)
        return value

    study = optuna.create_study(direction="maximize", sampler=MetaSampler(seed=0, **how))
    with caplog.at_level(logging.WARNING, logger="foretune"):
        study.optimize(objective, n_trials=9)
    said = [r.getMessage() for r in caplog.records if "has no seconds above 0" in r.getMessage()]
    assert len(said) == 1
    assert "trial 1 " in said[0]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"budget_s": 0.0}, "budget_s above 0"),
        ({"n_trials": -1}, "n_trials above 0"),
        ({"objectives": ("score", "memory")}, "got ('score', 'memory')"),
        ({"objectives": ("score", "seconds"), "cost_aware": True}, "got both"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, object], said: str):
    with pytest.raises(ConfigError) as caught:
        MetaSampler(**settings)
    assert said in str(caught.value)


def test_the_history_tells_what_costs_and_the_first_trial_how_much():
    """Tasks of any size teach relative seconds; one trial of a new task gives its level."""
    rng = np.random.default_rng(0)

    def truth(X: np.ndarray) -> np.ndarray:
        return 2.0 * X[:, 0] + np.where(X[:, 1] > 0.5, 1.0, 0.0) * X[:, 2]

    past = [rng.random((40, 3)) for _ in range(5)]
    logs = [truth(X) + level for X, level in zip(past, rng.normal(0, 3, 5), strict=True)]
    cost = CostModel.fit(past, logs)
    assert cost is not None
    new = rng.random((60, 3))
    took = truth(new) + 7.0
    own = OwnSeconds.fit(new[:1], took[:1], cost.relative(new[:1]), cost.offset)
    error = np.abs(own.correction(new) + cost.relative(new) - took)
    assert np.quantile(error, 0.9) < math.log(1.5)
    took += 1.5 * new[:, 0]  # a task of its own kind: its own trials tell
    first, more = (
        OwnSeconds.fit(new[:n], took[:n], cost.relative(new[:n]), cost.offset) for n in (1, 30)
    )
    early, late = (
        np.abs(own.correction(new) + cost.relative(new) - took)[30:].mean() for own in (first, more)
    )
    assert late < 0.5 * early


def test_the_first_trial_is_what_helps_most_for_its_seconds():
    predicted = np.array([[1.0, 0.9, 0.0, 0.1], [1.0, 0.8, 0.2, 0.0]])  # of two tasks
    log_seconds = np.log([100.0, 2.0, 1.0, 1.0])
    assert greedy(predicted, 2)[0] == 0
    assert greedy(predicted, 2, log_seconds=log_seconds, price=Price(1.0))[0] == 1
    assert greedy(predicted, 2, log_seconds=log_seconds, price=Price(0.01))[0] == 0
    assert len(set(greedy(predicted, 4, log_seconds=log_seconds, price=Price(1.0)))) == 4


def test_once_nothing_helps_any_more_the_good_come_before_the_cheap():
    predicted = np.array([[1.0, 0.9, 0.3, 0.2, 0.1]])  # the first one is all that there is to win
    log_seconds = np.log([4.0, 4.0, 1.0, 1.0, 1.0])
    assert greedy(predicted, 2, log_seconds=log_seconds, price=Price(1.0)) == [0, 1]


def test_a_history_without_seconds_has_no_cost_model():
    X = np.random.default_rng(0).random((30, 2))
    assert CostModel.fit([X], [np.full(30, np.nan)]) is None
    assert CostModel.fit([X], [np.ones(30)]) is None
    none = OwnSeconds.fit(X[:0], np.zeros(0), None, 0.0)
    np.testing.assert_array_equal(none.correction(X), np.zeros(30))


def hypervolume(study: optuna.Study) -> float:
    """Under the front of score above -1 against log seconds up to those of the slowest: 1 width."""
    total, best, reached = 0.0, 0.0, 0.0
    for trial in pareto_front(study):
        at = math.log10(trial.seconds)
        total, reached = total + best * (at - reached), at
        best = max(best, trial.score + 1.0)
    return total + best * (2.0 - reached)


def test_the_front_is_searched_whole():
    """Better than by score alone at what both count for; and both ends of it are there."""
    whole, alone = [], []
    for seed in range(3):
        whole.append(search(MetaSampler(seed=seed, objectives=("score", "seconds")), 18))
        alone.append(search(MetaSampler(seed=seed), 18))
    assert sum(map(hypervolume, whole)) > sum(map(hypervolume, alone))
    for study in whole:
        front = pareto_front(study)
        assert front[0].seconds < 3.0
        assert front[0].score > -0.3
        assert max(t.score for t in front) > 0.1


def test_who_is_on_the_front():
    score, seconds = np.array([0.9, 0.7, 0.8, 0.7]), np.array([9.0, 1.0, 9.5, 2.0])
    assert undominated(score, seconds).tolist() == [1, 0]
    front = Front.of(score, np.log(seconds))
    assert front is not None
    widths = np.exp(front.log_widths(np.log([0.5, 3.0, 20.0])))
    np.testing.assert_allclose(widths[0], [np.log(2.0), 0.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(widths[1, :2], [np.log(9.0), np.log(3.0)])
    assert 0.0 < widths[2, 2] < widths[2, 1]
    assert Front.of(np.array([np.nan]), np.array([1.0])) is None


def test_a_front_of_losses_leaves_out_what_was_not_timed():
    study = optuna.create_study(direction="minimize")
    x = optuna.distributions.FloatDistribution(0, 9)
    for loss, took in ((1.0, 5.0), (0.5, 8.0), (0.6, 9.0), (0.1, 0.0), (0.1, None)):
        study.add_trial(create_trial(value=loss, params={"x": loss}, distributions={"x": x},
            user_attrs={} if took is None else {"seconds": took}))  # fmt: skip
    front = pareto_front(study)
    assert [(t.number, t.score, t.seconds) for t in front] == [(0, -1.0, 5.0), (1, -0.5, 8.0)]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (SearchConfig(objectives=["seconds"]), "expected [score] or [score,seconds]"),
        (SearchConfig(objectives=["score", "seconds"], method="bayes"), "sees scores alone"),
        (SearchConfig(objectives=["score", "seconds"], fidelity="pruned"), "search.fidelity=full"),
        (SearchConfig(objectives=["score", "seconds"], pruner="median"), "search.pruner=none"),
        (
            SearchConfig(objectives=["score", "seconds"], meta=MetaConfig(cost_aware=True)),
            "choose one",
        ),
    ],
)
def test_objectives_that_cannot_be_had(config: SearchConfig, said: str):
    (problem,) = config.problems()
    assert said in problem


def test_the_front_can_be_asked_for():
    for method in ("meta", "random", "grid"):
        config = SearchConfig(method=method, objectives=["seconds", "score"])
        assert config.problems() == []
        assert config.wants_front
    assert not SearchConfig().wants_front
