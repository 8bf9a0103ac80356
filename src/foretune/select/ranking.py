"""Which models do the probes together put first?"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np


def rank_average(scores: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Mean normalised rank of each model over the probes, in [0, 1], 1 the best on all.

    Within a probe the worst model has 0 and the best 1; models that tie share their mean rank, so
    a probe that gives all the same, or scores one model alone, gives one half.

    Args:
        scores: Of each model each probe's score, higher is better; NaN or absent: not counted.

    Returns:
        The models in the given order; NaN for a model that no probe scored.

    >>> rank_average({"a": {"logme": -1.0, "ncm": 0.5}, "b": {"logme": -2.0, "ncm": 0.5}})
    {'a': 0.75, 'b': 0.25}
    """
    ranks: dict[str, list[float]] = {model: [] for model in scores}
    for probe in dict.fromkeys(probe for own in scores.values() for probe in own):
        given = {model: own.get(probe, math.nan) for model, own in scores.items()}
        ranked = {model: score for model, score in given.items() if not math.isnan(score)}
        for model, rank in zip(ranked, _normalised(list(ranked.values())), strict=True):
            ranks[model].append(rank)
    return {model: float(np.mean(own)) if own else math.nan for model, own in ranks.items()}


def _normalised(values: list[float]) -> list[float]:
    """Mean rank of each value among all, from 0 to 1."""
    if len(values) < 2:
        return [0.5] * len(values)
    v = np.array(values)
    below = (v[:, None] > v).sum(1)
    equal = (v[:, None] == v).sum(1) - 1
    return [float(r) for r in (below + equal / 2) / (len(v) - 1)]
