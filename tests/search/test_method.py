"""Settings become samplers and pruners with exact names."""

from dataclasses import replace

import optuna
import pytest
from optuna.trial import TrialState

from foretune.config.schema.executor import ExecutorConfig
from foretune.config.schema.search import (
    DEFAULT_CPU_S,
    DEFAULT_TRIALS,
    BayesConfig,
    GridConfig,
    MetaConfig,
    SearchConfig,
)
from foretune.core import Budget, ConfigError, NullObserver, Status
from foretune.search import build_method, build_pruner
from foretune.space import Choice, Float, Space, point_key
from foretune.testing.planted import CONDITIONAL, FINITE, Run, train_planted

FLAT = Space((Float("lr", 1e-5, 1e-2, log=True), Choice("optimiser", ("adam", "sgd"))))


@pytest.mark.parametrize(
    ("config", "space", "name"),
    [
        (SearchConfig(method="random"), FLAT, "random search"),
        (SearchConfig(method="grid"), FLAT, "grid of 6 points, in order"),
        (SearchConfig(method="grid", n_trials=4), FLAT, "grid of 6 points, in shuffled order"),
        (SearchConfig(method="bayes"), FLAT, f"TPE, multivariate (Optuna {optuna.__version__})"),
        (
            SearchConfig(method="bayes"),
            CONDITIONAL,
            f"TPE, multivariate, group (Optuna {optuna.__version__})",
        ),
        (
            SearchConfig(method="bayes", bayes=BayesConfig("gp")),
            CONDITIONAL,
            f"GPSampler, conditional parameters at random (Optuna {optuna.__version__})",
        ),
    ],
)
def test_the_name_says_exactly_what_it_is(config, space, name):
    assert build_method(config, space).description == name


@pytest.mark.parametrize(
    ("config", "budget", "weighs"),
    [
        (SearchConfig(method="meta", budget_s=90), Budget(None, 90.0), True),
        (SearchConfig(method="meta"), Budget(DEFAULT_TRIALS, 180.0), False),  # a CPU's default
        (SearchConfig(method="meta"), Budget(DEFAULT_TRIALS, None), False),
        (SearchConfig(method="meta", n_trials=5, budget_s=90), Budget(5, 90.0), False),
        (SearchConfig(method="meta", objectives=["score", "seconds"]), Budget(None, 90.0), False),
        (SearchConfig(method="meta", meta=MetaConfig(cost_aware=False)), Budget(None, 90.0), False),
        (SearchConfig(method="meta", n_trials=5, meta=MetaConfig(cost_aware=True)), None, True),
    ],
)
def test_seconds_are_weighed_where_they_alone_were_limited(config, budget, weighs):
    sampler = build_method(config, FLAT, budget=budget).sampler
    assert sampler._spending.cost_aware is weighs


@pytest.mark.parametrize(
    ("budget", "is_isolated", "meanwhile"),
    [
        (Budget(None, 90.0), True, True),
        (Budget(None, 90.0), False, False),  # it would take the trial's own processor
        (Budget(None, 7200.0), True, False),
        (Budget(DEFAULT_TRIALS, 180.0), True, False),  # a CPU's default: trials count
    ],
)
def test_a_short_search_in_processes_learns_while_its_first_trial_runs(
    budget, is_isolated, meanwhile
):
    config = SearchConfig(method="meta")
    sampler = build_method(config, FLAT, budget=budget, is_isolated=is_isolated).sampler
    assert sampler._meanwhile is meanwhile


def test_a_grid_larger_than_the_budget_says_so():
    method = build_method(SearchConfig(method="grid", n_trials=4), FLAT)
    assert method.notes == (
        "the grid holds 6 points, more than the budget: visited in shuffled order",
    )
    assert method.n_points == 6


def test_a_grid_of_every_value_needs_lists():
    config = SearchConfig(method="grid", grid=GridConfig(points=None))
    with pytest.raises(ConfigError, match=r"lr: a real number .*\+space.params.NAME.choices"):
        build_method(config, FLAT)
    assert build_method(config, FINITE).n_points == 9


def test_points_per_number_have_an_effect():
    config = SearchConfig(method="grid", grid=GridConfig(points=5))
    assert build_method(config, FLAT).n_points == 10


def test_a_huge_grid_is_visited_without_being_listed(tmp_path):
    space = Space(tuple(Float(f"x{i}", 0.0, 1.0) for i in range(30)))
    run = Run(SearchConfig(method="grid", n_trials=5), tmp_path, space=space)
    assert run().n_trials == 5
    assert len({point_key(p) for p in run.points}) == 5


@pytest.mark.parametrize("name", ["none", "median", "percentile", "successive_halving"])
def test_pruners_are_optunas(name):
    assert type(build_pruner(SearchConfig(pruner=name))).__module__.startswith("optuna.pruners")


def test_hyperband_leaves_the_sampler_the_whole_study(tmp_path):
    """Optuna would show it one bracket: a grid would then repeat the other brackets' points."""
    config = SearchConfig(method="grid", n_trials=40, pruner="hyperband")
    run = Run(config, tmp_path)
    summary = run()
    assert any(t.state == TrialState.PRUNED for t in run.trials)
    assert len({point_key(p) for p in run.points}) == summary.n_trials == 40
    assert not any("duplicate_of" in t.user_attrs for t in run.trials)


def test_unknown_names_are_refused_with_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'median'"):
        build_pruner(SearchConfig(pruner="medain"))
    with pytest.raises(ConfigError, match="did you mean 'random'"):
        build_method(SearchConfig(method="randon"), FLAT)
    with pytest.raises(ConfigError, match="Known: gp, tpe"):
        build_method(SearchConfig(method="bayes", bayes=BayesConfig("cma")), FLAT)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"n_trials": 0}, "search.n_trials: expected at least 1, got 0"),
        ({"n_trials": -3}, "search.n_trials: expected at least 1, got -3"),
        ({"budget_s": 0}, "search.budget_s: expected a duration above 0 seconds, got 0"),
        ({"budget_s": "2 fortnights"}, "search.budget_s: expected a duration such as 90"),
        ({"budget_s": [1]}, "search.budget_s: "),
        ({"seed": -1}, "search.seed: expected 0 or more, got -1"),
        ({"method": "metta"}, "search.method: unknown search method 'metta': did you mean 'meta'"),
        ({"fidelity": "prunned"}, "search.fidelity: unknown fidelity 'prunned': did you mean"),
        ({"fidelity": "freeze_thaw", "pruner": "median"}, "search.pruner: expected none with sea"),
        ({"pruner": "mdian"}, "search.pruner: unknown pruner 'mdian': did you mean 'median'"),
        ({"grid": GridConfig(0)}, "search.grid.points: expected at least 1, got 0"),
        ({"bayes": BayesConfig("tpee")}, "search.bayes.algorithm: unknown algorithm 'tpee'"),
    ],
)
def test_problems(changes, problem):
    found = replace(SearchConfig(), **changes).problems()
    assert len(found) == 1
    assert found[0].startswith(problem)


def test_problems_of_the_meta_section():
    config = SearchConfig()
    config.meta.meta_lr, config.meta.support_size, config.meta.meta_iterations = 0.0, 0, -1
    assert [line.split(":")[0] for line in config.problems()] == [
        "search.meta.meta_lr",
        "search.meta.support_size",
        "search.meta.meta_iterations",
    ]


def test_the_defaults_are_in_order():
    assert SearchConfig().problems() == []
    assert ExecutorConfig().problems() == []
    assert "did you mean 'inline'" in ExecutorConfig("inlin").problems()[0]
    assert SearchConfig(budget_s="2h").budget(on_cpu=True) == Budget(None, 7200.0)
    assert SearchConfig(n_trials=3).budget(on_cpu=True) == Budget(3, None)


def test_without_a_budget_a_machine_without_a_gpu_gets_a_short_one():
    assert SearchConfig().budget(on_cpu=True) == Budget(DEFAULT_TRIALS, DEFAULT_CPU_S)
    assert SearchConfig().budget(on_cpu=False) == Budget(DEFAULT_TRIALS, None)


def longer(spec, on_epoch):
    """The planted objective over 12 epochs."""
    return train_planted(replace(spec, params={**spec.params, "epochs": 12}), on_epoch)


class Ended(NullObserver):
    def __init__(self):
        self.results = []

    def trial_ended(self, result, is_best):
        self.results.append(result)


@pytest.mark.parametrize("search", [{"fidelity": "pruned"}, {"pruner": "meta"}])
def test_stopped_trials_say_when_and_why(tmp_path, search):
    ended = Ended()
    config = SearchConfig(method="random", n_trials=20, seed=1, **search)
    run = Run(config, tmp_path, space=FLAT, objective=longer, observers=(ended,))
    run()
    stopped = [r for r in ended.results if r.status is Status.PRUNED]
    assert stopped
    for result in stopped:
        assert result.reason == run.trials[result.spec.number].user_attrs["stopped"]
        assert f"stopped at {len(result.epochs)} of 12: " in result.reason
    full = Run(SearchConfig(method="random", n_trials=20, seed=1), tmp_path / "full", space=FLAT)
    full.objective = longer
    assert run().best_score == pytest.approx(full().best_score, abs=0.01)
