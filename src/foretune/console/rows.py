"""How does a trial fit on one line, at any width?"""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from foretune.console import wording
from foretune.core import EpochReport, Status, TaskInfo, TrialResult, TrialSpec

GAP = "  "
RIGHT = (True, False, False, True, True)  # which cells are aligned to the right
STYLES = {
    Status.COMPLETED: "",
    Status.PRUNED: "dim",
    Status.PAUSED: "blue",
    Status.FAILED: "red",
    Status.INTERRUPTED: "yellow",
}


NUMBER, SCORE, SECONDS = 3, 8, 6  # columns; a longer metric's name widens its own
PLAIN_CONFIGURATION = 92  # where nothing is cut; holds all of the practical space's parameters


class Columns:
    """The columns of the table of trials and how wide they are.

    Args:
        task: The task whose metric heads the scores.
        models: The models that the space holds.
        width: Columns of the terminal; None: no limit, nothing is cut.
        ascii_only: Whether the terminal takes nothing but ASCII.
    """

    def __init__(
        self, task: TaskInfo, models: Sequence[str], *, width: int | None, ascii_only: bool
    ) -> None:
        self._task = task
        self._is_cut = width is not None
        self._mark, self._more = ("*", "~") if ascii_only else ("★", "…")
        model = min(max([5, *map(cell_len, models)]), 18)
        score = max(SCORE, cell_len(task.metric))
        if width is None:
            configuration, note = PLAIN_CONFIGURATION, 0
        else:
            rest = max(width - NUMBER - model - score - SECONDS - 5 * len(GAP), 20)
            note = min(rest * 2 // 5, 40)
            configuration = rest - note
        self._widths = (NUMBER, model, configuration, score, SECONDS, note)

    def head(self) -> Text:
        """The line above the first trial."""
        return self._line("#", "model", "configuration", self._task.metric, "time", "note", "bold")

    def trial(self, result: TrialResult, why: str, *, is_best: bool) -> Text:
        """The line of a trial that ended; the note says how it ended, or why it was chosen."""
        status = result.status
        score = "-" if result.score is None else wording.metric(self._task, result.score)
        return self._line(
            *_identity(result.spec),
            f"{self._mark} {score}" if is_best else score,
            wording.seconds(result.resources.seconds),
            why if status is Status.COMPLETED else f"{status.value}: {result.reason}",
            "bold green" if is_best else STYLES[status],
        )

    def running(
        self, spec: TrialSpec, why: str, *, report: EpochReport | None, seconds: float
    ) -> Text:
        """The line of the trial that runs; ``report`` is of its last epoch, if one has ended."""
        score, epoch = "", "starting"
        if report is not None:
            of_epochs = f"/{spec.params['epochs']}" if "epochs" in spec.params else ""
            score = wording.metric(self._task, report.score)
            epoch = f"epoch {report.epoch}{of_epochs}"
        note = f"{epoch}, {why}" if why else epoch
        return self._line(*_identity(spec), score, wording.seconds(seconds), note, "cyan")

    def _line(self, *cells_and_style: str) -> Text:
        *cells, note, style = cells_and_style
        fitted = [
            self._fit(text, size, to_right=to_right)
            for text, size, to_right in zip(cells, self._widths, RIGHT, strict=False)
        ]
        note = self._fit(note, self._widths[-1], to_right=False)
        return Text(GAP.join([*fitted, note]).rstrip(), style=style)

    def _fit(self, text: str, size: int, *, to_right: bool) -> str:
        """``text`` padded to ``size`` columns, and cut where there is a limit."""
        free = size - cell_len(text)
        if free < 0 and self._is_cut:
            return set_cell_size(text, size - 1) + self._more
        return " " * free + text if to_right else text + " " * free


def _identity(spec: TrialSpec) -> tuple[str, str, str]:
    model = str(spec.params.get("model", "-"))
    return str(spec.number), model, wording.configuration(spec.params)
