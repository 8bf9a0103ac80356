"""Whole points: what Optuna's samplers say is followed, and never twice."""

import optuna
import pytest

from foretune.config.schema.search import BayesConfig, SearchConfig
from foretune.search.distributions import distribution, suggest
from foretune.search.points import PointSampler, model_points, random_points
from foretune.space import Choice, Float, Int, Space, point_key
from foretune.testing.planted import CONDITIONAL, FINITE, planted_score


@pytest.mark.parametrize(
    "parameter",
    [
        Float("x", 1e-5, 1e-2, log=True),
        Float("x", 0.0, 1.0, step=0.3),
        Int("x", 1, 64, log=True),
        Int("x", 0, 10, step=4),
        Choice("x", ("a", 1, 0.5, None)),
    ],
)
@pytest.mark.filterwarnings("error")
def test_both_sides_agree_on_the_values(parameter):
    dist = distribution(parameter)
    for u in (0.0, 0.3, 0.99, 1.0):
        value = parameter.from_unit(u)
        assert dist._contains(dist.to_internal_repr(value))
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(0))
    for _ in range(20):
        assert parameter.contains(suggest(study.ask(), Space((parameter,)))["x"])


def optimise(sampler, space, n):
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for _ in range(n):
        trial = study.ask()
        study.tell(trial, planted_score(suggest(trial, space)))
    return study


@pytest.mark.parametrize("algorithm", ["tpe", "gp"])
def test_the_models_suggestions_come_through(algorithm):
    """Wrapped, Optuna's sampler must find the planted optimum better than random search does.

    Of 30 trials the last 15 are the model's; their mean score over three seeds is well above that
    of random ones (-0.2 against -1.2, standard deviation over seeds about 0.2).
    """
    from foretune.search import build_method

    space = Space((Float("lr", 1e-6, 1e-1, log=True), Choice("optimiser", ("adam", "sgd"))))
    means = {}
    for method in ("bayes", "random"):
        values = []
        for seed in range(3):
            config = SearchConfig(method=method, seed=seed, bayes=BayesConfig(algorithm))
            study = optimise(build_method(config, space).sampler, space, 30)
            values += [t.value for t in study.trials[15:]]
        means[method] = sum(values) / len(values)
    assert means["bayes"] > means["random"] + 0.4


class Stubborn(optuna.samplers.RandomSampler):
    """Insists on one point, as a model with a sharp optimum in a small space does."""

    def sample_independent(self, study, trial, param_name, param_distribution):
        return {"optimiser": "adam", "layers": 2}[param_name]


def test_a_sampler_that_insists_is_overruled():
    sampler = PointSampler(model_points(Stubborn, space=FINITE, seed=0), space=FINITE, seed=0)
    study = optimise(sampler, FINITE, 9)
    assert study.trials[0].params == {"optimiser": "adam", "layers": 2}
    assert len({point_key(t.params) for t in study.trials}) == 9


def test_an_incomplete_queued_point_is_completed():
    sampler = PointSampler(random_points(CONDITIONAL, 0), space=CONDITIONAL, seed=0)
    study = optuna.create_study(sampler=sampler)
    for _ in range(5):
        study.enqueue_trial({"model": "large"})
    points = [suggest(study.ask(), CONDITIONAL) for _ in range(5)]
    assert all(point["model"] == "large" for point in points)
    assert all(CONDITIONAL.problems(point) == [] for point in points)
    assert len({point_key(p) for p in points}) == 5


def test_queued_points_are_not_drawn_by_chance():
    sampler = PointSampler(random_points(FINITE, 0), space=FINITE, seed=0)
    study = optuna.create_study(sampler=sampler)
    first = suggest(study.ask(), FINITE)
    again = optuna.create_study(sampler=sampler)
    again.enqueue_trial({"optimiser": "adam", "layers": 1})
    again.enqueue_trial(first)
    popped = suggest(again.ask(), FINITE)
    assert popped == {"optimiser": "adam", "layers": 1}
    assert suggest(again.ask(), FINITE) == first
    assert suggest(again.ask(), FINITE) not in (first, popped)
