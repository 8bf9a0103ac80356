"""What of a configuration is work? Numbers that seconds grow with, and kinds of things to do."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from foretune.meta.codec import Codec, ParamCode

_WORK = re.compile(
    "batch|depth|epoch|estimator|frozen|hidden|iter|layer|length|model|round|size|step|unit|width",
    re.IGNORECASE,
)
_OTHER = 0.3  # on the recorded trials .3 and .1 are alike, 1 is much worse
_KIND, _NUMBER, _REST = range(3)


@dataclass(frozen=True)
class Work:
    """Which columns say what; those beyond describe kinds (a model's parameters and depth).

    Few configurations cannot tell what matters; names can. What is not named like work is drawn
    together, not left out.

    Attributes:
        roles: (d,) of each column: a choice that is no number, a number, or not named like work.
    """

    roles: np.ndarray

    @classmethod
    def of(cls, codec: Codec) -> Work:
        """Of the rows that `work_rows` gives."""
        roles: list[int] = []
        for param in codec.params:
            named = _WORK.search(param.name) is not None
            if not named:
                roles += [_REST] * param.width
            else:
                roles += [_NUMBER] if _is_number(param) else [_KIND] * param.width
            if param.name in codec.optional:
                roles.append(_NUMBER if named else _REST)
        return cls(np.array(roles, int))

    @classmethod
    def of_numbers(cls, width: int) -> Work:
        """Of rows that hold numbers alone."""
        return cls(np.full(width, _NUMBER))

    def split(self, X: np.ndarray) -> tuple[np.ndarray, ...]:
        """Columns of kinds, of numbers, of the rest, and those that describe kinds."""
        own, described = X[:, : len(self.roles)], X[:, len(self.roles) :]
        return (*(own[:, self.roles == role] for role in (_KIND, _NUMBER, _REST)), described)


def work_rows(codec: Codec, encoded: np.ndarray) -> np.ndarray:
    """Encoded configurations (n, d) as seconds are predicted from them.

    Positive numbers that are named like work are logarithmic, choices of numbers are numbers.
    """
    out, at = [], 0
    for param in codec.params:
        columns = encoded[:, at : at + param.width]
        at += param.width
        named = _WORK.search(param.name) is not None
        if named and _is_number(param):
            out.append(_amount(param, columns)[:, None])
        else:
            out.append(columns if named else columns * _OTHER)
        if param.name in codec.optional:
            out.append(encoded[:, at : at + 1] * (1.0 if named else _OTHER))
            at += 1
    return np.concatenate([np.zeros((len(encoded), 0)), *out], axis=1)


def _is_number(param: ParamCode) -> bool:
    """Whether its values are numbers, also where they are given as choices."""
    return all(isinstance(c, int | float) and not isinstance(c, bool) for c in param.choices)


def _amount(param: ParamCode, columns: np.ndarray) -> np.ndarray:
    """Numbers (n,) on [0, 1], by their logarithms where all are positive."""
    if param.choices:
        values = np.array(param.choices[: param.width], float)
        weight = columns / math.sqrt(0.5)
        amount = np.where(weight.sum(1) > 0, weight @ _share(values), 0.5)
        return np.asarray(amount)
    unit = columns[:, 0]
    if param.log or param.low <= 0 or not param.high > param.low:
        return unit
    half = 0.5 * (param.step or 0.0)
    values = param.low - half + unit * (param.high - param.low + 2 * half)
    return np.asarray(
        np.log(np.maximum(values, 0.5 * param.low) / param.low) / math.log(param.high / param.low)
    )


def _share(values: np.ndarray) -> np.ndarray:
    """Where each lies between the least and the greatest."""
    scaled = np.log(values) if (values > 0).all() else values
    low, high = float(scaled.min()), float(scaled.max())
    return (scaled - low) / (high - low) if high > low else np.full(len(values), 0.5)
