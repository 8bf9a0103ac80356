"""Which few configurations would have served the past tasks best?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from foretune.meta.codec import Codec
from foretune.meta.context import Context
from foretune.meta.gp import cholesky
from foretune.meta.network import DeepKernel, Features
from foretune.meta.price import FREE, Price
from foretune.meta.rows import distinct, row_keys
from foretune.meta.tasks import Task, Tasks

_MAX_CANDIDATES = 1500
_MOST = 0.5  # of the related tasks, by how much they count
_ROWS_AT_ONCE = 256  # kernel matrices that fit the processor's cache


@dataclass(frozen=True)
class Regressors:
    """Every past task's own regressor: the meta-trained process given all of its trials."""

    network: DeepKernel
    context: Context
    tasks: Tasks
    features: tuple[Features, ...]
    alphas: tuple[Tensor, ...]

    @classmethod
    def fit(cls, network: DeepKernel, context: Context, tasks: Tasks) -> Regressors:
        """One Cholesky factorisation a task."""
        features, alphas = [], []
        for task in tasks.tasks:
            f = _features(network, context, tasks.codec, task.raw, task)
            residual = torch.from_numpy(task.u) - f.mean
            L = cholesky(network.noisy_kernel(f))
            alphas.append(torch.cholesky_solve(residual[..., None], L)[..., 0])
            features.append(f)
        return cls(network, context, tasks, tuple(features), tuple(alphas))

    def seen(self, raw: np.ndarray, shares: np.ndarray) -> np.ndarray:
        """Those of the configurations (q, p) that most past tasks have tried; all if none is.

        Where past tasks were given the same configurations, what these came to is known. The best
        of many predictions would be one of a place where nothing alike was seen.

        Args:
            raw: Configurations.
            shares: How much each task counts, (t,), sum 1.
        """
        keys = row_keys(raw)
        tried = [set(row_keys(task.raw)) for task in self.tasks.tasks]
        by = np.array([[key in own for key in keys] for own in tried], float)
        most = shares @ by > _MOST
        return raw[most] if most.any() else raw

    def predict(self, raw: np.ndarray) -> np.ndarray:
        """Normalised score of each configuration on each past task, (t, q)."""
        parts = range(0, max(len(raw), 1), _ROWS_AT_ONCE)
        return np.concatenate([self._predict(raw[i : i + _ROWS_AT_ONCE]) for i in parts], axis=1)

    def _predict(self, raw: np.ndarray) -> np.ndarray:
        out = np.empty((len(self.alphas), len(raw)))
        described = self.context.task.names or self.context.model.names
        shared = None if described else self._query(raw, 0)
        for k, (features, alpha) in enumerate(zip(self.features, self.alphas, strict=True)):
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
    return distinct(np.unique(np.concatenate([*best, drawn]), axis=0))[: 2 * _MAX_CANDIDATES]


def greedy(
    predicted: np.ndarray,
    size: int,
    *,
    weights: np.ndarray | None = None,
    log_seconds: np.ndarray | None = None,
    threshold: float = 0.0,
    price: Price = FREE,
) -> list[int]:
    """Greedy set cover of regret: each pick lowers the mean best-so-far regret most.

    Once none lowers it by more than the threshold, those of the least own regret follow, for
    their seconds where these have a price.

    Args:
        predicted: Score of each candidate on each task, (t, c).
        size: How many to pick.
        weights: How much each task counts, (t,), sum 1; None: all the same.
        log_seconds: Of each candidate, (c,): of picks that are within ``threshold`` of the best
            in mean regret the fastest is taken; None: the best is.
        threshold: In units of a task's spread between median and best.
        price: Instead of a threshold: picks lower the regret most for their seconds.

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
        before, left = float(share @ current), share @ np.minimum(current[:, None], regret)
        if before - left.min() <= threshold:
            before, left = 1.0, share @ regret
        left[picks] = np.inf
        pick = int(left.argmin())
        if log_seconds is not None and price.kappa > 0:
            worth = np.log(np.maximum(before - left, 1e-9)) - price.log_cost(log_seconds)
            worth[picks] = -np.inf
            pick = int(np.argmax(worth))
        elif log_seconds is not None:
            near = np.flatnonzero(left <= left[pick] + threshold)
            pick = int(near[np.argmin(log_seconds[near])])
        picks.append(pick)
        current = np.minimum(current, regret[:, pick])
    return picks
