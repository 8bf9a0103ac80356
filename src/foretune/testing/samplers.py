"""What must every search method do? One contract for all of them, run by pytest.

A subclass says which method; see tests/search/test_contract.py. The objectives are functions, so a
whole search takes a fraction of a second.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from foretune.config.schema.search import SearchConfig
from foretune.core import (
    OnEpoch,
    Status,
    TrialFailed,
    TrialResult,
    TrialSpec,
)
from foretune.search import (
    SearchError,
)
from foretune.space import point_key
from foretune.testing.planted import (
    CONDITIONAL,
    FINITE,
    Run,
    planted_history,
    train_planted,
)


def random_studies(
    url: str, objective: Callable[[optuna.Trial], float], *, n_studies: int, n_trials: int
) -> None:
    """Write studies of random search, ``past-0`` and on, each with a seed of its own."""
    for k in range(n_studies):
        study = optuna.create_study(
            storage=url, study_name=f"past-{k}", direction="maximize",
            sampler=optuna.samplers.RandomSampler(seed=k),
        )  # fmt: skip
        study.optimize(objective, n_trials=n_trials)


class SearchContract:
    """What every search method must do. A subclass overrides `config`."""

    def config(self) -> SearchConfig:
        """The search settings of the method under test."""
        raise NotImplementedError

    @pytest.fixture
    def run(self, tmp_path: Path) -> Run:
        """A search of twelve trials."""
        config = self.config()
        config.meta.cache_dir = str(tmp_path / "cache")
        return Run(replace(config, n_trials=12), tmp_path)

    def test_every_point_is_one_of_the_space(self, run: Run) -> None:
        """Conditions and per-model ranges hold in every trial."""
        summary = run()
        assert summary.n_trials == 12 == len(run.trials)
        assert [CONDITIONAL.problems(point) for point in run.points] == [[]] * 12

    def test_same_seed_same_trials(self, run: Run) -> None:
        """Two studies of one seed hold the same points, in the same order."""
        again = replace(run, storage=optuna.storages.InMemoryStorage())
        assert run().best_score == again().best_score
        assert run.points == again.points

    def test_other_seed_other_trials(self, run: Run) -> None:
        """The seed has an effect."""
        other = replace(
            run, storage=optuna.storages.InMemoryStorage(), config=replace(run.config, seed=1)
        )
        run()
        other()
        assert run.points != other.points

    def test_resumed_as_if_never_stopped(self, run: Run) -> None:
        """The same command asks for five, then for twelve: the trials of twelve in one go."""
        stopped = replace(run, storage=optuna.storages.InMemoryStorage())
        stopped.config = replace(run.config, n_trials=5)
        assert stopped().n_trials == 5
        assert stopped().n_trials == 5, "the same command completes and does not add"
        stopped.config = run.config
        assert stopped().n_trials == 12
        run()
        assert len({point_key(p) for p in stopped.points}) == 12
        assert stopped.points == run.points

    def test_visits_a_finite_space_once_and_ends(self, run: Run) -> None:
        """Nine points: nine trials, whatever the budget."""
        run.space, run.config = FINITE, replace(run.config, n_trials=50)
        assert run().n_trials == 9
        assert len({point_key(p) for p in run.points}) == 9
        assert run.plan is not None
        assert run.plan.budget.n_trials == 9

    def test_one_trial_is_a_search(self, run: Run) -> None:
        """The smallest budget."""
        run.config = replace(run.config, n_trials=1)
        summary = run()
        assert (summary.n_trials, summary.best_number) == (1, 0)
        assert summary.best_params == run.points[0]

    def test_failed_trials_count_and_do_not_end_it(self, run: Run) -> None:
        """A failure is recorded with its reason; the next trial runs."""

        def fails_at_times(spec: TrialSpec, on_epoch: OnEpoch) -> TrialResult:
            if spec.number % 3 == 1:
                raise TrialFailed("the loss is NaN")
            return train_planted(spec, on_epoch)

        run.objective = fails_at_times
        summary = run()
        failed = [t for t in run.trials if t.state == TrialState.FAIL]
        assert summary.n_trials == 12
        assert summary.n_failed == 4 == len(failed)
        assert {t.user_attrs["failure"] for t in failed} == {"the loss is NaN"}

    def test_five_failures_and_nothing_else_end_it(self, run: Run) -> None:
        """The message names the reasons."""

        def always_fails(spec: TrialSpec, on_epoch: OnEpoch) -> TrialResult:
            raise MemoryError

        run.objective = always_fails
        with pytest.raises(SearchError, match="5 x out of memory"):
            run()
        assert len(run.trials) == 5

    def test_a_score_that_is_no_number_fails_the_trial(self, run: Run) -> None:
        """Optuna would take infinity for a score."""

        def is_nan(spec: TrialSpec, on_epoch: OnEpoch) -> TrialResult:
            if spec.number % 3 == 0:
                return train_planted(spec, on_epoch)
            return TrialResult(spec, Status.COMPLETED, [0.0, math.nan, math.inf][spec.number % 3])

        run.objective = is_nan
        summary = run()
        assert summary.n_trials == 12
        assert summary.n_failed == 8 == sum(t.state == TrialState.FAIL for t in run.trials)

    def test_budget_in_seconds(self, run: Run) -> None:
        """The seconds of earlier runs count."""

        def slow(spec: TrialSpec, on_epoch: OnEpoch) -> TrialResult:
            time.sleep(0.05)
            return train_planted(spec, on_epoch)

        run.objective = slow
        run.config = replace(run.config, n_trials=10_000, budget_s=0.2)
        first = run()
        assert 1 <= first.n_trials < 10
        assert run().n_trials == first.n_trials

    def test_ctrl_c_is_told_and_the_point_comes_again(self, run: Run) -> None:
        """The same command goes on with the point it was stopped in."""
        interrupts = iter([True])

        def interrupted_once(spec: TrialSpec, on_epoch: OnEpoch) -> TrialResult:
            if spec.number == 3 and next(interrupts, False):
                raise KeyboardInterrupt
            return train_planted(spec, on_epoch)

        run.objective = interrupted_once
        first = run()
        assert first.interrupted
        assert first.n_trials == 3
        assert run.trials[3].state == TrialState.FAIL
        assert run.trials[3].user_attrs["failure"] == "interrupted"
        second = run()
        assert not second.interrupted
        assert second.n_trials == 12
        assert len(run.trials) == 13
        assert run.trials[4].params == run.trials[3].params
        assert run.trials[4].user_attrs["retried_from"] == 3

    def test_prunes(self, run: Run) -> None:
        """A pruner stops trials through `on_epoch`, and they count."""
        run.config = replace(run.config, n_trials=30, pruner="successive_halving")
        assert run().n_trials == 30
        pruned = [t for t in run.trials if t.state == TrialState.PRUNED]
        assert pruned
        assert all(t.intermediate_values for t in pruned)

    def test_lower_is_better(self, run: Run) -> None:
        """A score is always higher-is-better; the study holds the metric as it is."""
        run.task = replace(run.task, higher_is_better=False)
        summary = run()
        assert run.study is not None
        assert run.study.direction == optuna.study.StudyDirection.MINIMIZE
        assert summary.best_score == -run.study.best_value
        assert summary.best_score == max(-v for t in run.trials for v in t.values)


class WarmStartContract(SearchContract):
    """What a method that learns from a history must do beside that."""

    def test_the_default_configuration_comes_first(self, run: Run) -> None:
        """A known-good configuration is never worse than nothing to compare with."""
        run()
        assert point_key(run.points[0]) == point_key(CONDITIONAL.defaults[0])

    def test_the_first_suggestions_beat_random_search_on_a_planted_history(self, run: Run) -> None:
        """Six past tasks share the region of the optimum, each with a small shift of its own.

        The first trial, mean over eight seeds, with no default to lean on: random search scores
        -0.60 here with a standard error of 0.15; what served the past tasks well, about -0.23.
        """
        run.history, run.space = planted_history(), replace(CONDITIONAL, defaults=())
        run.config.meta.meta_iterations = 30
        mean = {}
        for method in (run.config.method, "random"):
            scores = []
            for seed in range(8):
                run.storage = optuna.storages.InMemoryStorage()
                run.config = replace(run.config, method=method, n_trials=1, seed=seed)
                scores.append(run().best_score or 0.0)
            mean[method] = sum(scores) / 8
        learned, blind = mean.values()
        assert learned > blind + 0.2
