"""How does a search get into MLflow? Each event is a step that is written when it can be.

MLflow is a mirror: nothing is read from it but the parent run to go on with, and whatever happens
to it, the search goes on. Only the process that runs the search writes.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from mlflow.exceptions import MlflowException

from foretune.core import EpochReport, SearchPlan, SearchSummary, Status, TrialResult, TrialSpec
from foretune.tracking.best_model import log_best_model
from foretune.tracking.database import Database
from foretune.tracking.mirror import Mirror
from foretune.tracking.runs import SearchRuns, now_ms


class MlflowTracker:
    """Mirrors one search into MLflow.

    Args:
        database: Where to.
        log_model: Whether the best model is copied into the record.
        pause_s: Seconds between a failed attempt to write and the next one, at first.
    """

    def __init__(self, database: Database, *, log_model: bool = True, pause_s: float = 15) -> None:
        self._database = database
        self._log_model = log_model
        self._mirror = Mirror(_may_pass, pause_s=pause_s)
        self._runs: SearchRuns  # from search_started on
        self._is_open = False
        self._model_dir: Path | None = None

    def __enter__(self) -> Self:
        """The tracker itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the runs of a search that broke off before its summary."""
        if self._is_open:
            status = Status.FAILED if isinstance(error, Exception) else Status.INTERRUPTED
            reason = "" if error is None else str(error) or type(error).__name__
            self._mirror.write(partial(self._runs.break_off, status, reason, now_ms()))
            self._mirror.flush()
            self._is_open = False

    def closing_lines(self) -> tuple[str, ...]:
        """How to open the record, and the line that loads the best model from it."""
        opens = f"MLflow: make ui (python -m src.main job=ui), database in {self._database.folder}"
        return (opens, *(f"MLflow model: {line}" for line in self._loading_line()))

    def search_started(self, plan: SearchPlan) -> None:
        """Open the search's parent run: a new one, or that of the study that is resumed."""
        self._runs, self._is_open = SearchRuns(self._database, plan), True
        self._mirror.write(partial(self._runs.open, now_ms()))
        self._mirror.write(self._runs.log_config)

    def trial_started(self, spec: TrialSpec, why: str) -> None:
        """Open the trial's child run."""
        self._mirror.write(partial(self._runs.open_trial, spec, why, now_ms()))

    def epoch_ended(self, spec: TrialSpec, report: EpochReport) -> None:
        """Log the epoch's metrics at its step."""
        self._mirror.write(partial(self._runs.log_epochs, spec.number, (report,), now_ms()))

    def trial_paused(self, result: TrialResult) -> None:
        """Log what the trial has come to; its run stays open."""
        number, at_ms = result.spec.number, now_ms()
        self._mirror.write(partial(self._runs.log_epochs, number, result.epochs, at_ms))
        self._mirror.write(partial(self._runs.pause_trial, result, at_ms))

    def trial_resumed(self, spec: TrialSpec, why: str) -> None:
        """Go on with the trial's run."""
        self._mirror.write(partial(self._runs.resume_trial, spec, why, now_ms()))

    def trial_ended(self, result: TrialResult, is_best: bool) -> None:
        """Log what came of the trial and end its child run."""
        spec, at_ms = result.spec, now_ms()
        self._mirror.write(partial(self._runs.find_trial, spec, at_ms))
        self._mirror.write(partial(self._runs.log_epochs, spec.number, result.epochs, at_ms))
        self._mirror.write(partial(self._runs.close_trial, result, is_best, at_ms))
        if result.score is not None:
            score = partial(self._runs.log_score, spec.number, result.score, is_best, at_ms)
            self._mirror.write(score)

    def search_ended(self, summary: SearchSummary) -> None:
        """Log the plots, the best model and the summary, and end the parent run."""
        for path in summary.artifacts:
            self._mirror.write(partial(self._runs.log_plot, path))
        if summary.front:
            self._mirror.write(partial(self._runs.log_front, summary.front))
        if self._log_model:
            self._mirror.write(partial(self._copy_model, summary))
        self._mirror.write(partial(self._close, summary, now_ms()))
        self._mirror.flush()
        self._is_open = False

    def _copy_model(self, summary: SearchSummary) -> None:
        self._model_dir = log_best_model(self._database, self._runs.parent, summary)

    def _close(self, summary: SearchSummary, at_ms: int) -> None:
        lines = [f"Load the best model: `{line}`" for line in self._loading_line()]
        self._runs.close(summary, lines, at_ms)

    def _loading_line(self) -> tuple[str, ...]:
        """The one line, if there is a model to load."""
        if self._model_dir is None:
            return ()
        return (f'mlflow.pyfunc.load_model("{self._model_dir}").predict([...])',)


def _may_pass(error: Exception) -> bool:
    """Whether to try again later: a lock, a full disk; not a value that MLflow does not take."""
    if isinstance(error, MlflowException):
        return error.error_code == "TEMPORARILY_UNAVAILABLE"
    return isinstance(error, OSError)
