"""What a person sees of a benchmark that runs: how far it is, and what it does."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as LeftColumn

SAID_EVERY_S = 30.0  # where no terminal is


class BenchmarkConsole:
    """A bar over all parts; plain lines where no terminal is.

    Args:
        console: Where to write; None: stdout.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console()
        self._bar = Progress(
            TextColumn("benchmark"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            LeftColumn(),
            TextColumn("{task.description}"),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("", total=None)
        self._began_s = self._said_s = time.monotonic()

    def __enter__(self) -> BenchmarkConsole:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def step(self, done: int, total: int, what: str) -> None:
        """Show how far it is; ``what`` is done."""
        if self._console.is_terminal:
            self._bar.update(self._task, completed=done, total=total, description=what)
        elif time.monotonic() - self._said_s >= SAID_EVERY_S or done == total:
            self._said_s = time.monotonic()
            self.line(f"{done} of {total} parts, {self._said_s - self._began_s:.0f} s: {what}")

    def line(self, text: str) -> None:
        """Say something."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)
