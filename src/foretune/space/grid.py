"""Which points does a grid over a space hold, counted and numbered without making them?"""

from __future__ import annotations

from collections.abc import Iterator

from foretune.core import ParamValue
from foretune.space.parameter import active
from foretune.space.space import Point, Space


class Grid:
    """The points of a grid, each once: what is not there is not counted.

    Neither ``size`` nor ``point(k)`` needs an enumeration: the branches below each value of a
    parent are counted once, and ``k`` is read as digits of mixed radix. A grid of 10^9 points
    costs nothing until it is asked for them.

    Args:
        space: The space.
        points: At most this many values of each number, evenly spaced on its scale, both ends
            among them; choices are always all there. None: every value.

    Raises:
        ValueError: Every value is asked for and some parameter has no finite list of them.

    >>> from foretune.space import Choice, Float
    >>> grid = Grid(Space((Choice("opt", ("adam", "sgd")),
    ...                    Float("momentum", 0.0, 0.9, when={"opt": ("sgd",)}))), points=2)
    >>> grid.size, grid.point(2)
    (3, {'opt': 'sgd', 'momentum': 0.9})
    """

    def __init__(self, space: Space, points: int | None = None) -> None:
        self._parameters = space.parameters
        self._values = [tuple(p.grid(points)) for p in space.parameters]
        self._parents = {parent for p in space.parameters for parent in p.when}
        self._counts: dict[tuple[int, tuple[tuple[str, ParamValue], ...]], int] = {}
        self.size = self._count(0, {})

    def __iter__(self) -> Iterator[Point]:
        return (self.point(k) for k in range(self.size))

    def point(self, k: int) -> Point:
        """The ``k``-th point, 0 <= k < size; the last parameter changes fastest.

        Raises:
            IndexError: There is no such point.
        """
        if not 0 <= k < self.size:
            raise IndexError(f"expected 0 <= k < {self.size}, got {k}")
        chosen: Point = {}
        for i, parameter in enumerate(self._parameters):
            if not active(parameter, chosen):
                continue
            for value in self._values[i]:
                chosen[parameter.name] = value
                below = self._count(i + 1, chosen)
                if k < below:
                    break
                k -= below
        return chosen

    def _count(self, i: int, chosen: Point) -> int:
        """How many ways there are to go on from parameter ``i`` with what is chosen so far."""
        if i == len(self._parameters):
            return 1
        state = {name: value for name, value in chosen.items() if name in self._parents}
        key = (i, tuple(state.items()))
        if key not in self._counts:
            parameter = self._parameters[i]
            if not active(parameter, state):
                ways = self._count(i + 1, state)
            elif parameter.name not in self._parents:
                ways = len(self._values[i]) * self._count(i + 1, state)
            else:
                ways = sum(
                    self._count(i + 1, {**state, parameter.name: v}) for v in self._values[i]
                )
            self._counts[key] = ways
        return self._counts[key]


def finite_size(space: Space) -> int | None:
    """How many points ``space`` has; None: infinitely many."""
    try:
        return Grid(space).size
    except ValueError:
        return None
