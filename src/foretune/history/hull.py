"""Which one distribution stands for a parameter whose distribution changed inside a study?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalChoiceType,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

NOWHERE = np.zeros(0)


@dataclass(frozen=True)
class Hull:
    """The distribution that holds all of some others, and how their values map into it.

    Attributes:
        distribution: Numeric: the smallest range that holds all; categorical: the union of the
            choices in order of appearance.
        codes: Per merged distribution: None where values stay as they are (numeric), else the
            new index of each of its choices; empty where it is of another kind, so that no value
            of it has a place.
    """

    distribution: BaseDistribution
    codes: tuple[np.ndarray | None, ...]


def merge_distributions(distributions: Sequence[BaseDistribution]) -> Hull:
    """The hull of ``distributions`` (at least one), of the first one's kind."""
    if isinstance(distributions[0], CategoricalDistribution):
        return _union(distributions)
    numeric = [d for d in distributions if isinstance(d, FloatDistribution | IntDistribution)]
    codes = [NOWHERE if isinstance(d, CategoricalDistribution) else None for d in distributions]
    return Hull(_range(numeric), tuple(codes))


def _union(distributions: Sequence[BaseDistribution]) -> Hull:
    union: dict[tuple[str, str], CategoricalChoiceType] = {}
    index: dict[tuple[str, str], int] = {}
    codes: list[np.ndarray | None] = []
    for distribution in distributions:
        if not isinstance(distribution, CategoricalDistribution):
            codes.append(NOWHERE)
            continue
        places = []
        for choice in distribution.choices:
            key = (type(choice).__name__, repr(choice))  # 1, 1.0 and True are different choices
            union.setdefault(key, choice)
            places.append(index.setdefault(key, len(index)))
        codes.append(np.array(places, np.float64))
    return Hull(CategoricalDistribution(tuple(union.values())), tuple(codes))


def _range(numeric: Sequence[FloatDistribution | IntDistribution]) -> BaseDistribution:
    if all(d == numeric[0] for d in numeric):
        return numeric[0]
    low, high = min(d.low for d in numeric), max(d.high for d in numeric)
    log = all(d.log for d in numeric)
    steps = {d.step for d in numeric}
    step = steps.pop() if len(steps) == 1 else None
    if step is not None and any(not _whole((d.low - low) / step) for d in numeric):
        step = None
    if all(isinstance(d, IntDistribution) for d in numeric):
        return IntDistribution(int(low), int(high), log=log, step=1 if log else int(step or 1))
    if step is not None and not _whole((high - low) / step):
        step = None
    return FloatDistribution(float(low), float(high), log=log, step=None if log else step)


def _whole(ratio: float) -> bool:
    return abs(ratio - round(ratio)) < 1e-8  # the tolerance that Optuna itself allows a step
