"""The study's own process is fitted to the trials alone, whoever fitted what before."""

import numpy as np
import optuna
import pytest

from foretune import MetaSampler
from foretune.search.meta_fits import TargetFits


@pytest.mark.parametrize("n", [4, 5, 11, 30, 54, 125])
def test_a_fit_does_not_depend_on_the_fits_before_it(n):
    rng = np.random.default_rng(0)
    own, doubt, groups = rng.random((n, 3)), np.zeros(n), np.arange(3)
    y = np.sin(6 * own[:, 0]) + own[:, 1]
    grown, anew = TargetFits(), TargetFits()
    for k in range(4, n):
        grown.of(own[:k], y[:k], doubt[:k], groups)
    np.testing.assert_array_equal(grown.of(own, y, doubt, groups), anew.of(own, y, doubt, groups))


def test_a_score_that_changes_is_fitted_anew():
    rng = np.random.default_rng(0)
    own, doubt, groups = rng.random((9, 1)), np.zeros(9), np.zeros(1, int)
    fits, y = TargetFits(), np.sin(6 * own[:, 0])
    before = fits.of(own, y, doubt, groups)
    y[2] += 1.0
    assert not np.array_equal(fits.of(own, y, doubt, groups), before)


def test_a_search_by_a_new_sampler_each_trial_is_that_by_one():
    def objective(trial):
        return -((trial.suggest_float("x", 0, 1) - 0.3) ** 2) - trial.suggest_float("y", 0, 1)

    one = optuna.create_study(direction="maximize", sampler=MetaSampler(seed=3), study_name="s")
    one.optimize(objective, n_trials=14)
    many = optuna.create_study(direction="maximize", study_name="s")
    for _ in range(14):
        many.sampler = MetaSampler(seed=3)
        many.optimize(objective, n_trials=1)
    assert [t.params for t in many.trials] == [t.params for t in one.trials]
