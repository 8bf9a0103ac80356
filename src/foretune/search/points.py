"""How do random search, the grid and Optuna's own samplers suggest a point at most once?

Optuna suggests one parameter at a time, so a sampler cannot tell that the whole point was tried
before. `PointSampler` draws the whole point before the first parameter is asked for, and draws
again where the study already holds it. Every draw is seeded by (seed, trial's place among those
that were not cut short), and so a search that was stopped and resumed suggests what the
uninterrupted one would have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from foretune.core import ParamValue, derive_seed
from foretune.search.distributions import distribution
from foretune.search.study import cut_short, place
from foretune.space import Grid, Parameter, Point, Space, finite_size, point_key

Candidates = Callable[[Study, FrozenTrial], Iterator[Point]]
"""Points to try in a trial, the preferred one first; ends where there is nothing more to try."""

N_DRAWS = 32  # random draws before the rest of a small space is listed (taste)
N_INNER_DRAWS = 8  # draws from a model before a random one: it insists on a point (taste)
MAX_LISTED = 2**17  # points of a space that may be listed: a second of time


class PointSampler(BaseSampler):
    """Suggests whole points of a space, each at most once while there are others.

    Args:
        candidates: Where the points come from.
        space: The space they lie in.
        seed: Seeds what `candidates` does not: parameters beside an enqueued, incomplete point.
    """

    def __init__(self, candidates: Candidates, *, space: Space, seed: int) -> None:
        self._candidates = candidates
        self._space = space
        self._seed = seed
        self._drawn: dict[int, Point] = {}

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Draw the point; its parameters are the search space."""
        visited = _visited(study, trial.number)
        point: Point = {}
        for point in self._candidates(study, trial):
            if point_key(point) not in visited:
                break
        self._drawn[trial.number] = point
        found: dict[str, BaseDistribution] = {}

        def note(parameter: Parameter) -> ParamValue:
            found[parameter.name] = distribution(parameter)
            return point[parameter.name]

        self._space.walk(note)
        return found

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, ParamValue]:
        """The point that was drawn."""
        return self._drawn.pop(trial.number)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> ParamValue:
        """A random value, for what the drawn point does not have."""
        number = place(study, trial.number)
        random = RandomSampler(derive_seed(self._seed, "independent", number, param_name))
        return random.sample_independent(study, trial, param_name, param_distribution)


def random_points(space: Space, seed: int) -> Candidates:
    """Uniform draws; after ``N_DRAWS`` of them, a small finite space in a shuffled order."""
    size = finite_size(space)

    def candidates(study: Study, trial: FrozenTrial) -> Iterator[Point]:
        rng = np.random.default_rng(derive_seed(seed, "random", place(study, trial.number)))
        for _ in range(N_DRAWS):
            yield space.sample(rng)
        if size is not None and size <= MAX_LISTED:
            grid = Grid(space)
            yield from (grid.point(int(k)) for k in rng.permutation(size))

    return candidates


def grid_points(grid: Grid, *, seed: int, shuffled: bool) -> Candidates:
    """Every point of the grid, in its order or in a seeded shuffled one, the same every time.

    Beyond ``MAX_LISTED`` points the shuffled order is that of draws with replacement, of which
    `PointSampler` takes the first that is new.
    """

    def candidates(study: Study, trial: FrozenTrial) -> Iterator[Point]:
        rng = np.random.default_rng(derive_seed(seed, "grid"))
        if not shuffled:
            yield from grid
        elif grid.size <= MAX_LISTED:
            yield from (grid.point(int(k)) for k in rng.permutation(grid.size))
        else:
            while True:
                yield grid.point(int(rng.random() * grid.size))

    return candidates


def model_points(make: Callable[[int], BaseSampler], *, space: Space, seed: int) -> Candidates:
    """What a fresh sampler ``make(seed)`` of Optuna's suggests; after some draws, random points."""
    others = random_points(space, seed)

    def candidates(study: Study, trial: FrozenTrial) -> Iterator[Point]:
        number = place(study, trial.number)
        for draw in range(N_INNER_DRAWS):
            sampler = make(derive_seed(seed, "model", number, draw))
            yield _draw(sampler, space, study, trial)
        yield from others(study, trial)

    return candidates


def _draw(sampler: BaseSampler, space: Space, study: Study, trial: FrozenTrial) -> Point:
    """The point that `Trial.suggest_*` would make of ``sampler``'s answers."""
    relative = sampler.sample_relative(
        study, trial, sampler.infer_relative_search_space(study, trial)
    )

    def choose(parameter: Parameter) -> ParamValue:
        dist = distribution(parameter)
        if dist.single():
            return parameter.from_unit(0.5)
        if parameter.name in relative and parameter.contains(relative[parameter.name]):
            return relative[parameter.name]
        return sampler.sample_independent(study, trial, parameter.name, dist)

    return space.walk(choose)


def _visited(study: Study, number: int) -> set[str]:
    """The points of the study's other trials: finished, running, or queued (again)."""
    return {
        point_key(t.system_attrs.get("fixed_params", t.params))
        for t in study.get_trials(deepcopy=False)
        if t.number != number and not cut_short(t)
    }
