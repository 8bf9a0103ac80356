"""Can a planned value answer what the objective asks for? At Optuna's edge, one value at a time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial

from foretune.meta.codec import choice_key

_NUDGE = 0.02  # of a range: how far a planned number may be moved into the range asked for


def follows(
    planned: Mapping[str, Any], trial: FrozenTrial, name: str, distribution: BaseDistribution
) -> bool:
    """Whether the trial has kept to the plan so far and the plan can answer for ``name``."""
    if any(k in planned and planned[k] != v for k, v in trial.params.items()):
        return False
    if name not in planned:
        return False
    value = planned[name]
    if isinstance(distribution, CategoricalDistribution):
        return any(choice_key(c) == choice_key(value) for c in distribution.choices)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    fitted = fitting(value, distribution)
    low, high = distribution.low, distribution.high
    if distribution.log:
        gap, width = math.log(max(value, 1e-300) / fitted), math.log(high / low)
    else:
        gap, width = value - fitted, high - low
    # Rounding to the grid that is asked for is no departure from the plan.
    slack = 0.5 * (distribution.step or 0.0) if not distribution.log else 0.0
    return abs(gap) <= max(_NUDGE * width, slack) + 1e-12


def fitting(value: Any, distribution: BaseDistribution) -> Any:
    """The legal value of ``distribution`` nearest to a planned one.

    >>> fitting(7.4, IntDistribution(0, 10, step=5)), fitting(2.0, FloatDistribution(0.0, 1.0))
    (5, 1.0)
    """
    if isinstance(distribution, CategoricalDistribution):
        same = [c for c in distribution.choices if choice_key(c) == choice_key(value)]
        return same[0] if same else distribution.choices[0]
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    if distribution.single():
        return distribution.low
    legal = min(max(value, distribution.low), distribution.high)
    if distribution.step is not None and not distribution.log:
        steps = round((legal - distribution.low) / distribution.step)
        legal = min(distribution.low + steps * distribution.step, distribution.high)
    return round(legal) if isinstance(distribution, IntDistribution) else float(legal)


def same(a: object, b: object) -> bool:
    """Whether two values are one, but for the rounding of a scale and back.

    >>> same(1e-3, 0.0010000000000000002), same("adam", "sgd"), same(None, 0.5)
    (True, False, False)
    """
    if isinstance(a, int | float) and isinstance(b, int | float):
        return math.isclose(a, b, rel_tol=1e-9)
    return a == b


def mapping(value: object) -> Mapping[str, Any]:
    """A user attribute that should be a dictionary; empty where it is none."""
    return value if isinstance(value, Mapping) else {}


def numbers(value: object) -> dict[str, float]:
    """The finite numbers of a user attribute that should be a dictionary of numbers."""
    pairs = {str(k): float(v) for k, v in mapping(value).items() if isinstance(v, int | float)}
    return {k: v for k, v in pairs.items() if math.isfinite(v)}


def bounds(value: object) -> tuple[float, float]:
    """A user attribute that should be a least and a greatest score, null for none.

    >>> bounds([0, None]), bounds("anything else")
    ((0.0, inf), (-inf, inf))
    """
    if not isinstance(value, list | tuple) or len(value) != 2:
        return -math.inf, math.inf
    low, high = (v if isinstance(v, int | float) and not math.isnan(v) else None for v in value)
    low, high = -math.inf if low is None else float(low), math.inf if high is None else float(high)
    return (low, high) if low < high else (-math.inf, math.inf)
