"""Which of a list of configurations may a trial still be, where only those may be suggested?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from optuna.distributions import BaseDistribution

from foretune.meta.codec import Codec
from foretune.meta.rows import row_key, row_keys
from foretune.search.meta_values import fitting, same


@dataclass(frozen=True)
class Shortlist:
    """The configurations of the list that were not tried and agree with what is decided.

    Attributes:
        given: As the user gave them.
        rows: The same in the believed space's raw units, (k, p).
        codec: The believed space's.
        repeats: Whether all that agrees was tried, and is listed again.
    """

    given: tuple[Mapping[str, object], ...]
    rows: np.ndarray
    codec: Codec
    repeats: bool = False

    @classmethod
    def of(
        cls,
        candidates: Sequence[Mapping[str, object]],
        codec: Codec,
        *,
        fixed: Mapping[str, object],
        asked: Mapping[str, BaseDistribution],
        seen: frozenset[bytes],
    ) -> Shortlist:
        """What is left of the list; all that agrees with what is decided where all was tried.

        Args:
            candidates: The list.
            codec: The believed space's.
            fixed: Values that are already decided in this trial.
            asked: Distributions that it has asked for.
            seen: Keys of the rows that other trials have.
        """
        fits = [c for c in candidates if _agrees(c, fixed, asked)]
        rows = codec.to_raw(fits)
        new = [k for k, key in enumerate(row_keys(rows)) if key not in seen]
        if new:
            fits, rows = [fits[k] for k in new], rows[new]
        return cls(tuple(fits), rows, codec, repeats=not new)

    def __bool__(self) -> bool:
        return bool(self.given)

    def at(self, row: np.ndarray) -> Mapping[str, object] | None:
        """The configuration of a row (p,); None: it is none of the list."""
        key = row_key(row)
        found = (g for g, k in zip(self.given, row_keys(self.rows), strict=True) if k == key)
        return next(found, None)

    def like(self, configuration: Mapping[str, object]) -> np.ndarray | None:
        """The row (1, p) that has all of a configuration's values that it has names for."""
        for k, given in enumerate(self.given):
            if all(n in configuration and same(v, configuration[n]) for n, v in given.items()):
                return self.rows[[k]]
        return None

    def nearest(self, row: np.ndarray) -> np.ndarray:
        """The row (1, p) that is nearest to another one (1, p) on the encoded scale."""
        gap = self.codec.encode(self.rows) - self.codec.encode(row)
        return self.rows[[int((gap**2).sum(1).argmin())]]


def _agrees(
    candidate: Mapping[str, object],
    fixed: Mapping[str, object],
    asked: Mapping[str, BaseDistribution],
) -> bool:
    return all(name in candidate for name in asked) and all(
        name in candidate
        and same(fitting(candidate[name], asked[name]) if name in asked else candidate[name], value)
        for name, value in fixed.items()
    )
