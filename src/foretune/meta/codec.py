"""How does a configuration become numbers that mean the same in every study?

A *raw* matrix (n, p) holds one column a parameter: natural units for a number, the index of the
choice for a category, NaN where the parameter is inactive or absent. A codec turns raw matrices
into encoded ones (n, d).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalChoiceType,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

_MAX_ONE_HOT = (
    64  # columns a parameter at most; choices beyond share none and are told apart by none
)
_INACTIVE = 0.5  # the middle of the scale says least


def choice_key(choice: CategoricalChoiceType) -> str:
    """Identifies a choice across studies; ``1``, ``1.0``, ``True`` and ``"1"`` differ.

    >>> choice_key(1), choice_key("1"), choice_key(True)
    ('int:1', "str:'1'", 'bool:True')
    """
    return f"{type(choice).__name__}:{choice!r}"


@dataclass(frozen=True)
class ParamCode:
    """One parameter's scale: the hull of its ranges, or the union of its choices."""

    name: str
    choices: tuple[CategoricalChoiceType, ...] = ()
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    integer: bool = False
    step: float | None = None

    @classmethod
    def of(cls, name: str, distribution: BaseDistribution) -> ParamCode:
        """The scale of one Optuna distribution.

        Raises:
            TypeError: The distribution is none of Optuna's three.
        """
        if isinstance(distribution, CategoricalDistribution):
            return cls(name, choices=tuple(distribution.choices))
        if isinstance(distribution, FloatDistribution | IntDistribution):
            integer = isinstance(distribution, IntDistribution)
            step = distribution.step if not (integer and distribution.log) else 1
            return cls(
                name, low=float(distribution.low), high=float(distribution.high),
                log=distribution.log, integer=integer, step=None if step is None else float(step),
            )  # fmt: skip
        raise TypeError(f"expected a float, int or categorical distribution, got {distribution!r}")

    @property
    def kind(self) -> str:
        """``choice`` or ``number``: what can be merged across studies."""
        return "choice" if self.choices else "number"

    @property
    def width(self) -> int:
        """Columns that its values take."""
        return min(len(self.choices), _MAX_ONE_HOT) if self.choices else 1

    @cached_property
    def index(self) -> dict[str, int]:
        """Position of each choice by its key."""
        return {choice_key(c): i for i, c in enumerate(self.choices)}

    def hull(self, other: ParamCode) -> ParamCode:
        """A scale that holds both; of one kind. Logarithmic if either is and both are positive."""
        if self.choices:
            new = tuple(c for c in other.choices if choice_key(c) not in self.index)
            return ParamCode(self.name, choices=self.choices + new) if new else self
        low, high = min(self.low, other.low), max(self.high, other.high)
        return ParamCode(
            self.name, low=low, high=high, log=(self.log or other.log) and low > 0,
            integer=self.integer and other.integer,
            step=self.step if self.step == other.step else None,
        )  # fmt: skip

    def _edges(self) -> tuple[float, float]:
        """The range in its own scale; half a step wider for stepped numbers, as Optuna does."""
        half = 0.5 * self.step if self.step else 0.0
        low, high = self.low, self.high
        if self.log:
            return math.log(max(low - half, low / 2)), math.log(high + half)
        return low - half, high + half

    def to_unit(self, values: np.ndarray) -> np.ndarray:
        """Natural units to the scale on which the range is [0, 1]; NaN stays."""
        low, high = self._edges()
        if not high > low:
            return np.where(np.isnan(values), np.nan, _INACTIVE)
        scaled = np.log(np.maximum(values, 1e-300)) if self.log else values
        return (scaled - low) / (high - low)

    def from_unit(self, unit: np.ndarray) -> np.ndarray:
        """Back to natural units, clipped to the range and rounded to a legal value."""
        low, high = self._edges()
        scaled = low + np.clip(unit, 0.0, 1.0) * (high - low)
        values = np.exp(scaled) if self.log else scaled
        if self.step:
            values = self.low + np.round((values - self.low) / self.step) * self.step
        return np.clip(values, self.low, self.high)


@dataclass(frozen=True)
class Codec:
    """An ordered set of parameters and what is encoded of them.

    Attributes:
        params: The scales, one a raw column.
        optional: Names of parameters that get an activity bit: somewhere they are inactive.
    """

    params: tuple[ParamCode, ...]
    optional: frozenset[str] = frozenset()

    @cached_property
    def position(self) -> dict[str, int]:
        """Raw column of each parameter."""
        return {p.name: j for j, p in enumerate(self.params)}

    @cached_property
    def groups(self) -> np.ndarray:
        """(d,) the raw column that each encoded column belongs to."""
        widths = [p.width + (p.name in self.optional) for p in self.params]
        return np.repeat(np.arange(len(self.params)), widths)

    @property
    def width(self) -> int:
        """Encoded columns, d."""
        return len(self.groups)

    def encode(self, raw: np.ndarray) -> np.ndarray:
        """Raw (n, p) to encoded (n, d) float64; a choice that is not known (-1) is the mean one."""
        X = np.zeros((len(raw), self.width))
        at = 0
        for j, param in enumerate(self.params):
            values, active = raw[:, j], ~np.isnan(raw[:, j])
            if param.choices:
                known = active & (values >= 0) & (values < param.width)
                X[np.flatnonzero(known), at + values[known].astype(int)] = math.sqrt(0.5)
                X[active & (values < 0), at : at + param.width] = math.sqrt(0.5) / param.width
            else:
                X[:, at] = np.where(active, np.clip(param.to_unit(values), -0.5, 1.5), _INACTIVE)
            at += param.width
            if param.name in self.optional:
                X[:, at] = active
                at += 1
        return X

    def translate(self, raw: np.ndarray, source: Codec) -> np.ndarray:
        """Raw rows of ``source`` as raw rows of this codec: (n, p_source) -> (n, p).

        Parameters that ``source`` lacks, or holds as another kind, are inactive; choices that
        this codec does not know are -1.
        """
        out = np.full((len(raw), len(self.params)), np.nan)
        for j, param in enumerate(self.params):
            k = source.position.get(param.name)
            if k is None or source.params[k].kind != param.kind:
                continue
            if not param.choices:
                out[:, j] = raw[:, k]
                continue
            table = np.array(
                [param.index.get(choice_key(c), -1) for c in source.params[k].choices], float
            )
            active = ~np.isnan(raw[:, k])
            known = active & (raw[:, k] >= 0)
            out[active, j] = -1.0
            out[known, j] = table[raw[known, k].astype(int)]
        return out

    def to_raw(self, configurations: Sequence[Mapping[str, object]]) -> np.ndarray:
        """Dictionaries of external values to raw rows; unknown names are ignored."""
        raw = np.full((len(configurations), len(self.params)), np.nan)
        for i, configuration in enumerate(configurations):
            for name, value in configuration.items():
                j = self.position.get(name)
                if j is None:
                    continue
                if self.params[j].choices:
                    raw[i, j] = self.params[j].index.get(choice_key(value), -1)  # type: ignore[arg-type]
                elif isinstance(value, int | float):
                    raw[i, j] = float(value)
        return raw

    def to_params(self, row: np.ndarray) -> dict[str, object]:
        """A raw row (p,) as external values of the active parameters."""
        out: dict[str, object] = {}
        for param, value in zip(self.params, row, strict=True):
            if np.isnan(value) or (param.choices and value < 0):
                continue
            if param.choices:
                out[param.name] = param.choices[int(value)]
            else:
                out[param.name] = round(value) if param.integer else float(value)
        return out


def merge(parts: Sequence[ParamCode]) -> tuple[ParamCode, list[str]]:
    """One scale for a parameter as several studies have it, and a note where they disagree."""
    choice = [p for p in parts if p.choices]
    number = [p for p in parts if not p.choices]
    kept, lost = (choice, number) if len(choice) > len(number) else (number, choice)
    merged = kept[0]
    for part in kept[1:]:
        merged = merged.hull(part)
    note = f"parameter {merged.name!r} is of another kind in {len(lost)} studies: ignored there"
    return merged, [note] if lost else []
