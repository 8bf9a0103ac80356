"""Who predicts the new task's scores? The history's networks, and the task's own process."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from foretune.meta.gp import cholesky, condition, leave_one_out, log_ei
from foretune.meta.network import DeepKernel, Features
from foretune.meta.normalise import Scale, normalise
from foretune.meta.placing import SpreadPrior, place, place_by_quantiles
from foretune.meta.target import TargetGP, alternatives, process

_MIN_FOR_QUANTILES = 20  # observations: the 90 % quantile is then more than the best of a few


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
    """Predicts scores of the new task."""

    @property
    def name(self) -> str:
        """``history`` or ``target``: what the expert knows."""
        ...

    def log_ei(self, inputs: Inputs, over: float | None = None) -> Tensor:
        """Log expected improvement in score units, (q,), over a score or the best observation."""
        ...

    def predict(self, inputs: Inputs, quantiles: np.ndarray) -> np.ndarray:
        """Scores at standard normal quantiles (k,) of what would be observed, (k, q)."""
        ...

    def leave_one_out(self) -> np.ndarray:
        """Each observation predicted from all others, on an inner scale, (n,)."""
        ...


@dataclass(frozen=True)
class HistoryExpert:
    """The meta-trained networks, each placed and conditioned on the new task's trials.

    Attributes:
        network: The ensemble of M.
        scales: Where each member places the task, M of them.
        features: Of the observed, then the running configurations, n in all.
        L: Cholesky factors, (M, n, n).
        u: Placed scores, observed then believed, (M, n).
        n_observed: How many of them were observed.
        sure: (n,) which of them are no mere prediction of a stopped trial.
    """

    network: DeepKernel
    scales: tuple[Scale, ...]
    features: Features
    L: Tensor
    u: Tensor
    n_observed: int
    sure: np.ndarray
    name = "history"

    @classmethod
    def fit(
        cls,
        network: DeepKernel,
        *,
        observed: Inputs,
        y: np.ndarray,
        doubt: np.ndarray,
        running: Inputs,
        prior: SpreadPrior,
        by_map: bool,
    ) -> HistoryExpert:
        """Place the observations ``y`` (n,), then believe the running trials' outcomes.

        ``doubt`` (n,) is each observation's own standard deviation. In placed units it depends on
        the scale that is looked for: the scale is found by what past tasks' scale makes of it.
        """
        features = _features(network, observed)
        K = network.noisy_kernel(features)
        if by_map:
            usual = torch.from_numpy((doubt / np.exp(prior.log_mean)) ** 2)
            pairs = zip(features.mean, cholesky(K + torch.diag(usual)), strict=True)
            scales = tuple(place(mean, factor, y, prior) for mean, factor in pairs)
        else:
            scales = (place_by_quantiles(y),) * network.members
        u = torch.from_numpy(np.stack([scale.apply(y) for scale in scales]))
        noise = torch.from_numpy(np.stack([_spread(scale, y, doubt) for scale in scales]) ** 2)
        L = cholesky(K + torch.diag_embed(noise))
        sure = doubt <= 0 if (doubt <= 0).any() else np.ones(len(y), bool)
        expert = cls(network, scales, features, L, u, len(y), sure)
        if not len(running.own):
            return expert
        believed, _ = expert._posterior(running)
        both = _features(network, observed + running)
        noise = torch.nn.functional.pad(noise, (0, len(running.own)))
        L = cholesky(network.noisy_kernel(both) + torch.diag_embed(noise))
        sure = np.append(sure, np.ones(len(running.own), bool))
        return cls(network, scales, both, L, torch.cat([u, believed], -1), len(y), sure)

    def _posterior(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Mean and variance of the noise-free placed score, (M, q) each."""
        query = _features(self.network, inputs)
        change, variance = condition(
            L=self.L, residual=self.u - self.features.mean,
            cross=self.network.kernel(self.features, query),
            prior_variance=self.network.prior_variance[:, None],
        )  # fmt: skip
        return query.mean + change, variance

    def log_ei(self, inputs: Inputs, over: float | None = None) -> Tensor:
        """See `Expert`: the members' mean."""
        mean, variance = self._posterior(inputs)
        best = self.u[:, self.sure].max(-1, keepdim=True).values
        if over is not None:
            placed = [scale.apply(np.array([over])) for scale in self.scales]
            best = torch.from_numpy(np.stack(placed))
        spreads = torch.tensor([[s.spread] for s in self.scales], dtype=torch.float64)
        each = log_ei(mean, variance.sqrt(), best) + spreads.log()
        return torch.logsumexp(each, 0) - math.log(len(self.scales))

    def predict(self, inputs: Inputs, quantiles: np.ndarray) -> np.ndarray:
        """See `Expert`: of the moment-matched mixture of the members."""
        mean, variance = (t.numpy() for t in self._posterior(inputs))
        noise = self.network.noise.numpy()[:, None]
        centre = mean.mean(0)
        sd = np.sqrt((variance + noise + mean**2).mean(0) - centre**2)
        bounds = centre + quantiles[:, None] * sd
        return np.mean([scale.undo(bounds) for scale in self.scales], axis=0)

    @property
    def expected(self) -> np.ndarray:
        """What the networks expect of the observed configurations before any trial, (n,)."""
        return self.features.mean[:, : self.n_observed].mean(0).numpy()

    def leave_one_out(self) -> np.ndarray:
        """See `Expert`: the members' mean."""
        n = self.n_observed
        residual = (self.u - self.features.mean)[:, :n]
        pairs = zip(self.L, residual, strict=True)
        change = torch.stack([leave_one_out(L[:n, :n], r)[0] for L, r in pairs])
        return (change + self.features.mean[:, :n]).mean(0).numpy()


@dataclass(frozen=True)
class Standard:
    """The new task's own scores, standardised.

    Attributes:
        scale: Compresses the left tail, where there are enough to know it.
        centre, deviation: Of the scores on that scale.
        z: Standardised scores, (n,).
        extra: Variance that each has beside the process's noise, (n,).
    """

    scale: Scale
    centre: float
    deviation: float
    z: np.ndarray
    extra: np.ndarray

    @classmethod
    def of(cls, y: np.ndarray, doubt: np.ndarray) -> Standard:
        """Of scores ``y`` (n,), of which each has a standard deviation, 0 where measured, (n,)."""
        scale = Scale(float(y.mean()), float(np.ptp(y)) or 1.0)  # so wide that it compresses none
        if len(y) >= _MIN_FOR_QUANTILES:
            scale = normalise(y)[1]
        u = scale.apply(y)
        centre, deviation = float(u.mean()), float(u.std()) or 1.0
        extra = (_spread(scale, y, doubt) / deviation) ** 2
        return cls(scale, centre, deviation, (u - centre) / deviation, extra)


@dataclass(frozen=True)
class TargetExpert:
    """The processes that know the new task's own trials alone: the best fit, and other draws."""

    gps: tuple[TargetGP, ...]
    standard: Standard
    n_observed: int
    sure: np.ndarray
    name = "target"

    @classmethod
    def fit(
        cls,
        *,
        observed: Inputs,
        y: np.ndarray,
        doubt: np.ndarray,
        running: Inputs,
        groups: np.ndarray,
        fitted: Tensor,
        rng: np.random.Generator,
    ) -> TargetExpert:
        """Condition on the observations ``y`` (n,), then believe the running trials' outcomes.

        Args:
            observed: Scored configurations, (n,).
            y: Their scores, higher is better, (n,).
            doubt: Standard deviations of these, 0 where measured, (n,).
            running: Configurations whose outcome is not known yet.
            groups: Parameter of each of ``own``'s columns.
            fitted: The process's parameters.
            rng: Draws the other processes.
        """
        standard = Standard.of(y, doubt)
        best = process(observed.own, standard.z, groups, fitted, extra=standard.extra)
        gps = [best, *alternatives(best, observed.own, groups, rng)]
        if len(running.own):
            gps = [gp.extended(running.own, gp.predict(running.own)[0]) for gp in gps]
        sure = doubt <= 0 if (doubt <= 0).any() else np.ones(len(y), bool)
        sure = np.append(sure, np.ones(len(running.own), bool))
        return cls(tuple(gps), standard, len(y), sure)

    def log_ei(self, inputs: Inputs, over: float | None = None) -> Tensor:
        """See `Expert`: the processes' mean."""
        own, each = self.standard, []
        placed = None
        if over is not None:
            u = own.scale.apply(np.array([over]))
            placed = torch.from_numpy((u - own.centre) / own.deviation)
        for gp in self.gps:
            mean, variance = gp.predict(inputs.own)
            best = gp.z[self.sure].max() if placed is None else placed
            each.append(log_ei(mean, variance.sqrt(), best))
        unit = own.scale.spread * own.deviation
        return torch.logsumexp(torch.stack(each), 0) + math.log(unit / len(each))

    def predict(self, inputs: Inputs, quantiles: np.ndarray) -> np.ndarray:
        """See `Expert`: by the best fit."""
        gp = self.gps[0]
        mean, variance = gp.predict(inputs.own)
        sd = (variance + gp.noise).sqrt().numpy()
        z = mean.numpy() + quantiles[:, None] * sd
        return self.standard.scale.undo(self.standard.centre + self.standard.deviation * z)

    def leave_one_out(self) -> np.ndarray:
        """See `Expert`: by the best fit."""
        gp, n = self.gps[0], self.n_observed
        return leave_one_out(gp.L[:n, :n], gp.z[:n])[0].numpy()


def _features(network: DeepKernel, inputs: Inputs) -> Features:
    return network.features(
        torch.from_numpy(inputs.history),
        torch.from_numpy(inputs.context),
        torch.from_numpy(inputs.extra),
    )


def _spread(scale: Scale, y: np.ndarray, doubt: np.ndarray) -> np.ndarray:
    """Standard deviations (n,) of scores ``y`` (n,) on a scale, where its tail is compressed."""
    return (scale.apply(y + doubt) - scale.apply(y - doubt)) / 2.0
