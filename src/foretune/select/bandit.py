"""Which model is best by short fine-tunes, given to the models that may still be the best one?"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from foretune.core import ModelError
from foretune.select.shown import Judged, Shown

_SPREAD, _NOISE = 0.1, 0.15  # of scores between models and between divisions, before any is seen
_INTERVAL = 1.2816  # of a normal distribution: 10 % to 90 %


def thompson(
    shown: Shown, prior: Mapping[str, Judged] | None = None, *, pulls: int = 24
) -> dict[str, Judged]:
    """Thompson sampling over short fine-tunes (Thompson 1933; Russo et al. 2018).

    Scores are normal around a model's own mean, the means normal around the prior's. Each pull
    fine-tunes the model whose drawn mean is the greatest, on the next division of the support set
    that it has not seen; divisions are the same for all models. The noise is estimated from the
    differences within models, from the start as if five differences of ``_NOISE`` had been seen.

    Args:
        shown: The task and its models, with a tuner.
        prior: What is believed beforehand, in the score's unit; None: all alike.
        pulls: Fine-tunes in all.

    Returns:
        Each model's posterior mean and interval.

    Raises:
        ModelError: There is no tuner.
    """
    if shown.tuner is None:
        raise ModelError("expected a trainer for selection=bandit, got none: choose another one")
    names = list(shown.supports)
    rng = shown.rng(13)
    mean0 = np.array([prior[n].score if prior else 0.0 for n in names])
    spread = np.array(
        [(prior[n].high - prior[n].low) / (2 * _INTERVAL) if prior else _SPREAD for n in names]
    )
    spread = np.clip(np.where(np.isfinite(spread), spread, _SPREAD), 0.02, 0.5)
    seen: list[list[float]] = [[] for _ in names]
    for _ in range(pulls):
        level = _level(seen, mean0) if prior is None else 0.0
        mean, sd = _posterior(seen, mean0 + level, spread)
        drawn = rng.normal(mean, sd)
        drawn[[k for k, own in enumerate(seen) if not own and prior is None]] = math.inf
        k = int(np.argmax(drawn))
        seen[k].append(shown.tuner.short(names[k], len(seen[k])))
    level = _level(seen, mean0) if prior is None else 0.0
    mean, sd = _posterior(seen, mean0 + level, spread)
    return {
        name: Judged(float(m), float(m - _INTERVAL * s), float(m + _INTERVAL * s))
        for name, m, s in zip(names, mean, sd, strict=True)
    }


def _level(seen: list[list[float]], mean0: np.ndarray) -> float:
    """Where scores lie on this task, if the prior says nothing of it."""
    offsets = [float(np.mean(own)) - m for own, m in zip(seen, mean0, strict=True) if own]
    return float(np.mean(offsets)) if offsets else 0.0


def _posterior(
    seen: list[list[float]], mean0: np.ndarray, spread: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean (m,) and deviation (m,) of each model's score given what was seen of it."""
    squares = sum(float(((np.array(own) - np.mean(own)) ** 2).sum()) for own in seen if own)
    free = sum(len(own) - 1 for own in seen if own)
    noise = (5 * _NOISE**2 + squares) / (5 + free)
    n = np.array([len(own) for own in seen])
    total = np.array([sum(own) for own in seen])
    precision = 1 / spread**2 + n / noise
    return (mean0 / spread**2 + total / noise) / precision, 1 / np.sqrt(precision)
