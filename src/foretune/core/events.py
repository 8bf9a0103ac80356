"""What a search tells those who watch it: the console, the tracker."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from foretune.core.budget import Budget
from foretune.core.task import TaskInfo
from foretune.core.trial import EpochReport, ParamValue, TrialResult, TrialSpec


@dataclass(frozen=True)
class Forecast:
    """What a search expects of its trials.

    Attributes:
        trial_s: Seconds a trial, on average.
        text: How many will fit into the budget, and by what that is known.
    """

    trial_s: float
    text: str


@dataclass(frozen=True)
class SearchPlan:
    """What a search is about to do.

    Attributes:
        study: The study's name.
        search: The exact search method, with its variant and version (``tpe (optuna 5.0.0)``).
        task: The task.
        models: The models in the space.
        budget: The limit.
        n_done: Trials that the study already holds (a resumed search).
        seconds_done: Seconds that earlier runs of the study spent.
        best: The score of the best trial so far, if the study holds one.
        config: The resolved configuration, for the record.
        notes: Lines for a person: which data was used, what history was read.
        folder: The study's own folder: best model, plots.
        keeps_model: Whether the best trial's model is kept on disk.
        ended: What came of the trials that the study already holds, by number: a record that
            was cut off before it could say so can be completed.
        seen_s: When the study was looked at for this, in seconds of the clock.
        forecast: How long its trials will take; None: nothing tells.
    """

    study: str
    search: str
    task: TaskInfo
    models: tuple[str, ...]
    budget: Budget
    n_done: int
    seconds_done: float
    best: float | None
    config: Mapping[str, object]
    notes: tuple[str, ...]
    folder: Path
    keeps_model: bool = True
    ended: Mapping[int, TrialResult] = field(default_factory=dict)
    seen_s: float = math.inf
    forecast: Forecast | None = None


@dataclass(frozen=True)
class FrontTrial:
    """A trial that no other beats in no more seconds."""

    number: int
    score: float
    seconds: float
    params: Mapping[str, ParamValue]


@dataclass(frozen=True)
class Savings:
    """What stopping and pausing came to.

    Attributes:
        stopped: Trials that were stopped by their curve.
        paused: Trials that were ever paused.
        resumed: Those of them that went on.
        epochs: Epochs of stopped and paused trials that were never trained.
        seconds: What these would have taken, by each trial's own seconds an epoch.
    """

    stopped: int = 0
    paused: int = 0
    resumed: int = 0
    epochs: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class SearchSummary:
    """What a search found. Scores are higher-is-better; ``test`` holds the task's own metrics.

    ``front`` holds the trials of which none is better in no more seconds, where it was asked for.
    ``trial_s`` is the mean of the seconds of the trials that ended well in this run, if any did.
    """

    n_trials: int
    n_failed: int
    seconds: float
    interrupted: bool
    best_number: int | None = None
    best_score: float | None = None
    best_params: Mapping[str, ParamValue] = field(default_factory=dict)
    test: Mapping[str, float] = field(default_factory=dict)
    model_dir: Path | None = None
    artifacts: tuple[Path, ...] = ()
    front: tuple[FrontTrial, ...] = ()
    trial_s: float | None = None
    saved: Savings = Savings()


class Observer(Protocol):
    """Watches one search. Calls come in the order of the methods; only from the parent process."""

    def search_started(self, plan: SearchPlan) -> None:
        """The search is about to run its first trial."""
        ...

    def trial_started(self, spec: TrialSpec, why: str) -> None:
        """A trial starts; ``why`` says in a few words where its suggestion came from."""
        ...

    def epoch_ended(self, spec: TrialSpec, report: EpochReport) -> None:
        """An epoch of the running trial ended."""
        ...

    def trial_paused(self, result: TrialResult) -> None:
        """The trial was put aside after an epoch; it may go on some day."""
        ...

    def trial_resumed(self, spec: TrialSpec, why: str) -> None:
        """A paused trial goes on, maybe one that another process paused."""
        ...

    def trial_ended(self, result: TrialResult, is_best: bool) -> None:
        """The trial ended, well or not; one that was never resumed ends with its search."""
        ...

    def search_ended(self, summary: SearchSummary) -> None:
        """The search ended; the best model is on disk and tested."""
        ...


class NullObserver:
    """Watches nothing."""

    def search_started(self, plan: SearchPlan) -> None:
        """Ignore."""

    def trial_started(self, spec: TrialSpec, why: str) -> None:
        """Ignore."""

    def epoch_ended(self, spec: TrialSpec, report: EpochReport) -> None:
        """Ignore."""

    def trial_paused(self, result: TrialResult) -> None:
        """Ignore."""

    def trial_resumed(self, spec: TrialSpec, why: str) -> None:
        """Ignore."""

    def trial_ended(self, result: TrialResult, is_best: bool) -> None:
        """Ignore."""

    def search_ended(self, summary: SearchSummary) -> None:
        """Ignore."""
