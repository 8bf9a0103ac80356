"""What does a search learn of its trials' seconds beside the trials themselves?"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping

from foretune.core import (
    FORESEEN_S,
    Executor,
    NullObserver,
    ParamValue,
    SearchSummary,
    Status,
    TrialResult,
    TrialSpec,
)
from foretune.search.forecast import TimeStep


def rehearsal(executor: Executor) -> TimeStep:
    """Times a few steps of a point where trials run, which also warms up the first worker."""

    def time_step(point: Mapping[str, ParamValue]) -> float | None:
        executor.submit(TrialSpec(number=-1, params=point, seed=0, rehearses=True))
        try:
            result = executor.next_result(lambda spec, report: True)
        except KeyboardInterrupt:
            executor.cancel()
            raise
        return result.metrics.get(FORESEEN_S)

    return time_step


class Stopwatch(NullObserver):
    """Takes the seconds of the trials that end well."""

    def __init__(self) -> None:
        self._took_s: list[float] = []

    def trial_ended(self, result: TrialResult, is_best: bool) -> None:
        """Note what the trial took."""
        if result.status in (Status.COMPLETED, Status.PRUNED) and result.resources.seconds > 0:
            self._took_s.append(result.resources.seconds)

    def written_into(self, summary: SearchSummary) -> SearchSummary:
        """The summary, with the trials' mean seconds."""
        if not self._took_s:
            return summary
        return dataclasses.replace(summary, trial_s=statistics.fmean(self._took_s))
