"""How often was a trial lost, by no fault of its own, without getting any further?"""

from __future__ import annotations

from collections.abc import Sequence

from foretune.core import EpochReport

MAX_LOSSES = 3  # of one trial, by someone else and without an epoch in between (taste)


class Losses:
    """Counts, by trial."""

    def __init__(self) -> None:
        self._counts: dict[int, tuple[int, int]] = {}  # how often, after which epoch

    def times(self, number: int, reports: Sequence[EpochReport]) -> int:
        """Count a loss of trial ``number`` that had reported these epochs; how many in a row."""
        reached = max((report.epoch for report in reports), default=0)
        n, before = self._counts.get(number, (0, -1))
        n = n + 1 if reached <= before else 1
        self._counts[number] = n, max(reached, before)
        return n

    def forget(self, number: int) -> None:
        """The trial has ended."""
        self._counts.pop(number, None)
