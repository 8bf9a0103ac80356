"""The deep kernel with a learned mean: what does the history expect of a configuration?

Letters beside those of gp.py: M members of the ensemble, computed side by side; h hidden units;
f features; c context columns.
"""

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
    """What the kernel needs of configurations.

    Attributes:
        mean: (M, ..., n).
        phi: (M, ..., n, f).
        plain: (M, ..., n, d).
    """

    mean: Tensor
    phi: Tensor
    plain: Tensor

    def rows(self, start: int, stop: int | None) -> Features:
        """Those of some of the configurations."""
        s = slice(start, stop)
        return Features(self.mean[..., s], self.phi[..., s, :], self.plain[..., s, :])


class DeepKernel(nn.Module):
    """An ensemble of networks, each with h = MLP(x, z), mean mu(h), features phi(h), and a kernel.

    k(x, x') = s1 Matern52(phi, phi') + s2 Matern52_ARD(x, x') + c. The plain term keeps structure
    that the history lacks; the constant absorbs a new task's offset. (FSBO, Wistuba and Grabocka
    2021, has the first term alone, no learned mean and one member. Where members disagree nothing
    is known: Lakshminarayanan et al. 2017.)
    """

    def __init__(self, *, members: int, n_context: int, groups: Tensor) -> None:
        """Draw initial weights, the same every time.

        Args:
            members: M.
            n_context: Descriptor columns, c.
            groups: Parameter of each encoded column, (d,) in 0..p-1; columns of one share an ARD
                length scale.
        """
        super().__init__()
        width = len(groups)
        draws = torch.Generator().manual_seed(0)  # torch's own is the program's
        self.weights = nn.ParameterList()
        self.biases = nn.ParameterList()
        for fan_in, fan_out in (
            (width + n_context, _HIDDEN), (_HIDDEN, _HIDDEN), (_HIDDEN, 1 + _FEATURES),
        ):  # fmt: skip
            bound = 1.0 / math.sqrt(fan_in)
            self.weights.append(nn.Parameter(_uniform((members, fan_in, fan_out), bound, draws)))
            self.biases.append(nn.Parameter(_uniform((members, 1, fan_out), bound, draws)))
        p = int(groups.max()) + 1
        # The start: a plain kernel that is smooth over the cube whatever its dimension.
        start = math.log(0.3) + 0.5 * math.log(p)
        self.log_length = nn.Parameter(torch.full((members, p), start))
        self.log_scales = nn.Parameter(torch.tensor([[0.0, -1.5, -1.5, -3.5]]).repeat(members, 1))
        self.groups: Tensor
        self.register_buffer("groups", groups)

    @property
    def members(self) -> int:
        """M."""
        return len(self.log_scales)

    def features(self, X: Tensor, context: Tensor, extra: Tensor | None = None) -> Features:
        """Features of encoded configurations.

        Args:
            X: (n, d) for all members, or (M, ..., n, d), in [0, 1].
            context: (n, c) or (M, ..., n, c) standardised descriptors, 0 where unknown.
            extra: (n, e) columns that the history lacks, already divided by a length scale; the
                networks cannot see them, the plain kernel does.
        """
        batch = X.shape[1:-1] if X.dim() > 2 else X.shape[:1]
        h = torch.cat([2.0 * X - 1.0, context], dim=-1)
        h = h.reshape(len(X), -1, h.shape[-1]) if X.dim() > 2 else h.expand(self.members, -1, -1)
        for k, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            h = torch.baddbmm(bias, h, weight)
            if k < len(self.weights) - 1:
                h = nn.functional.silu(h)
        h = h.reshape(self.members, *batch, -1)
        inverse = torch.exp(-self.log_length)[:, self.groups]
        plain = X * inverse.reshape(self.members, *[1] * len(batch), -1)
        if extra is not None:
            plain = torch.cat([plain, extra.expand(self.members, *extra.shape)], dim=-1)
        return Features(h[..., 0], h[..., 1:], plain)

    def kernel(self, a: Features, b: Features) -> Tensor:
        """Covariance of noise-free scores, (M, ..., n, m)."""
        scales = torch.exp(self.log_scales)
        deep, plain, constant, _ = (s.reshape(-1, *[1] * (a.mean.dim())) for s in scales.unbind(-1))
        return (
            deep * matern52(squared_distance(a.phi, b.phi))
            + plain * matern52(squared_distance(a.plain, b.plain))
            + constant
        )

    def noisy_kernel(self, a: Features) -> Tensor:
        """Covariance of observations, (M, ..., n, n)."""
        noise = self.noise.reshape(-1, *[1] * a.mean.dim())
        return self.kernel(a, a) + noise * torch.eye(a.mean.shape[-1], dtype=noise.dtype)

    @property
    def prior_variance(self) -> Tensor:
        """Variance of a noise-free score before any observation, (M,)."""
        return torch.exp(self.log_scales[:, :3]).sum(-1)

    @property
    def noise(self) -> Tensor:
        """Variance of an observation's noise, (M,)."""
        return torch.exp(self.log_scales[:, 3]) + _MIN_NOISE


def _uniform(shape: tuple[int, ...], bound: float, draws: torch.Generator) -> Tensor:
    return torch.empty(shape).uniform_(-bound, bound, generator=draws)
