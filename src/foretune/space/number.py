"""Which real or whole numbers may a hyperparameter be?

Symbols: ``u`` is a parameter's coordinate in [0, 1].
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from foretune.core import ParamValue
from foretune.space.parameter import Conditions, is_number


@dataclass(frozen=True)
class Float:
    """A real number in [low, high]; with ``log`` spread evenly over its logarithm."""

    name: str
    low: float
    high: float
    log: bool = False
    step: float | None = None
    default: float | None = None
    when: Conditions = field(default_factory=dict)

    def problems(self) -> list[str]:
        """What is wrong with its definition, one sentence each."""
        return _range_problems(self.name, self.low, self.high, log=self.log, step=self.step)

    def contains(self, value: ParamValue) -> bool:
        """Whether ``value`` is a number in the range and, with ``step``, on it."""
        if not is_number(value) or not self.low <= value <= self.high:
            return False
        return self.step is None or math.isclose(
            (k := (value - self.low) / self.step), round(k), abs_tol=1e-6
        )

    def clip(self, value: ParamValue) -> float:
        """The nearest value of the range."""
        number = min(max(_number(self.name, value), self.low), self.high)
        if self.step is None:
            return number
        return self._at(round((number - self.low) / self.step))

    def from_unit(self, u: float) -> float:
        """The value at ``u``."""
        if self.step is not None:
            return self._at(int(u * self._steps))
        if u in (0.0, 1.0):  # the ends exactly, whatever logarithms do to them
            return self.high if u else self.low
        if not self.log:
            return min(max(self.low + u * (self.high - self.low), self.low), self.high)
        log_low, log_high = math.log(self.low), math.log(self.high)
        return min(max(math.exp(log_low + u * (log_high - log_low)), self.low), self.high)

    def to_unit(self, value: ParamValue) -> float:
        """The coordinate of ``value``."""
        number = self.clip(value)
        if self.step is not None:
            return (round((number - self.low) / self.step) + 0.5) / self._steps
        if self.high == self.low:
            return 0.5
        if self.log:
            return math.log(number / self.low) / math.log(self.high / self.low)
        return (number - self.low) / (self.high - self.low)

    def grid(self, points: int | None) -> Sequence[float]:
        """At most ``points`` values, evenly spaced."""
        if self.high == self.low:
            return [self.low]
        if self.step is not None:
            return [self._at(k) for k in _spread(self._steps, points)]
        if points is None:
            raise ValueError(f"{self.name}: a real number has no finite list of values")
        middle = self.from_unit(0.5)
        return (
            [middle] if points == 1 else [self.from_unit(k / (points - 1)) for k in range(points)]
        )

    def _at(self, k: int) -> float:
        """The ``k``-th value of a stepped range, or its last one: 0.9, not 0.8999999999999999."""
        assert self.step is not None
        return min(float(f"{self.low + self.step * min(k, self._steps - 1):.12g}"), self.high)

    @property
    def _steps(self) -> int:
        """How many values a stepped range has."""
        assert self.step is not None
        return int((self.high - self.low) / self.step + 1e-9) + 1


@dataclass(frozen=True)
class Int:
    """A whole number in [low, high]; with ``log`` spread evenly over its logarithm."""

    name: str
    low: int
    high: int
    log: bool = False
    step: int = 1
    default: int | None = None
    when: Conditions = field(default_factory=dict)

    def problems(self) -> list[str]:
        """What is wrong with its definition, one sentence each."""
        step = None if self.step == 1 else self.step
        return _range_problems(self.name, self.low, self.high, log=self.log, step=step)

    def contains(self, value: ParamValue) -> bool:
        """Whether ``value`` is a whole number of the range."""
        return (
            is_number(value)
            and self.low <= value <= self.high
            and (value - self.low) % self.step == 0
        )

    def clip(self, value: ParamValue) -> int:
        """The nearest value of the range."""
        k = round((_number(self.name, value) - self.low) / self.step)
        return self.low + self.step * min(max(k, 0), self._steps - 1)

    def from_unit(self, u: float) -> int:
        """The value at ``u``; with ``log``, each integer owns [k - 1/2, k + 1/2] as in Optuna."""
        if self.log:
            low, high = math.log(self.low - 0.5), math.log(self.high + 0.5)
            return self.clip(math.exp(low + u * (high - low)))
        return self.low + self.step * min(int(u * self._steps), self._steps - 1)

    def to_unit(self, value: ParamValue) -> float:
        """The coordinate of ``value``."""
        number = self.clip(value)
        if self.log:
            low, high = math.log(self.low - 0.5), math.log(self.high + 0.5)
            return (math.log(number) - low) / (high - low)
        return ((number - self.low) // self.step + 0.5) / self._steps

    def grid(self, points: int | None) -> Sequence[int]:
        """At most ``points`` values, evenly spaced."""
        if points is None or points >= self._steps or not self.log:
            return [self.low + self.step * k for k in _spread(self._steps, points)]
        ratio = self.high / self.low
        shares = [0.5] if points == 1 else [k / (points - 1) for k in range(points)]
        return sorted({self.clip(self.low * ratio**share) for share in shares})

    @property
    def _steps(self) -> int:
        """How many values the range has."""
        return (self.high - self.low) // self.step + 1


def _number(name: str, value: ParamValue) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError(f"{name}: expected a number, got {value!r}")
    return value


def _spread(n: int, points: int | None) -> list[int]:
    """At most ``points`` of 0..n-1, evenly spaced, both ends among them."""
    if points is None or points >= n:
        return list(range(n))
    if points == 1:
        return [(n - 1) // 2]
    return sorted({round(k * (n - 1) / (points - 1)) for k in range(points)})


def _range_problems(
    name: str, low: float, high: float, *, log: bool, step: float | None
) -> list[str]:
    found = []
    if not (math.isfinite(low) and math.isfinite(high)):
        found.append(f"{name}: expected finite bounds, got low={low} and high={high}")
    elif low > high:
        found.append(f"{name}: expected low <= high, got low={low} and high={high}")
    if log and low <= 0:
        found.append(f"{name}: a logarithmic range needs low above 0, got low={low}")
    if step is not None and step <= 0:
        found.append(f"{name}: expected a step above 0, got {step}")
    if log and step is not None:
        found.append(f"{name}: log and step contradict each other; keep one")
    return found
