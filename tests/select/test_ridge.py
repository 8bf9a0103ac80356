"""Closed-form leave-one-out is refitting; a skill grows with what the features know."""

import math

import numpy as np
import pytest

from foretune.select import Support, ridge_loo
from foretune.select.correlation import loo_correlation
from foretune.select.ridge import leave_one_out


@pytest.mark.parametrize(("n", "D"), [(10, 30), (30, 5)])
def test_closed_form_is_refitting_without_the_row(n, D):
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((n, D)) + 3, rng.standard_normal((n, 2))
    penalties = np.array([0.01, 1.0, 100.0])
    closed = leave_one_out(X, Y, penalties=penalties)
    for p, penalty in enumerate(penalties):
        for i in range(n):
            keep = np.arange(n) != i
            x, y = X[keep].mean(0), Y[keep].mean(0)
            gram = (X[keep] - x).T @ (X[keep] - x) + penalty * np.eye(D)
            weights = np.linalg.solve(gram, (X[keep] - x).T @ (Y[keep] - y))
            np.testing.assert_allclose(closed[p, i], y + (X[i] - x) @ weights, rtol=1e-8)


def test_constant_features_by_hand():
    """Each row gets the shares of the other three: 1/3 of its own class, 2/3 of the other."""
    s = Support.of(np.ones((4, 2)), [0, 0, 1, 1], is_class=True)
    assert ridge_loo(s) == pytest.approx(-math.log(1 + math.exp(4 / 3)))


def test_skill_grows_with_the_signal():
    rng = np.random.default_rng(0)
    y = np.arange(40) % 4
    noise = rng.standard_normal((40, 100))
    scores = [
        ridge_loo(Support.of(noise + s * np.eye(100)[y], y, is_class=True)) for s in (0, 4, 9)
    ]
    assert scores == sorted(scores)
    assert scores[0] == pytest.approx(math.log(0.25), abs=0.2)
    assert -0.5 < scores[-1] < 0


def test_numbers_that_features_know_and_do_not_know():
    rng = np.random.default_rng(0)
    F, noise = rng.standard_normal((50, 20)), rng.standard_normal(50)
    known = F[:, :3].sum(1)
    assert ridge_loo(Support.of(F, known, is_class=False)) > 0.95
    assert abs(ridge_loo(Support.of(F, noise, is_class=False))) < 0.4
    assert ridge_loo(Support.of(np.ones((50, 2)), noise, is_class=False)) == 0.0


def test_the_mean_of_the_others_has_no_correlation():
    y = np.array([1.0, 2.0, 4.0, 9.0])
    others = (y.sum() - y) / 3
    assert np.corrcoef(others, y)[0, 1] == pytest.approx(-1)
    assert loo_correlation(others, y) == 0.0
    assert loo_correlation(others + 0.5 * y, y) == pytest.approx(1)
    assert loo_correlation(others - 0.5 * y, y) == pytest.approx(-1)
