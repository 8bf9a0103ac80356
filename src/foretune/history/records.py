"""What does a learner get to see of past searches? Plain arrays, one record a study.

Shapes are given with ``n`` for the trials of one study and ``p`` for its reported points.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.trial import TrialState


@dataclass(frozen=True)
class ParamColumn:
    """One parameter of one study.

    Attributes:
        name: The parameter's name.
        distribution: Where numeric ranges changed inside the study: their hull; where categorical
            choices did: their union in order of appearance.
        values: ``(n,)`` float64. Numeric: the external value, in natural units also where the
            distribution is logarithmic (it may lie outside the range where a user enqueued it
            so). Categorical: the index into ``distribution.choices``. NaN: inactive or absent.
    """

    name: str
    distribution: BaseDistribution
    values: np.ndarray


@dataclass(frozen=True)
class Curves:
    """Reported intermediate values, flattened and sorted by (trial, step).

    Attributes:
        trial: ``(p,)`` int64 row of the trial in its StudyRecord.
        step: ``(p,)`` int64.
        value: ``(p,)`` float64, NaN and infinities where reported as such.
    """

    trial: np.ndarray
    step: np.ndarray
    value: np.ndarray


@dataclass(frozen=True)
class StudyRecord:
    """The trials of one single-objective study, in order of their numbers.

    Attributes:
        name: The study's name.
        source: Where it was read from, without credentials.
        maximize: Whether a higher value is better.
        user_attrs: The study's user attributes.
        columns: One a parameter, in order of first appearance.
        values: ``(n,)`` float64 objective values as told; NaN where none, infinities kept.
        states: ``(n,)`` int8 values of ``optuna.trial.TrialState``.
        numbers: ``(n,)`` int64 trial numbers.
        seconds: ``(n,)`` float64: user attribute ``seconds``, else completion minus start; NaN
            where unknown.
        curves: The learning curves.
        trial_attrs: Numeric trial user attributes by name, each ``(n,)`` float64, NaN absent.
        shipped: Whether it came with Foretune: it counts for less than the user's own.
    """

    name: str
    source: str
    maximize: bool
    user_attrs: Mapping[str, object]
    columns: tuple[ParamColumn, ...]
    values: np.ndarray
    states: np.ndarray
    numbers: np.ndarray
    seconds: np.ndarray
    curves: Curves
    trial_attrs: Mapping[str, np.ndarray]
    shipped: bool = False

    @property
    def scored(self) -> np.ndarray:
        """``(n,)`` bool: completed with a finite value."""
        return (self.states == TrialState.COMPLETE.value) & np.isfinite(self.values)


@dataclass(frozen=True)
class HistoryRecords:
    """Every usable study, and one sentence for each thing that was left out and why."""

    studies: tuple[StudyRecord, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def n_shipped(self) -> int:
        """How many of the studies came with Foretune."""
        return sum(study.shipped for study in self.studies)
