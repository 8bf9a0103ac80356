"""The evidence is the density of the targets, and at its maximum."""

import math

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from foretune.select import Support, logme
from foretune.select.evidence import maximum_evidence
from foretune.select.spectrum import contrasts


def problem(n, D, *, rank=None, seed=0):
    """Features (n, D) of a rank, and two targets (n, 2) that are partly linear in them."""
    rng = np.random.default_rng(seed)
    rank = rank or min(n, D)
    F = rng.standard_normal((n, rank)) @ rng.standard_normal((rank, D)) / math.sqrt(rank)
    Y = F @ rng.standard_normal((D, 2)) / math.sqrt(D) + 0.5 * rng.standard_normal((n, 2))
    return F, Y


def density(F, y, *, alpha, beta):
    covariance = np.eye(len(y)) / beta + F @ F.T / alpha
    return float(multivariate_normal(np.zeros(len(y)), covariance).logpdf(y))


@pytest.mark.parametrize(("n", "D", "rank"), [(12, 40, None), (40, 12, None), (20, 30, 5)])
def test_the_evidence_is_the_multivariate_normal_density(n, D, rank):
    F, Y = problem(n, D, rank=rank)
    found = maximum_evidence(F, Y)
    for k in range(2):
        expected = density(F, Y[:, k], alpha=found.alpha[k], beta=found.beta[k])
        assert found.log_density[k] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("n", "D"), [(12, 40), (40, 12)])
def test_no_other_alpha_and_beta_are_more_probable(n, D):
    """One of the targets wants no noise at all, and gets the least there is: 2e-4 less."""
    F, Y = problem(n, D)
    found = maximum_evidence(F, Y)
    for k in range(2):
        others = [
            density(F, Y[:, k], alpha=a * found.alpha[k], beta=b * found.beta[k])
            for a in np.logspace(-3, 3, 25)
            for b in np.logspace(-3, 3, 25)
        ]
        assert found.log_density[k] >= max(others) - 1e-3


@pytest.mark.parametrize(("n", "D"), [(12, 40), (40, 12)])
def test_what_is_left_out_of_the_uncorrected_form_is_the_null_space(n, D):
    F, Y = problem(n, D)
    found = maximum_evidence(F, Y)
    alpha, beta, y = found.alpha[0], found.beta[0], Y[:, 0]
    A = alpha * np.eye(D) + beta * F.T @ F
    m = beta * np.linalg.solve(A, F.T @ y)
    s2 = np.linalg.svd(F, compute_uv=False) ** 2
    common = (
        D / 2 * math.log(alpha)
        + n / 2 * math.log(beta)
        - 0.5 * np.log(alpha + beta * s2).sum()
        - beta / 2 * ((y - F @ m) ** 2).sum()
        - alpha / 2 * m @ m
        - n / 2 * math.log(2 * math.pi)
    )
    assert found.log_density[0] - found.null_space[0] == pytest.approx(common)
    assert found.null_space[0] == pytest.approx(-0.5 * max(D - n, 0) * math.log(alpha))


def test_contrasts_are_an_orthonormal_basis_without_the_constant():
    Q = contrasts(np.eye(6)).T
    np.testing.assert_allclose(Q.T @ Q, np.eye(5), atol=1e-12)
    np.testing.assert_allclose(np.ones(6) @ Q, 0.0, atol=1e-12)


def test_two_rows_by_hand():
    """One contrast of 1 / sqrt 2, whose most probable variance is its square."""
    support = Support.of([[0.0], [1.0]], [0, 1], is_class=True)
    assert logme(support) == pytest.approx(-0.5 * (math.log(math.pi) + 1))


def test_features_without_information_by_hand():
    """Constant features leave the noise alone: n - 1 values of the target's own variance."""
    y = np.array([1.0, 2.0, 3.0, 6.0])
    support = Support.of(np.ones((4, 3)), y, is_class=False)
    assert logme(support) == pytest.approx(-0.5 * (math.log(2 * math.pi * 4 / 3) + 1))


def support(is_class=True):
    rng = np.random.default_rng(1)
    y = np.arange(24) % 3
    F = rng.standard_normal((24, 50)) + np.eye(50)[y] * 3
    return F, y if is_class else y + rng.standard_normal(24)


@pytest.mark.parametrize("is_class", [True, False])
def test_the_unit_the_origin_and_the_axes_of_the_features_are_no_matter(is_class):
    F, y = support(is_class)
    turn = np.linalg.qr(np.random.default_rng(2).standard_normal((50, 50)))[0]
    changed = 1e-4 * (F @ turn + np.random.default_rng(3).standard_normal(50) * 5)
    scores = [logme(Support.of(X, y, is_class=is_class)) for X in (F, changed)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-6)


def test_the_unit_of_a_number_is_no_matter():
    F, y = support(is_class=False)
    scores = [logme(Support.of(F, t, is_class=False)) for t in (y, 1000 * y - 7)]
    assert scores[0] == pytest.approx(scores[1])


def test_dimensions_that_hold_nothing_change_the_uncorrected_form_alone():
    F, y = support()
    wide = np.column_stack([F, np.zeros((24, 300))])
    narrow, wide = (Support.of(X, y, is_class=True) for X in (F, wide))
    assert logme(narrow) == pytest.approx(logme(wide))
    assert abs(logme(narrow, corrected=False) - logme(wide, corrected=False)) > 1.0


def test_features_that_fit_a_target_exactly_have_a_finite_evidence():
    F = np.arange(20.0)[:, None]
    assert 5 < logme(Support.of(F, 3 * F[:, 0], is_class=False)) < 10
