"""In which shape do the trials of a source arrive, whatever the source? Flat columns.

Every source (SQL, Optuna's public interface, parquet) fills the same flat tables, and
``assemble.py`` turns them into records. Row ``i`` of the trial columns is referred to by index.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from optuna.distributions import BaseDistribution


class UnreadableError(Exception):
    """A source cannot be read; says why in a few words that follow its name."""


@dataclass(frozen=True)
class StudyHead:
    """What is known of a study without its trials; ``directions`` as Optuna names them."""

    name: str
    directions: tuple[str, ...]
    user_attrs: Mapping[str, object]


Keep = Callable[[StudyHead], bool]
"""Says of a study, before its trials are read, whether it is wanted."""

Triple = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Columns (row of the trial, code, value)."""


@dataclass(frozen=True)
class ParamKey:
    """A parameter's name with one distribution it was drawn from; None: not readable."""

    name: str
    distribution: BaseDistribution | None


@dataclass(frozen=True)
class FlatTables:
    """All trials of one source.

    Attributes:
        heads: The studies.
        study: ``(n,)`` int32 index into ``heads``, ascending.
        number: ``(n,)`` int64 trial numbers, ascending inside a study.
        state: ``(n,)`` int8 values of TrialState.
        value: ``(n,)`` float64 first objective value; NaN where none.
        started: ``(n,)`` float64 seconds since 1970 in UTC; NaN where unknown.
        seconds: ``(n,)`` float64 completion minus start; NaN where unknown.
        keys: Distinct (parameter, distribution) pairs.
        param: Columns (row, key, value): int64, int32 index into ``keys``, float64 internal value.
        point: Columns (row, step, value): int64, int64, float64.
        attr_names: Names of numeric trial user attributes.
        attr: Columns (row, name, value): int64, int32 index into ``attr_names``, float64.
        notes: What could not be read, in words that follow the source's name and a colon.
    """

    heads: tuple[StudyHead, ...]
    study: np.ndarray
    number: np.ndarray
    state: np.ndarray
    value: np.ndarray
    started: np.ndarray
    seconds: np.ndarray
    keys: tuple[ParamKey, ...]
    param: Triple
    point: Triple
    attr_names: tuple[str, ...]
    attr: Triple
    notes: tuple[str, ...] = ()


@dataclass
class ColumnPages:
    """Columns that grow page by page and are joined once, so that no row object outlives a page."""

    dtypes: tuple[type[np.generic], ...]
    pages: list[tuple[np.ndarray, ...]] = field(default_factory=list)

    def add(self, *columns: np.ndarray) -> None:
        """Append one page: equally long arrays, one a column."""
        self.pages.append(
            tuple(
                np.asarray(column, dtype)
                for column, dtype in zip(columns, self.dtypes, strict=True)
            )
        )

    def joined(self) -> tuple[np.ndarray, ...]:
        """The columns, whole."""
        columns = []
        for index, dtype in enumerate(self.dtypes):
            parts = [page[index] for page in self.pages]
            columns.append(np.concatenate(parts) if parts else np.zeros(0, dtype))
        return tuple(columns)

    def triple(self) -> Triple:
        """The columns of a table of three."""
        row, code, value = self.joined()
        return row, code, value
