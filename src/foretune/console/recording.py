"""How does a recording show how far it is? One line a task and round."""

from __future__ import annotations

from rich.console import Console


class RecordConsole:
    """Prints lines with the time since the start.

    Args:
        console: Where to; None: standard output.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console()

    def line(self, text: str) -> None:
        """Print one line."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)
