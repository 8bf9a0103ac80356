"""What do a search and its worker say to each other?

Down the pipe go the recipe (as bytes), a `TrialSpec` for each trial, and a bool for each
`EpochReport`: whether to stop. Up come these and `TrialResult`. The pipe is private to a process
and its own child, so multiprocessing's pickling is safe on it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from foretune.core import EpochReport, ForetuneError, Objective, TrialResult

Recipe = Callable[[int], Objective]
"""Makes the objective in worker number k; can be pickled."""


@dataclass(frozen=True)
class Hello:
    """The worker is there and wants the recipe.

    Attributes:
        guardian: Process id of the child that ends it with the search.
    """

    guardian: int


@dataclass(frozen=True)
class Began:
    """The trial begins: its clock starts."""


@dataclass(frozen=True)
class Broken:
    """The objective cannot be made; no trial can run."""

    error: ForetuneError


@dataclass(frozen=True)
class Logged:
    """A line of the worker's log."""

    name: str
    level: int
    text: str


FromWorker = Hello | Began | Broken | Logged | EpochReport | TrialResult
