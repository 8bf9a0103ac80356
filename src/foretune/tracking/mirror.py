"""How are a search's events written to a store that may fail, without failing the search?"""

from __future__ import annotations

import logging
import re
import time
from collections import deque
from collections.abc import Callable

_SQLITE = re.compile(r"\(sqlite3\.\w+\) (.+?)(?: \[SQL| \(Background|$)")
_LOG = logging.getLogger(__name__)

Step = Callable[[], None]


def reason(error: Exception) -> str:
    """What an error of MLflow, SQLAlchemy or the disk comes down to, on one line.

    >>> reason(OSError("(sqlite3.OperationalError) database is locked [SQL: INSERT INTO runs ..."))
    'database is locked'
    """
    text = " ".join(str(error).split())
    found = _SQLITE.search(text)
    return (found[1] if found else text)[:200] or type(error).__name__


class Mirror:
    """Writes steps in order; where the store is away, they wait and are tried again later.

    The first trouble is one warning, the rest is silent until ``flush`` says what was lost. A
    failed attempt may have waited for a lock, so the next one is not made before a pause is over.

    Args:
        is_passing: Whether an error may pass (locked, disk full); after any other one the step is
            given up, so that it does not hold up those behind it.
        pause_s: Seconds between a failed attempt and the next; doubled each time, at most 64-fold
            (by taste: a search of minutes gets some attempts, one of days is not held up).
    """

    def __init__(self, is_passing: Callable[[Exception], bool], *, pause_s: float = 15.0) -> None:
        self._is_passing = is_passing
        self._n_lost = 0
        self._waiting: deque[Step] = deque()
        self._first_pause_s = pause_s
        self._pause_s = pause_s
        self._not_before_s = 0.0
        self._warned = False

    def write(self, step: Step) -> None:
        """Write ``step``, after those that wait; never raises but at a keyboard interrupt."""
        self._waiting.append(step)
        if time.monotonic() >= self._not_before_s:
            self._drain()

    def flush(self) -> None:
        """Try once more to write what waits, and say how much could not be written."""
        self._drain()
        if lost := self._n_lost + len(self._waiting):
            _LOG.warning("MLflow: %d records of this search were not written", lost)
            self._waiting.clear()
            self._n_lost = 0

    def _drain(self) -> None:
        while self._waiting:
            try:
                self._waiting[0]()
            except Exception as error:  # whatever a database and a disk can raise
                self._warn(error)
                if self._is_passing(error):
                    self._not_before_s = time.monotonic() + self._pause_s
                    self._pause_s = min(2 * self._pause_s, 64 * self._first_pause_s)
                    return
                self._n_lost += 1
            self._waiting.popleft()
        self._pause_s = self._first_pause_s

    def _warn(self, error: Exception) -> None:
        if not self._warned:
            _LOG.warning("MLflow cannot be written, the search goes on: %s", reason(error))
            self._warned = True
        _LOG.debug("MLflow cannot be written", exc_info=error)
