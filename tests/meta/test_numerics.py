"""The numerics agree with what they stand for."""

import math

import numpy as np
import pytest
import torch

from foretune.meta.gp import (
    cholesky,
    condition,
    leave_one_out,
    log_ei,
    log_marginal_likelihood,
    matern52,
    minimise,
    squared_distance,
)
from foretune.meta.guard import judge
from foretune.meta.normalise import Scale, normalise
from foretune.meta.placing import SpreadPrior, place
from foretune.meta.target import fit_target


def problem(n: int = 12):
    generator = torch.Generator().manual_seed(0)
    X = torch.rand(n, 3, generator=generator, dtype=torch.float64)
    y = torch.sin(4 * X[:, 0]) + X[:, 1]
    K = matern52(squared_distance(X, X)) + 0.01 * torch.eye(n, dtype=torch.float64)
    return X, y, K


def test_marginal_likelihood_is_that_of_torch():
    _, y, K = problem()
    normal = torch.distributions.MultivariateNormal(torch.zeros(len(y), dtype=K.dtype), K)
    assert log_marginal_likelihood(cholesky(K), y) == pytest.approx(float(normal.log_prob(y)))


def test_leave_one_out_is_what_leaving_one_out_gives():
    _, y, K = problem()
    mean, variance = leave_one_out(cholesky(K), y)
    for i in range(len(y)):
        keep = [j for j in range(len(y)) if j != i]
        m, v = condition(
            L=cholesky(K[keep][:, keep]),
            residual=y[keep],
            cross=K[keep][:, [i]],
            prior_variance=K[i, i],
        )
        assert float(m[0]) == pytest.approx(float(mean[i]))
        assert float(v[0]) == pytest.approx(float(variance[i]))


@pytest.mark.parametrize("z", [-3.0, -0.5, 0.0, 2.0])
def test_log_ei_is_the_expected_improvement(z):
    grid = torch.linspace(-12, 12, 200_001, dtype=torch.float64)
    density = torch.exp(-0.5 * grid**2) / math.sqrt(2 * math.pi)
    expected = float(torch.trapezoid((z + grid).clamp_min(0) * density, grid))
    got = log_ei(*(torch.tensor(v, dtype=torch.float64) for v in (2 * z, 2.0, 0.0)))
    assert float(got) == pytest.approx(math.log(2 * expected), abs=1e-6)


def test_log_ei_never_breaks_and_keeps_its_order_far_below_the_best():
    mean = -torch.logspace(0, 6, 200, dtype=torch.float64)
    value = log_ei(mean, torch.ones_like(mean), torch.tensor(0.0, dtype=torch.float64))
    assert bool(torch.isfinite(value).all())
    assert bool((value.diff() < 0).all())


def test_a_singular_matrix_gets_jitter():
    K = torch.ones(5, 5, dtype=torch.float64)
    assert bool(torch.isfinite(cholesky(K)).all())


def test_the_minimiser_finds_a_minimum():
    target = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    found = minimise(
        lambda v: ((v - target) ** 2).sum(), torch.zeros(3, dtype=torch.float64), max_steps=30
    )
    np.testing.assert_allclose(found, target, atol=1e-4)


def test_the_target_process_learns_which_parameter_matters():
    rng = np.random.default_rng(0)
    X = rng.random((40, 3))
    z = np.sin(6 * X[:, 0])
    z = (z - z.mean()) / z.std()
    gp = fit_target(X, z, np.arange(3))
    factors = gp.inverse_length.numpy()
    assert factors[0] > 3 * factors[1:].max()
    Q = rng.random((50, 3))
    mean, _ = gp.predict(Q)
    truth = np.sin(6 * Q[:, 0])
    assert np.corrcoef(mean.numpy(), truth)[0, 1] > 0.98


def test_normalisation_keeps_order_and_tames_failures():
    y = np.array([0.9, 0.91, 0.92, 0.93, 0.95, -1e6])
    u, scale = normalise(y)
    assert (np.argsort(u) == np.argsort(y)).all()
    assert u.min() > -25
    np.testing.assert_allclose(scale.undo(u), y, rtol=1e-6)


@pytest.mark.parametrize("y", [np.ones(5), np.array([0.0, 0.0, 0.0, 1.0])])
def test_normalisation_of_ties_is_finite(y):
    u, _ = normalise(y)
    assert np.isfinite(u).all()


@pytest.mark.parametrize("n", [2, 5, 20])
def test_placing_finds_location_and_spread(n):
    """Scores drawn from the prior itself, then moved to another task's units."""
    generator = torch.Generator().manual_seed(n)
    X = torch.rand(n, 3, generator=generator, dtype=torch.float64)
    K = 0.05 * matern52(squared_distance(X, X)) + 1e-3 * torch.eye(n, dtype=torch.float64)
    learned = torch.linspace(-0.8, 1.2, n, dtype=torch.float64)
    noise = torch.randn(n, generator=generator, dtype=torch.float64)
    u = (learned + cholesky(K) @ noise).numpy()
    y = Scale(70.0, 4.0).undo(u)
    scale = place(learned, cholesky(K), y, SpreadPrior(math.log(3.0), 0.7))
    assert scale.location == pytest.approx(70.0, abs=2.5)
    assert scale.spread == pytest.approx(4.0, rel=0.5)


def test_one_observation_leaves_the_spread_to_the_prior():
    L = torch.ones(1, 1, dtype=torch.float64)
    scale = place(
        torch.zeros(1, dtype=torch.float64), L, np.array([0.7]), SpreadPrior(math.log(3.0), 0.5)
    )
    assert scale.spread == pytest.approx(3.0, rel=0.2)


@pytest.mark.parametrize(("sign", "low", "high"), [(1.0, 0.5, 1.0), (-1.0, 0.0, 0.2)])
def test_the_guard_follows_the_evidence(sign, low, high):
    rng = np.random.default_rng(0)
    y = rng.normal(size=15)
    right, wrong = y + 0.3 * rng.normal(size=15), rng.normal(size=15)
    history, target = (right, wrong) if sign > 0 else (-y, right)
    weight = judge(history, target, y, np.random.default_rng(1)).weight
    assert low <= weight <= high


def test_the_guard_regains_trust_slowly():
    rng = np.random.default_rng(0)
    y = rng.normal(size=15)
    right, wrong = y + 0.1 * rng.normal(size=15), rng.normal(size=15)
    verdict = judge(right, wrong, y, np.random.default_rng(1), before=[0.9, 0.1])
    assert verdict.vote is not None
    assert verdict.vote > 0.9
    assert (verdict.weight, verdict.text) == (0.1, "ignored")
    assert not verdict.lets_go  # no more trials are spread over the space on an old vote
