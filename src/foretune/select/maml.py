"""How well does a head that was meta-trained to learn in a few steps learn the task?

The head is linear on an embedding. Features of one model are brought to a common form: centred, the
spectrum flattened by a power, mean squared length 1. In the dual, with K = X X' of n support rows,
the weights are X' A and A (n, C) takes the steps:

    A <- exp(log_start) (Y - mean(Y)) / n                    the start: class means, to a scale
    A <- (1 - decay) A - rate (softmax(K A + b) - Y) / n     an inner step
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from foretune.select.shown import Judged, Shown
from foretune.select.support import Support

STEPS = 5
_QUANTILES = (0.1, 0.9)
_DIVISIONS = 12  # halves of the support set that the score is a mean of
_BATCH = 4  # tasks a meta-step
_MOST_ROWS = 64  # of a support set in meta-training
_TINY = 1e-9


@dataclass(frozen=True)
class HeadStart:
    """What is meta-learned of a head's start and of its steps.

    Attributes:
        log_start: Logarithm of the class means' scale.
        log_rate: Logarithm of the inner steps' rate.
        decay: Share of the weights that a step takes off.
        flatten: 0 leaves the spectrum of the features as it is, 1 makes it flat.
    """

    log_start: float = 2.0
    log_rate: float = 1.0
    decay: float = 0.05
    flatten: float = 0.3


def meta_train(
    supports: Sequence[Support], *, rate: float = 1e-3, iterations: int = 1000, seed: int = 0
) -> HeadStart:
    """First-order MAML (Finn et al. 2017) on support sets of past tasks, of any models.

    A meta-step halves a few of them, takes the inner steps on one half and descends the loss of
    the other; the inner gradients count as constants. The meta-parameters are few and of the size
    of 1, so the steps are ten times ``rate``.

    Args:
        supports: Of past tasks; none: the start as it is.
        rate: Meta learning rate.
        iterations: Meta-steps.
        seed: Draws the tasks and the halves.
    """
    theta = _to_tensor(HeadStart())
    if not supports:
        return HeadStart()
    rng = np.random.default_rng([seed, 7])
    spectra = [_Spectrum.of(_part(support, rng)) for support in supports]
    optimiser = torch.optim.Adam([theta], lr=10 * rate)
    for _ in range(iterations):
        loss = torch.zeros((), dtype=torch.float64)
        for k in rng.integers(len(spectra), size=_BATCH):
            loss = loss + _query_loss(spectra[k], theta, rng)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return _from_tensor(theta)


def maml(shown: Shown, start: HeadStart | None = None) -> dict[str, Judged]:
    """Mean log-likelihood of held-out halves after a few steps from the meta-trained start.

    Args:
        shown: The task and its models.
        start: From `meta_train`; None: as it comes.

    Returns:
        Of each model the mean over divisions of the support set, and their quantiles.
    """
    theta = _to_tensor(start or HeadStart())
    judged = {}
    for name, support in shown.supports.items():
        spectrum = _Spectrum.of(support)
        with torch.no_grad():
            losses = [
                float(_query_loss(spectrum, theta, shown.rng(11, k))) for k in range(_DIVISIONS)
            ]
        low, high = np.quantile([-v for v in losses], _QUANTILES)
        score = -float(np.mean(losses))
        judged[name] = Judged(score, min(float(low), score), max(float(high), score))
    return judged


def adapted_head(
    features: np.ndarray, targets: np.ndarray, n_outputs: int, start: HeadStart | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """A linear classifier after the inner steps: what a fine-tuning of few rows can start from.

    Args:
        features: (n, D).
        targets: Class ids from 0 to ``n_outputs`` - 1, (n,); a class may have no row.
        n_outputs: Classes, C.
        start: From `meta_train`.

    Returns:
        Weights (C, D) and biases (C,) on the features as they were given.
    """
    own = start or HeadStart()
    mean = features.mean(0)
    X = features - mean
    U, s, Vt = np.linalg.svd(X, full_matrices=False)
    kept = s > _TINY * max(s[0], _TINY)
    U, s, Vt = U[:, kept], s[kept], Vt[kept]
    scaled = s ** (1 - own.flatten)
    scaled = scaled * math.sqrt(len(X) / max((scaled**2).sum(), _TINY))
    Y = (targets[:, None] == np.arange(n_outputs)).astype(np.float64)
    K = torch.from_numpy((U * scaled**2) @ U.T)
    with torch.no_grad():
        A, b = _adapt(K, torch.from_numpy(Y), _to_tensor(own), is_class=True)
    weight = (Vt.T * (scaled / s)) @ ((U * scaled).T @ A.numpy())
    return weight.T, b.numpy() - mean @ weight


@dataclass(frozen=True, eq=False)
class _Spectrum:
    """A support set by its left singular vectors (n, r) and singular values (r,)."""

    U: Tensor
    s: Tensor
    Y: Tensor
    is_class: bool

    @classmethod
    def of(cls, support: Support) -> _Spectrum:
        X = support.features - support.features.mean(0)
        U, s, _ = np.linalg.svd(X, full_matrices=False)
        kept = s > _TINY * max(s[0], _TINY)
        y = support.targets.astype(np.float64)
        Y = support.indicators() if support.is_class else ((y - y.mean()) / y.std())[:, None]
        return cls(
            torch.from_numpy(U[:, kept]),
            torch.from_numpy(s[kept]),
            torch.from_numpy(Y),
            support.is_class,
        )

    def kernel(self, flatten: Tensor) -> Tensor:
        scaled = self.s ** (1 - flatten)
        square = scaled**2
        square = square * (len(self.U) / square.sum().clamp_min(_TINY))
        return (self.U * square) @ self.U.T


def _part(support: Support, rng: np.random.Generator) -> Support:
    """At most ``_MOST_ROWS`` observations; words and tokens are many."""
    rows = np.sort(rng.permutation(len(support.targets))[:_MOST_ROWS])
    return support.part(rows) or support


def _query_loss(spectrum: _Spectrum, theta: Tensor, rng: np.random.Generator) -> Tensor:
    """Loss of one half of the rows after the steps on the other, and the other way round."""
    K = spectrum.kernel(theta[3].clamp(0.0, 1.0))
    order = torch.from_numpy(rng.permutation(len(K)))
    half = len(order) // 2
    total = torch.zeros((), dtype=torch.float64)
    for inner, query in ((order[:half], order[half:]), (order[half:], order[:half])):
        Y = spectrum.Y[inner]
        A, b = _adapt(K[inner][:, inner], Y, theta, is_class=spectrum.is_class)
        output = K[query][:, inner] @ A + b
        if spectrum.is_class:
            total = total - (torch.log_softmax(output, 1) * spectrum.Y[query]).sum(1).mean()
        else:
            total = total + 0.5 * ((output - spectrum.Y[query]) ** 2).mean()
    return total / 2


def _adapt(K: Tensor, Y: Tensor, theta: Tensor, *, is_class: bool) -> tuple[Tensor, Tensor]:
    """A (n, C) and b (C,) after the inner steps; gradients do not pass through the steps' own."""
    n = len(Y)
    mean = Y.mean(0)
    A = theta[0].exp() * (Y - mean) / n
    b = torch.log(mean.clamp_min(0.5 / n)) if is_class else mean
    for _ in range(STEPS):
        with torch.no_grad():
            output = K @ A + b
            error = (torch.softmax(output, 1) if is_class else output) - Y
        A = (1 - theta[2].clamp(0.0, 1.0)) * A - theta[1].exp() * error / n
    return A, b


def _to_tensor(start: HeadStart) -> Tensor:
    values = [start.log_start, start.log_rate, start.decay, start.flatten]
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def _from_tensor(theta: Tensor) -> HeadStart:
    log_start, log_rate, decay, flatten = theta.detach().tolist()
    return HeadStart(log_start, log_rate, min(max(decay, 0.0), 1.0), min(max(flatten, 0.0), 1.0))
