"""The deep kernel with a learned mean: what does the history expect of a configuration?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from foretune.meta.gp import matern52, squared_distance

_HIDDEN, _FEATURES = 64, 16
_MIN_NOISE = 1e-4


@dataclass(frozen=True)
class Features:
    """What the kernel needs of a set of configurations: mean (n,), phi (n, f), plain (n, d)."""

    mean: Tensor
    phi: Tensor
    plain: Tensor


class DeepKernel(nn.Module):
    """h = MLP(x, z); mean mu(h), features phi(h); and a kernel of three terms.

    k(x, x') = s1 Matern52(phi, phi') + s2 Matern52_ARD(x, x') + c. The plain term keeps structure
    that the history lacks; the constant absorbs a new task's offset. (FSBO, Wistuba and Grabocka
    2021, has the first term alone and no learned mean.)
    """

    def __init__(self, *, width: int, n_context: int, groups: Tensor) -> None:
        """Args: encoded columns, descriptor columns, parameter of each encoded column (width,)."""
        super().__init__()
        self.width = width
        self.body = nn.Sequential(
            nn.Linear(width + n_context, _HIDDEN), nn.SiLU(), nn.Linear(_HIDDEN, _HIDDEN), nn.SiLU()
        )
        self.mean = nn.Linear(_HIDDEN, 1)
        self.phi = nn.Linear(_HIDDEN, _FEATURES)
        p = int(groups.max()) + 1
        # The start: a plain kernel that is smooth over the cube whatever its dimension.
        self.log_length = nn.Parameter(torch.full((p,), math.log(0.3) + 0.5 * math.log(p)))
        self.log_scales = nn.Parameter(torch.tensor([0.0, -1.5, -1.5, -3.5]))
        self.groups: Tensor
        self.register_buffer("groups", groups)

    def features(self, X: Tensor, context: Tensor, extra: Tensor | None = None) -> Features:
        """Features of encoded configurations.

        Args:
            X: (..., n, width) in [0, 1].
            context: (..., n, n_context) standardised descriptors, 0 where unknown.
            extra: (..., n, e) columns that the history lacks, already divided by a length scale;
                the network cannot see them, the plain kernel does.
        """
        h = self.body(torch.cat([2.0 * X - 1.0, context], dim=-1))
        plain = X * torch.exp(-self.log_length)[self.groups]
        if extra is not None:
            plain = torch.cat([plain, extra], dim=-1)
        return Features(self.mean(h)[..., 0], self.phi(h), plain)

    def kernel(self, a: Features, b: Features) -> Tensor:
        """Covariance of noise-free scores, (..., n, m)."""
        deep, plain, constant, _ = torch.exp(self.log_scales)
        return (
            deep * matern52(squared_distance(a.phi, b.phi))
            + plain * matern52(squared_distance(a.plain, b.plain))
            + constant
        )

    @property
    def prior_variance(self) -> Tensor:
        """Variance of a noise-free score before any observation."""
        return torch.exp(self.log_scales[:3]).sum()

    @property
    def noise(self) -> Tensor:
        """Variance of an observation's noise."""
        return torch.exp(self.log_scales[3]) + _MIN_NOISE
