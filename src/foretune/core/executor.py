"""Where trials run, as a search sees it: hand some over, take back whichever ends first."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from foretune.core.trial import Answer, EpochReport, TrialResult, TrialSpec

OnReport = Callable[[TrialSpec, EpochReport], Answer | bool]
"""Called after each epoch of any running trial; its answer says what that trial should do."""


class Executor(Protocol):
    """Runs trials, up to ``n_workers`` of them at a time. A context, that ends what it started."""

    @property
    def n_workers(self) -> int:
        """How many trials may run at a time."""
        ...

    @property
    def is_isolated(self) -> bool:
        """Whether the search's own process survives whatever a trial does."""
        ...

    def submit(self, spec: TrialSpec) -> None:
        """Take a trial on; fewer than ``n_workers`` are running.

        Raises:
            ForetuneError: No trial can be run here any more; says why.
        """
        ...

    def next_result(self, on_report: OnReport) -> TrialResult:
        """Wait until one of the submitted trials has ended, and say what came of it.

        Whatever goes wrong inside a trial is a result. An epoch that is reported twice belongs to
        a trial that was begun again.
        """
        ...

    def cancel(self) -> None:
        """Stop every running trial at once, without a result."""
        ...

    def __enter__(self) -> Self:
        """The executor itself."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End what was started."""
        ...
