"""What do the new task's own trials say, with no history at all? An ARD Gaussian process."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from foretune.meta.gp import (
    cholesky,
    condition,
    log_marginal_likelihood,
    matern52,
    minimise,
    squared_distance,
)

_MIN_NOISE = 1e-5
# Priors in log units (Hvarfner et al. 2024: length scales grow with the root of the dimension;
# their width 3 ** .5 is narrowed to 1, since a fit of a dozen points has little to say).
_LENGTH_LOG_SD = 1.0
_SCALE_LOG_SD = 1.0
_NOISE_LOG_MEAN, _NOISE_LOG_SD = -7.0, 2.0
_LENGTH_LOG_MEAN = -0.7
_FIT_STEPS = 30
_DRAWS, _ALTERNATIVES = 24, 4
_DRAW_SD = 0.5  # of the prior's width


@dataclass(frozen=True)
class TargetGP:
    """A fitted process over the new task's own scale.

    Attributes:
        X: Observed configurations, (n, d), scaled by the length scales.
        inverse_length: One factor a column, (d,).
        log_params: What was fitted: p log length scales, log kernel scale, log noise; the start
            of the next fit.
        z: Standardised scores, (n,).
        L: Cholesky factor of the noisy kernel matrix, (n, n).
        scale, noise: Kernel scale and noise variance.
        extra: Variance that each observation has beside it, (n,); 0 where it was measured.
    """

    X: Tensor
    z: Tensor
    L: Tensor
    inverse_length: Tensor
    scale: Tensor
    noise: Tensor
    log_params: Tensor
    extra: Tensor

    def predict(self, Q: np.ndarray) -> tuple[Tensor, Tensor]:
        """Posterior mean and variance of the standardised score at ``Q`` (q, d)."""
        cross = self.scale * matern52(
            squared_distance(self.X, torch.as_tensor(Q) * self.inverse_length)
        )
        return condition(L=self.L, residual=self.z, cross=cross, prior_variance=self.scale)

    def extended(self, Q: np.ndarray, z: Tensor) -> TargetGP:
        """The same process with more observations ``z`` (q,) at ``Q`` (q, d), not fitted anew."""
        X = torch.cat([self.X, torch.as_tensor(Q) * self.inverse_length])
        K = self.scale * matern52(squared_distance(X, X))
        extra = torch.cat([self.extra, torch.zeros(len(z), dtype=torch.float64)])
        L = cholesky(K + torch.diag(self.noise + extra))
        return replace(self, X=X, z=torch.cat([self.z, z]), L=L, extra=extra)


@dataclass(frozen=True)
class _Posterior:
    """Of the kernel's parameters: p log length scales, log kernel scale, log noise."""

    X: Tensor
    z: Tensor
    columns: Tensor
    extra: Tensor

    @property
    def p(self) -> int:
        return int(self.columns.max()) + 1 if len(self.columns) else 0

    @property
    def mean(self) -> Tensor:
        """Of the prior."""
        length = 0.5 * math.log(max(self.p, 1)) + _LENGTH_LOG_MEAN
        return torch.tensor([length] * self.p + [0.0, _NOISE_LOG_MEAN], dtype=torch.float64)

    @property
    def sd(self) -> Tensor:
        """Of the prior."""
        widths = [_LENGTH_LOG_SD] * self.p + [_SCALE_LOG_SD, _NOISE_LOG_SD]
        return torch.tensor(widths, dtype=torch.float64)

    def process(self, v: Tensor) -> TargetGP:
        """The process with these parameters."""
        inverse = torch.exp(-v[: self.p])[self.columns]
        X = self.X * inverse
        scale, noise = torch.exp(v[self.p]), torch.exp(v[self.p + 1]) + _MIN_NOISE
        K = scale * matern52(squared_distance(X, X))
        L = cholesky(K + torch.diag(noise + self.extra))
        return TargetGP(X, self.z, L, inverse, scale, noise, v, self.extra)

    def loss(self, v: Tensor) -> Tensor:
        """Negative log posterior, up to a constant."""
        prior = 0.5 * ((v - self.mean) / self.sd).square().sum()
        return prior - log_marginal_likelihood(self.process(v).L, self.z)


def fit_target(
    X: np.ndarray,
    z: np.ndarray,
    groups: np.ndarray,
    *,
    extra: np.ndarray | None = None,
    start: Tensor | None = None,
) -> TargetGP:
    """Fit by maximum a posteriori.

    Args:
        X: Encoded configurations in [0, 1], (n, d).
        z: Standardised scores, higher is better, (n,).
        groups: Parameter of each column, (d,) in 0..p-1; columns of one share a length scale.
        extra: Variance that each score has beside the fitted noise, (n,); None: none.
        start: ``log_params`` of an earlier fit on the same columns; None: the prior's mean.
    """
    none = np.zeros(len(z)) if extra is None else extra
    posterior = _posterior(X, torch.as_tensor(z), groups, torch.as_tensor(none))
    first = posterior.mean if start is None else start
    return posterior.process(minimise(posterior.loss, first, max_steps=_FIT_STEPS))


def process(
    X: np.ndarray, z: np.ndarray, groups: np.ndarray, v: Tensor, *, extra: np.ndarray
) -> TargetGP:
    """The process of fitted parameters ``v`` on observations; as in `fit_target`."""
    return _posterior(X, torch.as_tensor(z), groups, torch.as_tensor(extra)).process(v)


def alternatives(
    best: TargetGP, X: np.ndarray, groups: np.ndarray, rng: np.random.Generator
) -> list[TargetGP]:
    """Other processes that explain the observations: draws from the parameters' posterior.

    One fitted set of length scales is too sure of itself and can search in one corner for ever
    (Snoek et al. 2012 average over them). Draws around the fit are resampled by their posterior
    density over the density that they were drawn from.
    """
    posterior = _posterior(X, best.z, groups, best.extra)
    noise = rng.normal(size=(_DRAWS, len(best.log_params)))
    draws = best.log_params + torch.from_numpy(noise) * _DRAW_SD * posterior.sd
    losses = np.array([float(posterior.loss(v)) for v in draws])
    log_weight = -losses + 0.5 * (noise**2).sum(1)
    chance = np.exp(log_weight - log_weight.max())
    picked = rng.choice(_DRAWS, _ALTERNATIVES, p=chance / chance.sum())
    return [posterior.process(draws[k]) for k in np.unique(picked)]


def _posterior(X: np.ndarray, z: Tensor, groups: np.ndarray, extra: Tensor) -> _Posterior:
    return _Posterior(torch.as_tensor(X), z, torch.as_tensor(groups), extra)
