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
_FIT_STEPS = 30


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
    """

    X: Tensor
    z: Tensor
    L: Tensor
    inverse_length: Tensor
    scale: float
    noise: float
    log_params: Tensor

    def predict(self, Q: np.ndarray) -> tuple[Tensor, Tensor]:
        """Posterior mean and variance of the standardised score at ``Q`` (q, d)."""
        cross = self.scale * matern52(
            squared_distance(self.X, torch.as_tensor(Q) * self.inverse_length)
        )
        return condition(
            L=self.L, residual=self.z, cross=cross, prior_variance=torch.tensor(self.scale)
        )

    def extended(self, Q: np.ndarray, z: Tensor) -> TargetGP:
        """The same process with more observations ``z`` (q,) at ``Q`` (q, d), not fitted anew."""
        X = torch.cat([self.X, torch.as_tensor(Q) * self.inverse_length])
        K = self.scale * matern52(squared_distance(X, X))
        L = cholesky(K + self.noise * torch.eye(len(X), dtype=torch.float64))
        return replace(self, X=X, z=torch.cat([self.z, z]), L=L)


def fit_target(
    X: np.ndarray,
    z: np.ndarray,
    groups: np.ndarray,
    *,
    start: Tensor | None = None,
    steps: int | None = None,
) -> TargetGP:
    """Fit by maximum a posteriori.

    Args:
        X: Encoded configurations in [0, 1], (n, d).
        z: Standardised scores, higher is better, (n,).
        groups: Parameter of each column, (d,) in 0..p-1; columns of one share a length scale.
        start: ``log_params`` of an earlier fit on the same columns, if any.
        steps: At most this many optimiser steps; None: enough; 0: ``start`` as it is.
    """
    p = int(groups.max()) + 1 if len(groups) else 0
    columns = torch.as_tensor(groups)
    Xt, zt = torch.as_tensor(X), torch.as_tensor(z)
    length_mean = 0.5 * math.log(max(p, 1)) - 0.7
    prior_mean = torch.tensor([length_mean] * p + [0.0, _NOISE_LOG_MEAN], dtype=torch.float64)
    prior_sd = torch.tensor(
        [_LENGTH_LOG_SD] * p + [_SCALE_LOG_SD, _NOISE_LOG_SD], dtype=torch.float64
    )
    eye = torch.eye(len(z), dtype=torch.float64)

    def factor(v: Tensor) -> tuple[Tensor, Tensor]:
        inverse = torch.exp(-v[:p])[columns]
        scaled = Xt * inverse
        K = torch.exp(v[p]) * matern52(squared_distance(scaled, scaled))
        return cholesky(K + (torch.exp(v[p + 1]) + _MIN_NOISE) * eye), inverse

    def loss(v: Tensor) -> Tensor:
        prior = 0.5 * ((v - prior_mean) / prior_sd).square().sum()
        return prior - log_marginal_likelihood(factor(v)[0], zt)

    v = prior_mean if start is None else start
    if steps != 0:
        v = minimise(loss, v, max_steps=_FIT_STEPS if steps is None else steps)
    with torch.no_grad():
        L, inverse = factor(v)
    return TargetGP(
        X=Xt * inverse, z=zt, L=L, inverse_length=inverse, scale=float(torch.exp(v[p])),
        noise=float(torch.exp(v[p + 1])) + _MIN_NOISE, log_params=v,
    )  # fmt: skip
