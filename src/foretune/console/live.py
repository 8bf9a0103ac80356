"""What stays at the foot of a terminal while a search runs: the running trial and the progress."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Protocol

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.text import Text

from foretune.console.progress import Progress
from foretune.console.rows import Columns
from foretune.core import EpochReport, TrialSpec

REFRESHES_PER_SECOND = 4  # by taste: the seconds run smoothly, at no cost that can be measured


class Foot(Protocol):
    """The part of the screen below the lines that were printed."""

    def trial(self, spec: TrialSpec, why: str) -> None:
        """A trial starts."""
        ...

    def epoch(self, report: EpochReport) -> None:
        """Its epoch ended."""
        ...

    def idle(self, what: str) -> None:
        """No trial runs; ``what`` says what does."""
        ...

    def stop(self) -> None:
        """Leave the screen."""
        ...


class NoFoot:
    """Shows nothing: stdout is no terminal."""

    def trial(self, spec: TrialSpec, why: str) -> None:
        """Ignore."""

    def epoch(self, report: EpochReport) -> None:
        """Ignore."""

    def idle(self, what: str) -> None:
        """Ignore."""

    def stop(self) -> None:
        """Ignore."""


class LiveFoot:
    """Redraws the running trial's line and a progress bar, whose seconds run on by themselves."""

    def __init__(self, console: Console, columns: Columns, progress: Progress) -> None:
        self._columns = columns
        self._progress = progress
        self._idle = "starting"
        self._spec: TrialSpec | None = None  # of the running trial
        self._why = ""
        self._report: EpochReport | None = None
        self._since_s = 0.0
        self._live = Live(
            self, console=console, refresh_per_second=REFRESHES_PER_SECOND, transient=True
        )
        self._screen = ExitStack()
        self._screen.enter_context(self._live)
        self._screen.enter_context(_logs_above_live())

    def trial(self, spec: TrialSpec, why: str) -> None:
        """Show the trial's line."""
        self._spec, self._why, self._report = spec, why, None
        self._since_s = time.monotonic()
        self._live.refresh()

    def epoch(self, report: EpochReport) -> None:
        """Show the epoch and its score in the trial's line."""
        self._report = report
        self._live.refresh()

    def idle(self, what: str) -> None:
        """Show ``what`` in place of a trial."""
        self._spec, self._idle = None, what
        self._live.refresh()

    def stop(self) -> None:
        """Leave the screen and give the log its stream back; a second time does nothing."""
        self._screen.close()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The trial's line and the progress."""
        if self._spec is None:
            yield Text(f"     {self._idle}", style="dim")
        else:
            seconds = time.monotonic() - self._since_s
            yield self._columns.running(self._spec, self._why, report=self._report, seconds=seconds)
        text = self._progress.text()
        width = min(options.max_width - len(text) - 4, 40)
        if width >= 10:
            bar = ProgressBar(total=1.0, completed=self._progress.fraction, width=width)
            yield from bar.__rich_console__(console, options)
        yield Text(f"  {text}", overflow="ellipsis", no_wrap=True)


@contextmanager
def _logs_above_live() -> Iterator[None]:
    """Send the log's lines above the foot.

    A handler holds the stream that it was made with, not the one that ``Live`` puts in place.
    """
    moved = [
        (handler, handler.setStream(sys.stderr))
        for handler in logging.getLogger().handlers
        if type(handler) is logging.StreamHandler
        and handler.stream in (sys.__stdout__, sys.__stderr__)
    ]
    try:
        yield
    finally:
        for handler, stream in moved:
            if stream is not None:
                handler.setStream(stream)
