"""How does a trial run in the searching process itself? For debugging: nothing can be killed."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from foretune.core import Objective, OnReport, TrialResult, TrialSpec
from foretune.execute.answer import answer
from foretune.execute.memory import with_less_memory


class InlineExecutor:
    """Runs one trial at a time, here, when its result is waited for.

    Args:
        objective: What trains.
    """

    n_workers = 1
    is_isolated = False

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self._spec: TrialSpec | None = None

    def submit(self, spec: TrialSpec) -> None:
        """Take ``spec`` on."""
        self._spec = spec

    def next_result(self, on_report: OnReport) -> TrialResult:
        """Run the submitted trial; once more, in smaller parts, where memory ran out."""
        spec, self._spec = self._spec, None
        assert spec is not None, "expected a submitted trial"
        result = answer(self._objective, spec, lambda report: on_report(spec, report))
        smaller = with_less_memory(result)
        if smaller is None:
            return result
        return answer(self._objective, smaller, lambda report: on_report(smaller, report))

    def cancel(self) -> None:
        """Forget what was submitted; nothing runs beside this process."""
        self._spec = None

    def __enter__(self) -> Self:
        """The executor itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing to end."""
