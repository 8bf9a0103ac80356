"""The numerics of a Gaussian process: kernel, Cholesky, posterior, leave-one-out, log EI.

Letters used in every file of this room:
    X: encoded configurations, (..., n, d)      y: scores, higher is better, (..., n)
    K: kernel matrix, (..., n, n)               L: its lower Cholesky factor
    n: observations, q: queries, d: columns, p: parameters (groups of columns)
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

_SQRT5 = math.sqrt(5.0)
_LOG_SQRT_2PI = 0.5 * math.log(2.0 * math.pi)
_TINY_DISTANCE = 1e-12  # keeps the gradient of a square root finite where two points coincide
_MAX_JITTER = 1e-1


def squared_distance(a: Tensor, b: Tensor) -> Tensor:
    """Squared Euclidean distances: ``a`` (..., n, d), ``b`` (..., m, d) -> (..., n, m)."""
    out = (a @ b.transpose(-1, -2)).mul_(-2.0)  # in place: fresh memory costs more than the sum
    out += a.square().sum(-1)[..., :, None]
    out += b.square().sum(-1)[..., None, :]
    return out.clamp_min(0.0)


def matern52(squared: Tensor) -> Tensor:
    """Matern kernel of smoothness 5/2 on squared distances, 1 at distance 0."""
    r = (5.0 * squared).add_(_TINY_DISTANCE).sqrt_()
    polynomial = r.square().div_(3.0).add_(r).add_(1.0)
    return polynomial * r.neg().exp_()


def cholesky(K: Tensor) -> Tensor:
    """Lower Cholesky factor; jitter grows tenfold until the factorisation succeeds.

    Raises:
        torch.linalg.LinAlgError: ``K`` is not positive definite even with the largest jitter.
    """
    L, info = torch.linalg.cholesky_ex(K)
    if not bool(info.any()):
        return L
    eye = torch.eye(K.shape[-1], dtype=K.dtype)
    jitter = 1e-8 if K.dtype == torch.float64 else 1e-6
    while jitter <= _MAX_JITTER:
        L, info = torch.linalg.cholesky_ex(K + jitter * eye)
        if not bool(info.any()):
            return L
        jitter *= 10.0
    raise torch.linalg.LinAlgError("kernel matrix is not positive definite")


def condition(
    *, L: Tensor, residual: Tensor, cross: Tensor, prior_variance: Tensor
) -> tuple[Tensor, Tensor]:
    """Posterior correction to the prior mean, and posterior variance, at the queries.

    Args:
        L: Cholesky factor of the noisy kernel matrix of the observations, (..., n, n).
        residual: Observed scores minus the prior mean there, (..., n).
        cross: Kernel between observations and queries, (..., n, q).
        prior_variance: Prior variance at the queries, (...,) or (..., q).
    """
    V = torch.linalg.solve_triangular(L, cross, upper=False)
    r = torch.linalg.solve_triangular(L, residual[..., None], upper=False)
    return (V * r).sum(-2), (prior_variance - V.square().sum(-2)).clamp_min(1e-10)


def log_marginal_likelihood(L: Tensor, residual: Tensor) -> Tensor:
    """Log density of ``residual`` (..., n) under a zero-mean Gaussian of Cholesky factor ``L``."""
    r = torch.linalg.solve_triangular(L, residual[..., None], upper=False)[..., 0]
    log_det = L.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    return -0.5 * r.square().sum(-1) - log_det - residual.shape[-1] * _LOG_SQRT_2PI


def leave_one_out(L: Tensor, residual: Tensor) -> tuple[Tensor, Tensor]:
    """Leave-one-out predictive residual means and variances (Rasmussen & Williams 2006, eq. 5.12).

    Returns:
        Mean of each residual given all the others, and the variance of a noisy observation there.
    """
    inverse = torch.cholesky_inverse(L)
    diagonal = inverse.diagonal()
    return residual - (inverse @ residual) / diagonal, 1.0 / diagonal


def log_density(value: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """Log density of a Gaussian, any shape."""
    return -0.5 * (value - mean).square() / variance - 0.5 * variance.log() - _LOG_SQRT_2PI


def log_ei(mean: Tensor, sd: Tensor, best: Tensor) -> Tensor:
    """Logarithm of the expected improvement over ``best`` (Ament et al. 2023, eq. 9), any shape."""
    z = (mean - best) / sd
    phi = torch.exp(-0.5 * z.square() - _LOG_SQRT_2PI)
    near = torch.log((phi + 0.5 * z * torch.special.erfc(-z / math.sqrt(2.0))).clamp_min(1e-300))
    tail = z.clamp_max(-1.0)
    ratio = math.sqrt(math.pi / 2.0) * tail * torch.special.erfcx(-tail / math.sqrt(2.0))
    far = -0.5 * tail.square() - _LOG_SQRT_2PI + torch.log1p(ratio.clamp_min(-1.0 + 1e-15))
    return torch.where(z > -10.0, near, far) + sd.log()


def minimise(
    loss: Callable[[Tensor], Tensor], start: Tensor, *, max_steps: int, tolerance: float = 1e-4
) -> Tensor:
    """Minimise a smooth ``loss`` of a float64 vector by L-BFGS with a strong-Wolfe line search.

    A step into a region where ``loss`` is not finite ends the search at the best point so far.
    """
    best = start.detach().clone()
    best_loss = math.inf
    x = start.detach().clone().requires_grad_(True)
    optimiser = torch.optim.LBFGS(
        [x], max_iter=max_steps, tolerance_grad=tolerance, tolerance_change=1e-7,
        line_search_fn="strong_wolfe",
    )  # fmt: skip

    def closure() -> Tensor:
        nonlocal best, best_loss
        optimiser.zero_grad()
        value = loss(x)
        value.backward()
        if math.isfinite(value.item()) and value.item() < best_loss:
            best, best_loss = x.detach().clone(), value.item()
        return value

    try:
        with torch.enable_grad():
            optimiser.step(closure)
    except torch.linalg.LinAlgError:
        pass
    return best
