"""Which few configurations would have served the past tasks best?"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from foretune.meta.codec import Codec
from foretune.meta.context import Context
from foretune.meta.gp import cholesky, condition
from foretune.meta.network import DeepKernel, Features
from foretune.meta.tasks import Task, Tasks

_MAX_CANDIDATES = 1500
_MAX_RELIED_UPON = 256  # configurations whose deviations are worth their time
_ROWS_AT_ONCE = 256  # kernel matrices that fit the processor's cache


@dataclass(frozen=True)
class Regressors:
    """Every past task's own regressor: the meta-trained process given all of its trials."""

    network: DeepKernel
    context: Context
    tasks: Tasks
    features: tuple[Features, ...]
    factors: tuple[Tensor, ...]
    residuals: tuple[Tensor, ...]

    @classmethod
    def fit(cls, network: DeepKernel, context: Context, tasks: Tasks) -> Regressors:
        """One Cholesky factorisation a task."""
        features = tuple(_features(network, context, tasks.codec, t.raw, t) for t in tasks.tasks)
        pairs = zip(tasks.tasks, features, strict=True)
        residuals = tuple(torch.from_numpy(task.u) - f.mean for task, f in pairs)
        factors = tuple(cholesky(network.noisy_kernel(f)) for f in features)
        return cls(network, context, tasks, features, factors, residuals)

    @cached_property
    def _alphas(self) -> list[Tensor]:
        pairs = zip(self.residuals, self.factors, strict=True)
        return [torch.cholesky_solve(r[..., None], L)[..., 0] for r, L in pairs]

    def relied_upon(self, raw: np.ndarray, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The most promising configurations, and what they may be relied upon to come to.

        That is a deviation less than what is predicted, and than a task's best: the best of many
        predictions is else one of a place where nothing alike was seen.

        Args:
            raw: Configurations, (q, p).
            shares: How much each task counts, (t,).

        Returns:
            Some of the rows, (c, p), and their scores on each past task, (t, c).
        """
        if len(raw) > _MAX_RELIED_UPON:
            hoped = shares @ self.predict(raw)
            raw = raw[np.argsort(-hoped, kind="stable")[:_MAX_RELIED_UPON]]
        out = np.empty((len(self.features), len(raw)))
        for k, (task, features) in enumerate(zip(self.tasks.tasks, self.features, strict=True)):
            query = self._query(raw, k)
            change, variance = condition(
                L=self.factors[k], residual=self.residuals[k],
                cross=self.network.kernel(features, query),
                prior_variance=self.network.prior_variance[:, None],
            )  # fmt: skip
            mean = query.mean + change
            sd = (variance.mean(0) + mean.var(0, correction=0)).sqrt()
            out[k] = (mean.mean(0).clamp(max=float(task.u.max())) - sd).numpy()
        return raw, out

    def predict(self, raw: np.ndarray) -> np.ndarray:
        """Normalised score of each configuration on each past task, (t, q)."""
        parts = range(0, max(len(raw), 1), _ROWS_AT_ONCE)
        return np.concatenate([self._predict(raw[i : i + _ROWS_AT_ONCE]) for i in parts], axis=1)

    def _predict(self, raw: np.ndarray) -> np.ndarray:
        out = np.empty((len(self.features), len(raw)))
        described = self.context.task.names or self.context.model.names
        shared = None if described else self._query(raw, 0)
        for k, (features, alpha) in enumerate(zip(self.features, self._alphas, strict=True)):
            query = shared if shared is not None else self._query(raw, k)
            change = (alpha[:, None] @ self.network.kernel(features, query))[:, 0]
            out[k] = (query.mean + change).mean(0).numpy()
        return out

    def _query(self, raw: np.ndarray, task: int) -> Features:
        return _features(self.network, self.context, self.tasks.codec, raw, self.tasks.tasks[task])


def _features(
    network: DeepKernel, context: Context, codec: Codec, raw: np.ndarray, task: Task
) -> Features:
    rows = context.rows(raw, codec, task=task.descriptors, models=task.models)
    return network.features(torch.from_numpy(codec.encode(raw)), torch.from_numpy(rows))


def candidates(tasks: Tasks, rng: np.random.Generator) -> np.ndarray:
    """The same candidates for all tasks: each task's best, then others at random, (c, p)."""
    share = max(1, _MAX_CANDIDATES // (2 * len(tasks.tasks)))
    best = [t.raw[np.argsort(-t.u, kind="stable")[:share]] for t in tasks.tasks]
    pool = np.concatenate([t.raw for t in tasks.tasks])
    drawn = pool[rng.permutation(len(pool))[: _MAX_CANDIDATES // 2]]
    return np.unique(np.concatenate([*best, drawn]), axis=0)[: 2 * _MAX_CANDIDATES]


def greedy(
    predicted: np.ndarray,
    size: int,
    *,
    weights: np.ndarray | None = None,
    log_seconds: np.ndarray | None = None,
    threshold: float = 0.0,
    kappa: float = 0.0,
) -> list[int]:
    """Greedy set cover of regret: each pick lowers the mean best-so-far regret most.

    Once none lowers it by more than the threshold, those of the least own regret follow.

    Args:
        predicted: Score of each candidate on each task, (t, c).
        size: How many to pick.
        weights: How much each task counts, (t,), sum 1; None: all the same.
        log_seconds: Of each candidate, (c,): of picks that are within ``threshold`` of the best
            in mean regret the fastest is taken; None: the best is.
        threshold: In units of a task's spread between median and best.
        kappa: Instead of a threshold: picks lower the regret most for their seconds, to this power.

    Returns:
        Columns in the order of picking.
    """
    best = predicted.max(1, keepdims=True)
    span = np.maximum(best - np.median(predicted, 1, keepdims=True), 1e-9)
    regret = np.clip((best - predicted) / span, 0.0, 1.0)
    share = np.full(len(predicted), 1.0 / len(predicted)) if weights is None else weights
    current = np.ones(len(predicted))
    picks: list[int] = []
    for _ in range(min(size, predicted.shape[1])):
        left = share @ np.minimum(current[:, None], regret)
        if share @ current - left.min() <= threshold:
            left = share @ regret
        left[picks] = np.inf
        pick = int(left.argmin())
        if log_seconds is not None and kappa > 0:
            worth = np.log(np.maximum(share @ current - left, 1e-9)) - kappa * log_seconds
            worth[picks] = -np.inf
            pick = int(np.argmax(worth))
        elif log_seconds is not None:
            near = np.flatnonzero(left <= left[pick] + threshold)
            pick = int(near[np.argmin(log_seconds[near])])
        picks.append(pick)
        current = np.minimum(current, regret[:, pick])
    return picks
