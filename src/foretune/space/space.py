"""What can be asked of a trial: an ordered set of parameters, parents before children?"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from foretune.core import ConfigError, ParamValue
from foretune.space.number import Float, Int
from foretune.space.parameter import Choice, Parameter, active

Point = dict[str, ParamValue]
"""A point of a space: the active parameters by name."""


@dataclass(frozen=True)
class Space:
    """Parameters in order, a parent always before its children, and known-good points.

    Attributes:
        parameters: Several of one name exclude each other by their conditions.
        defaults: Known-good configurations, best first; each is completed to a valid point.

    Raises:
        ConfigError: With every problem of every parameter.

    >>> space = Space((Choice("opt", ("adam", "sgd")),
    ...                Float("momentum", 0.0, 0.99, when={"opt": ("sgd",)})))
    >>> space.names
    ('opt', 'momentum')
    >>> space.complete({"opt": "adam", "momentum": 0.5})
    {'opt': 'adam'}
    """

    parameters: tuple[Parameter, ...]
    defaults: tuple[Mapping[str, ParamValue], ...] = ()

    def __post_init__(self) -> None:
        found = [line for p in self.parameters for line in p.problems()] or self._structure()
        if found:
            raise ConfigError(found)
        defaults = tuple(self.complete(d) for d in self.defaults)
        object.__setattr__(self, "defaults", defaults)

    @property
    def first_default(self) -> Mapping[str, ParamValue] | None:
        """The best known-good configuration; None: none is known."""
        return self.defaults[0] if self.defaults else None

    @property
    def names(self) -> tuple[str, ...]:
        """The distinct names, in order: the coordinates of `encode`."""
        return tuple(dict.fromkeys(p.name for p in self.parameters))

    @property
    def conditional(self) -> bool:
        """Whether some parameter is not always there, or not always of one range."""
        return any(p.when for p in self.parameters)

    def walk(self, choose: Callable[[Parameter], ParamValue]) -> Point:
        """The point that ``choose`` makes, asked for each active parameter, parents first."""
        point: Point = {}
        for parameter in self.parameters:
            if active(parameter, point):
                point[parameter.name] = choose(parameter)
        return point

    def sample(self, rng: np.random.Generator) -> Point:
        """A point drawn evenly (each parameter on its own scale)."""
        return self.decode(rng.random(len(self.names)))

    def complete(self, values: Mapping[str, ParamValue]) -> Point:
        """The valid point nearest to ``values``.

        Absent parameters take their defaults, values outside are clipped, and what the space does
        not know is left out.
        """
        return self.walk(lambda p: p.clip(values[p.name]) if p.name in values else _default(p))

    def problems(self, point: Mapping[str, ParamValue]) -> list[str]:
        """Why ``point`` is no point of this space, one sentence each; empty: it is one."""
        found = []
        seen: Point = {}  # parents that are there themselves
        for parameter in self.parameters:
            name = parameter.name
            if not active(parameter, seen):
                continue
            if name not in point:
                found.append(f"{name} is missing")
                continue
            seen[name] = point[name]
            if not parameter.contains(point[name]):
                found.append(f"{name}: {point[name]!r} is outside {parameter}")
        return found + [f"{name} is not active here" for name in point if name not in seen]

    def encode(self, point: Mapping[str, ParamValue]) -> tuple[np.ndarray, np.ndarray]:
        """Coordinates ``u: (d,)`` in [0, 1], one a name (0.5 where inactive), and ``mask: (d,)``.

        A parameter is scaled by the range that holds at the point.
        """
        columns = {name: j for j, name in enumerate(self.names)}
        u, mask = np.full(len(columns), 0.5), np.zeros(len(columns), dtype=bool)
        for parameter in self.parameters:
            if active(parameter, point):
                j = columns[parameter.name]
                u[j], mask[j] = parameter.to_unit(point[parameter.name]), True
        return u, mask

    def decode(self, u: np.ndarray) -> Point:
        """The point at the coordinates ``u: (d,)`` of `encode`."""
        columns = {name: j for j, name in enumerate(self.names)}
        return self.walk(lambda p: p.from_unit(float(u[columns[p.name]])))

    def fingerprint(self) -> str:
        """Hash of the definition, the same in every process."""
        return _digest([_definition(p) for p in self.parameters])

    def _structure(self) -> list[str]:
        """What is wrong with conditions and repeated names."""
        found: list[str] = []
        before: dict[str, list[Parameter]] = {}
        for parameter in self.parameters:
            for parent, values in parameter.when.items():
                if parent not in before:
                    found.append(
                        f"{parameter.name}: its condition names {parent!r}, no parameter before it"
                    )
                elif outside := [
                    v for v in values if not any(q.contains(v) for q in before[parent])
                ]:
                    found.append(f"{parameter.name}: {parent} is never {outside}")
            twins = before.setdefault(parameter.name, [])
            if any(not _exclusive(parameter, twin) for twin in twins):
                found.append(f"{parameter.name}: two of this name can be there at once")
            if any(not _compatible(parameter, twin) for twin in twins):
                found.append(
                    f"{parameter.name}: Optuna keeps one type, one scale and one list of choices "
                    "for a name in a study; under another condition only a range may differ"
                )
            twins.append(parameter)
        return found


def point_key(point: Mapping[str, ParamValue]) -> str:
    """A short hash of ``point``, whatever the order of its names; 1 and 1.0 are one value.

    >>> point_key({"lr": 1e-3, "epochs": 2}) == point_key({"epochs": 2.0, "lr": 0.001})
    True
    """
    return _digest({name: _plain(value) for name, value in point.items()})


def _default(parameter: Parameter) -> ParamValue:
    if parameter.default is not None:
        return parameter.clip(parameter.default)
    return parameter.grid(None)[0] if isinstance(parameter, Choice) else parameter.from_unit(0.5)


def _exclusive(a: Parameter, b: Parameter) -> bool:
    """Whether some parent's value can never switch on both."""
    shared = a.when.keys() & b.when.keys()
    return any(not set(a.when[parent]) & set(b.when[parent]) for parent in shared)


def _compatible(a: Parameter, b: Parameter) -> bool:
    if isinstance(a, Choice) and isinstance(b, Choice):
        return a.choices == b.choices
    if isinstance(a, Float | Int) and isinstance(b, Float | Int):
        return type(a) is type(b) and a.log == b.log
    return False


def _definition(parameter: Parameter) -> dict[str, object]:
    fields = {k: v for k, v in vars(parameter).items() if k not in ("default", "when")}
    when = {parent: [_plain(v) for v in values] for parent, values in parameter.when.items()}
    return {"type": type(parameter).__name__, **fields, "when": when}


def _plain(value: ParamValue) -> ParamValue:
    """Numbers as text of 12 digits, so that neither type nor the last bit makes a difference."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return f"#{value:.12g}"


def _digest(content: object) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
