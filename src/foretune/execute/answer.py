"""How does a trial fail without taking down who runs it? Whatever it raises becomes a result."""

from __future__ import annotations

import logging
import time

from foretune.core import (
    Answer,
    EpochReport,
    Objective,
    OnEpoch,
    Resources,
    Status,
    TrialFailed,
    TrialResult,
    TrialSpec,
    mask_url,
)

logger = logging.getLogger(__name__)


def answer(objective: Objective, spec: TrialSpec, on_epoch: OnEpoch) -> TrialResult:
    """Run ``spec`` here and now; what ``objective`` raises becomes a result.

    An exception makes the trial FAILED with its reason, Ctrl-C makes it INTERRUPTED; the epochs
    that were finished, and the seconds, are kept.
    """
    epochs: list[EpochReport] = []

    def record(report: EpochReport) -> Answer | bool:
        epochs.append(report)
        return on_epoch(report)

    started = time.monotonic()
    try:
        return objective(spec, record)
    except KeyboardInterrupt:
        status, reason, no_memory = Status.INTERRUPTED, "interrupted", False
    except Exception as error:
        status, reason, no_memory = Status.FAILED, reason_of(error), is_out_of_memory(error)
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
        out_of_memory=no_memory,
        micro_batches=spec.micro_batches,
    )


def reason_of(error: BaseException) -> str:
    """Why a trial failed, in one line and without the credentials of a URL in it.

    >>> reason_of(MemoryError()), reason_of(ZeroDivisionError("by zero"))
    ('out of memory', 'ZeroDivisionError: by zero')
    """
    text = mask_url(" ".join(str(error).split()))
    if is_out_of_memory(error):
        return f"out of memory: {text}" if text else "out of memory"
    if isinstance(error, TrialFailed):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, a GPU's or the machine's."""
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
