"""How does a trial run in the searching process itself, and fail without taking it down?"""

from __future__ import annotations

import logging
import time

from foretune.core import (
    EpochReport,
    Objective,
    OnEpoch,
    Resources,
    Status,
    TrialFailed,
    TrialResult,
    TrialSpec,
)

logger = logging.getLogger(__name__)


class InlineExecutor:
    """An objective that always answers: whatever the inner one raises becomes a result.

    An exception makes the trial FAILED with its reason, Ctrl-C makes it INTERRUPTED; the epochs
    that were finished, and the seconds, are kept.

    Args:
        objective: What trains.
    """

    def __init__(self, objective: Objective) -> None:
        self._objective = objective

    def __call__(self, spec: TrialSpec, on_epoch: OnEpoch) -> TrialResult:
        """Run ``spec`` here and now."""
        epochs: list[EpochReport] = []

        def record(report: EpochReport) -> bool:
            epochs.append(report)
            return on_epoch(report)

        started = time.monotonic()
        try:
            return self._objective(spec, record)
        except KeyboardInterrupt:
            status, reason = Status.INTERRUPTED, "interrupted"
        except Exception as error:
            status, reason = Status.FAILED, reason_of(error)
            if not isinstance(error, TrialFailed):
                logger.warning("trial %d failed: %s", spec.number, reason)
                logger.debug("trial %d", spec.number, exc_info=True)
        best = max(epochs, key=lambda report: report.score, default=None)
        failed = status is Status.FAILED
        return TrialResult(
            spec=spec,
            status=status,
            score=None if failed or best is None else best.score,
            metrics=best.metrics if best is not None else {},
            epochs=tuple(epochs),
            resources=Resources(seconds=time.monotonic() - started),
            reason=reason,
        )


def reason_of(error: BaseException) -> str:
    """Why a trial failed, in one line.

    >>> reason_of(MemoryError()), reason_of(ZeroDivisionError("by zero"))
    ('out of memory', 'ZeroDivisionError: by zero')
    """
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return f"out of memory: {text}" if text else "out of memory"
    if isinstance(error, TrialFailed):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
