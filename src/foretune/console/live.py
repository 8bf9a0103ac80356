"""What stays at the foot of a terminal while a search runs: the running trials and the progress."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
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

    def epoch(self, spec: TrialSpec, report: EpochReport) -> None:
        """Its epoch ended."""
        ...

    def ended(self, spec: TrialSpec, what: str) -> None:
        """The trial ended; where no other one runs, ``what`` says what happens now."""
        ...

    def stop(self) -> None:
        """Leave the screen."""
        ...


class NoFoot:
    """Shows nothing: stdout is no terminal."""

    def trial(self, spec: TrialSpec, why: str) -> None:
        """Ignore."""

    def epoch(self, spec: TrialSpec, report: EpochReport) -> None:
        """Ignore."""

    def ended(self, spec: TrialSpec, what: str) -> None:
        """Ignore."""

    def stop(self) -> None:
        """Ignore."""


@dataclass
class _Running:
    """A trial that runs."""

    spec: TrialSpec
    why: str
    since_s: float = field(default_factory=time.monotonic)
    report: EpochReport | None = None


class LiveFoot:
    """Redraws the running trials' lines and a progress bar, whose seconds run on by themselves."""

    def __init__(self, console: Console, columns: Columns, progress: Progress) -> None:
        self._columns = columns
        self._progress = progress
        self._idle = "starting"
        self._running: dict[int, _Running] = {}  # by trial number
        self._live = Live(
            self, console=console, refresh_per_second=REFRESHES_PER_SECOND, transient=True
        )
        self._screen = ExitStack()
        self._screen.enter_context(self._live)
        self._screen.enter_context(_logs_above_live())

    def trial(self, spec: TrialSpec, why: str) -> None:
        """Show the trial's line."""
        self._running[spec.number] = _Running(spec, why)
        self._live.refresh()

    def epoch(self, spec: TrialSpec, report: EpochReport) -> None:
        """Show the epoch and its score in the trial's line."""
        if spec.number in self._running:
            self._running[spec.number].report = report
        self._live.refresh()

    def ended(self, spec: TrialSpec, what: str) -> None:
        """Take the trial's line away; where it was the last, ``what`` stands in its place."""
        self._running.pop(spec.number, None)
        self._idle = what
        self._live.refresh()

    def stop(self) -> None:
        """Leave the screen and give the log its stream back; a second time does nothing."""
        self._screen.close()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The trials' lines and the progress."""
        if not self._running:
            yield Text(f"     {self._idle}", style="dim")
        for one in list(self._running.values()):
            seconds = time.monotonic() - one.since_s
            yield self._columns.running(one.spec, one.why, report=one.report, seconds=seconds)
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
