"""What is a hyperparameter, and when is it there? Every kind of one, and the choice among values.

Symbols: ``u`` is a parameter's coordinate in [0, 1].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeGuard

from foretune.core import ParamValue

Conditions = Mapping[str, tuple[ParamValue, ...]]
"""Parent's name -> the parent's values under which a parameter is there; all must hold."""


class Parameter(Protocol):
    """One dimension of a space.

    Several of one name may stand under conditions that exclude each other (a learning rate whose
    range depends on the model).
    """

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def when(self) -> Conditions:
        """When it is there; empty: always."""
        ...

    @property
    def default(self) -> ParamValue:
        """Its known-good value; for numbers None means the middle of the range."""
        ...

    def problems(self) -> list[str]:
        """What is wrong with its definition, one sentence each."""
        ...

    def contains(self, value: ParamValue) -> bool:
        """Whether ``value`` is one of its values."""
        ...

    def clip(self, value: ParamValue) -> ParamValue:
        """The value of its own that is nearest to ``value``; for a choice, else the first."""
        ...

    def from_unit(self, u: float) -> ParamValue:
        """The value at ``u``: uniform ``u`` gives uniform values (on the log scale if ``log``)."""
        ...

    def to_unit(self, value: ParamValue) -> float:
        """The coordinate of ``value``, in the middle of the interval that leads back to it."""
        ...

    def grid(self, points: int | None) -> Sequence[ParamValue]:
        """At most ``points`` of its values, evenly spaced, both ends among them; None: all.

        Raises:
            ValueError: All are asked for and they are not finitely many.
        """
        ...


def active(parameter: Parameter, point: Mapping[str, ParamValue]) -> bool:
    """Whether the parents' values in ``point`` switch ``parameter`` on."""
    return all(
        parent in point and point[parent] in values for parent, values in parameter.when.items()
    )


@dataclass(frozen=True)
class Choice:
    """One of a list of values, in the order of the list."""

    name: str
    choices: tuple[ParamValue, ...]
    default: ParamValue = None
    when: Conditions = field(default_factory=dict)

    def problems(self) -> list[str]:
        """What is wrong with its definition, one sentence each."""
        if not self.choices:
            return [f"{self.name}: expected at least one choice, got none"]
        bad = [c for c in self.choices if not isinstance(c, str | int | float | bool | None)]
        found = [
            f"{self.name}: a choice must be text, a number, true or null, got {c!r}" for c in bad
        ]
        if not bad and len(set(self.choices)) < len(self.choices):
            found.append(f"{self.name}: the choices {list(self.choices)} repeat themselves")
        return found

    def contains(self, value: ParamValue) -> bool:
        """Whether ``value`` is one of the choices."""
        return value in self.choices

    def clip(self, value: ParamValue) -> ParamValue:
        """``value`` if it is a choice; the nearest number among numbers; else the first choice."""
        if value in self.choices:
            return self.choices[self.choices.index(value)]
        numbers = [c for c in self.choices if is_number(c)]
        if is_number(value) and numbers:
            return min(numbers, key=lambda c: abs(c - value))
        return self.choices[0]

    def from_unit(self, u: float) -> ParamValue:
        """The choice at ``u``."""
        return self.choices[min(int(u * len(self.choices)), len(self.choices) - 1)]

    def to_unit(self, value: ParamValue) -> float:
        """The coordinate of ``value``."""
        return (self.choices.index(self.clip(value)) + 0.5) / len(self.choices)

    def grid(self, points: int | None) -> Sequence[ParamValue]:
        """Every choice: ``points`` thins out numbers alone."""
        return self.choices


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether ``value`` is a number; True and False are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)
