"""Which configurations does a record run on a task? Defaults, random ones, its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from optuna.study import Study
from optuna.trial import FrozenTrial

from foretune.core import derive_seed
from foretune.search.points import Candidates
from foretune.space import Point, Space, point_key
from foretune.space.build import MODEL

KEPT_SHARE = 0.5  # of the default's values in every second point (taste)


def planned_points(space: Space, counts: Mapping[str, int], seed: int) -> list[Point]:
    """The defaults of the models, then ``counts`` random points of each in a shuffled order.

    Every second one is drawn around its model's default.

    Tasks with the same space get the same points in the same order, which is what makes a
    configuration's rank on one task comparable with its rank on another.
    """
    points = [dict(point) for point in space.defaults]
    points += _shuffled(space, counts, seed)
    return list({point_key(point): point for point in points}.values())


def own_points(space: Space, counts: Mapping[str, int], seed: int, task: str) -> list[Point]:
    """As many random points of each model as ``counts`` says, which no other task gets.

    Configurations that every task has tried say how they rank from task to task; those of one task
    alone say what there is between them.
    """
    return _shuffled(space, counts, derive_seed(seed, "own", task))


def _shuffled(space: Space, counts: Mapping[str, int], seed: int) -> list[Point]:
    drawn = [_drawn(space, model, seed, k) for model, n in counts.items() for k in range(n)]
    order = np.random.default_rng(derive_seed(seed, "order")).permutation(len(drawn))
    return [drawn[k] for k in order]


def listed(points: list[Point]) -> Candidates:
    """The points as `PointSampler` takes them: it passes over those that the study holds."""

    def candidates(study: Study, trial: FrozenTrial) -> Iterator[Point]:
        yield from points

    return candidates


def _drawn(space: Space, model: str, seed: int, number: int) -> Point:
    """The first random point of that model; of every second one a part is the default's.

    Of evenly drawn points most do not learn at all in a short trial, and few come near a good
    default: what there is to be won lies between the two.
    """
    rng = np.random.default_rng(derive_seed(seed, "record", model, number))
    point = space.sample(rng)
    while point[MODEL] != model:
        point = space.sample(rng)
    if number % 2:
        default = next(point for point in space.defaults if point[MODEL] == model)
        kept = {name: value for name, value in default.items() if rng.random() < KEPT_SHARE}
        point = space.complete({**point, **kept})
    return point
