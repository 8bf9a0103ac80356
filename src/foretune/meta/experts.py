"""Who predicts the new task's scores? The history's networks, and the task's own process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from foretune.meta.gp import cholesky, condition, leave_one_out, log_density, log_ei
from foretune.meta.network import DeepKernel, Features
from foretune.meta.normalise import Scale
from foretune.meta.placing import SpreadPrior, place, place_by_quantiles
from foretune.meta.target import TargetGP, fit_target


@dataclass(frozen=True)
class Inputs:
    """One set of configurations as the experts see it.

    Attributes:
        history: (n, d) on the history's scale; context: (n, c) descriptors.
        extra: (n, e) what the history lacks, divided by a length scale.
        own: (n, d') on the study's own scale, where its ranges are [0, 1].
    """

    history: np.ndarray
    context: np.ndarray
    extra: np.ndarray
    own: np.ndarray

    def __add__(self, other: Inputs) -> Inputs:
        """Both sets, one after the other."""
        pairs = zip(
            (self.history, self.context, self.extra, self.own),
            (other.history, other.context, other.extra, other.own),
            strict=True,
        )
        return Inputs(*(np.concatenate(pair) for pair in pairs))


class Expert(Protocol):
    """Predicts scores in the new task's own units."""

    scale: Scale

    def log_ei(self, inputs: Inputs) -> Tensor:
        """Log expected improvement over the best observation, in score units, (q,)."""
        ...

    def predict(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Mean and variance of the noise-free score on the expert's inner scale, (q,) each."""
        ...

    def leave_one_out(self) -> tuple[np.ndarray, np.ndarray]:
        """Predicted score (inner scale) and log density of each observation given the others."""
        ...


@dataclass(frozen=True)
class HistoryExpert:
    """One meta-trained network, placed and conditioned on the new task's trials."""

    network: DeepKernel
    scale: Scale
    features: Features
    L: Tensor
    u: Tensor
    n: int

    @classmethod
    def fit(
        cls,
        network: DeepKernel,
        *,
        observed: Inputs,
        y: np.ndarray,
        running: Inputs,
        prior: SpreadPrior,
        by_map: bool,
    ) -> HistoryExpert:
        """Place the observations ``y`` (n,), then believe the running trials' predicted outcomes."""
        features = _features(network, observed)
        L = _factor(network, features)
        scale = place(features, L, y, prior) if by_map else place_by_quantiles(y)
        u = torch.from_numpy(scale.apply(y))
        expert = cls(network, scale, features, L, u, len(y))
        if not len(running.own):
            return expert
        believed, _ = expert.predict(running)
        features = _features(network, observed + running)
        return cls(
            network, scale, features, _factor(network, features), torch.cat([u, believed]), len(y)
        )

    def predict(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """See `Expert`."""
        query = _features(self.network, inputs)
        change, variance = condition(
            L=self.L, residual=self.u - self.features.mean,
            cross=self.network.kernel(self.features, query),
            prior_variance=self.network.prior_variance,
        )  # fmt: skip
        return query.mean + change, variance

    def log_ei(self, inputs: Inputs) -> Tensor:
        """See `Expert`."""
        mean, variance = self.predict(inputs)
        best = float(self.u.max())
        return log_ei(mean, variance.sqrt(), best) + float(np.log(self.scale.spread))

    def leave_one_out(self) -> tuple[np.ndarray, np.ndarray]:
        """See `Expert`."""
        n, residual = self.n, self.u - self.features.mean
        mean, variance = leave_one_out(self.L[:n, :n], residual[:n])
        u = self.u[:n]
        # du/dy is 1 / spread, and smaller by -1 / u_raw in the compressed tail.
        jacobian = np.log(self.scale.spread) + np.maximum(-u.numpy() - 1.0, 0.0)
        predicted = mean + self.features.mean[:n]
        return predicted.numpy(), log_density(u, predicted, variance).numpy() - jacobian


@dataclass(frozen=True)
class TargetExpert:
    """The process that knows the new task's own trials alone."""

    gp: TargetGP
    scale: Scale
    z: Tensor
    n: int

    @classmethod
    def fit(
        cls,
        *,
        observed: Inputs,
        y: np.ndarray,
        running: Inputs,
        groups: np.ndarray,
        start: Tensor | None,
        steps: int | None = None,
    ) -> TargetExpert:
        """Fit to the observations ``y`` (n,), then believe the running trials' outcomes."""
        spread = float(y.std())
        scale = Scale(float(y.mean()), spread if spread > 0 else 1.0)
        z = (y - scale.location) / scale.spread
        gp = fit_target(observed.own, z, groups, start=start, steps=steps)
        if len(running.own):
            believed, _ = gp.predict(running.own)
            gp = gp.extended(running.own, believed)
        return cls(gp, scale, torch.from_numpy(z), len(y))

    def predict(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """See `Expert`."""
        return self.gp.predict(inputs.own)

    def log_ei(self, inputs: Inputs) -> Tensor:
        """See `Expert`."""
        mean, variance = self.predict(inputs)
        best = float(self.gp.z.max())
        return log_ei(mean, variance.sqrt(), best) + float(np.log(self.scale.spread))

    def leave_one_out(self) -> tuple[np.ndarray, np.ndarray]:
        """See `Expert`."""
        mean, variance = leave_one_out(self.gp.L[: self.n, : self.n], self.z)
        density = log_density(self.z, mean, variance).numpy() - np.log(self.scale.spread)
        return mean.numpy(), density


def _features(network: DeepKernel, inputs: Inputs) -> Features:
    return network.features(
        torch.from_numpy(inputs.history),
        torch.from_numpy(inputs.context),
        torch.from_numpy(inputs.extra),
    )


def _factor(network: DeepKernel, features: Features) -> Tensor:
    K = network.kernel(features, features)
    return cholesky(K + network.noise * torch.eye(K.shape[-1], dtype=K.dtype))
