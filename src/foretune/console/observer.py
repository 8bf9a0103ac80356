"""What does a person see of a search? What is about to happen, a line a trial, what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.table import Table
from rich.text import Text

from foretune.console import wording
from foretune.console.live import Foot, LiveFoot, NoFoot
from foretune.console.progress import Progress
from foretune.console.rows import Columns
from foretune.core import EpochReport, SearchPlan, SearchSummary, Status, TrialResult, TrialSpec

LABEL = 14  # columns of a labelled line's label


def _no_lines() -> Iterable[str]:
    return ()


class ConsoleObserver:
    """Shows one search. A context, so that the screen is left in order however the search ends.

    On a terminal each trial's line stays, and the running trial and a progress bar are redrawn
    below them; elsewhere every line is plain, whole, and printed once.

    Args:
        console: Where to; stdout by default.
        closing_lines: Asked for what else to say at the end (where the record is).
    """

    def __init__(
        self,
        console: Console | None = None,
        *,
        closing_lines: Callable[[], Iterable[str]] = _no_lines,
    ) -> None:
        self._console = console or Console()
        self._closing_lines = closing_lines
        self._is_live = self._console.is_terminal and not self._console.is_dumb_terminal
        self._foot: Foot = NoFoot()
        self._plan: SearchPlan  # these three: from search_started on
        self._columns: Columns
        self._progress: Progress
        self._why: dict[int, str] = {}  # of the trials that run

    def __enter__(self) -> Self:
        """The observer itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the screen."""
        self._foot.stop()

    def search_started(self, plan: SearchPlan) -> None:
        """Say what is about to happen, and begin the table of trials."""
        self._plan = plan
        self._progress = Progress(plan.budget, n_done=plan.n_done, seconds_done=plan.seconds_done)
        self._columns = Columns(
            plan.task,
            plan.models,
            width=self._console.width if self._is_live else None,
            ascii_only=self._console.options.ascii_only,
        )
        for label, text in wording.opening(plan):
            self._say(label, text, style="bold yellow" if text.startswith(wording.STAND_IN) else "")
        self._console.print()
        self._console.print(self._columns.head(), soft_wrap=True)
        if self._is_live:
            self._foot = LiveFoot(self._console, self._columns, self._progress)

    def trial_started(self, spec: TrialSpec, why: str) -> None:
        """Show the trial as a running one."""
        self._why[spec.number] = why
        self._foot.trial(spec, why)

    def epoch_ended(self, spec: TrialSpec, report: EpochReport) -> None:
        """Show how far the running trial is."""
        self._foot.epoch(spec, report)

    def trial_paused(self, result: TrialResult) -> None:
        """Print that the trial was put aside, when and why."""
        self._foot.ended(result.spec, "choosing what goes on")
        line = self._columns.trial(result, "", is_best=False)
        self._console.print(line, soft_wrap=True, highlight=False)

    def trial_resumed(self, spec: TrialSpec, why: str) -> None:
        """Show the trial as a running one again."""
        self._why[spec.number] = why
        self._foot.trial(spec, why)

    def trial_ended(self, result: TrialResult, is_best: bool) -> None:
        """Print the trial's line, and its failure's reason in full."""
        why = self._why.pop(result.spec.number, "")
        self._progress.n_done += result.status is not Status.INTERRUPTED
        is_over = self._plan.budget.spent(self._progress.n_done, self._progress.seconds)
        what = "testing the best model" if is_over else "choosing the next trial"
        self._foot.ended(result.spec, what)
        line = self._columns.trial(result, why, is_best=is_best)
        self._console.print(line, soft_wrap=True, highlight=False)
        if result.status is Status.FAILED and result.reason not in line.plain:
            self._say("", result.reason, style="red")

    def search_ended(self, summary: SearchSummary) -> None:
        """Say what was found, where it is and how to go on."""
        self._foot.stop()
        self._console.print()
        for label, text in wording.closing(self._plan, summary):
            self._say(label, text, style="bold" if label in ("Best", "Test") else "")
        for line in self._closing_lines():
            label, _, text = line.partition(": ")
            self._say(label, text)

    def _say(self, label: str, text: str, *, style: str = "") -> None:
        """A labelled line; a terminal wraps it under itself, unless it is there to be copied."""
        is_copied = "load_model(" in text
        if self._is_live and not is_copied:
            grid = Table.grid(padding=(0, 0))
            grid.add_column(width=LABEL, style="bold cyan")
            grid.add_column(overflow="fold")
            grid.add_row(Text(label), Text(text, style=style))
            self._console.print(grid)
        else:
            line = Text.assemble((label.ljust(LABEL), "bold cyan"), (text, style))
            self._console.print(line, soft_wrap=True, highlight=False)
