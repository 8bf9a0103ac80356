"""What a person sees of pretraining: how far a member is, and a line for each that is done."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

SAID_EVERY_S = 30.0  # where no terminal is


class PretrainConsole:
    """A bar for the member that is being built; plain lines where no terminal is.

    Args:
        console: Where to write; None: stdout.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console()
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("loss {task.fields[loss]:.3f}"),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task: TaskID | None = None
        self._said_s = time.monotonic()

    def __enter__(self) -> PretrainConsole:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def step(self, name: str, what: str, share: float, loss: float) -> None:
        """Show how far a member's stage is."""
        if self._console.is_terminal:
            if self._task is None:
                self._task = self._bar.add_task(name, total=1.0, loss=loss)
            self._bar.update(self._task, description=f"{name}: {what}", completed=share, loss=loss)
        elif time.monotonic() - self._said_s >= SAID_EVERY_S:
            self._say(f"{name}: {what}, {share:.0%} of the steps, loss {loss:.3f}")

    def line(self, text: str) -> None:
        """Say what became of a member."""
        if self._task is not None:
            self._bar.remove_task(self._task)
            self._task = None
        self._say(text)

    def _say(self, text: str) -> None:
        self._said_s = time.monotonic()
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)
