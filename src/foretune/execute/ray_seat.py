"""What stands for the search on a node of a Ray cluster? An actor with a worker process of its own.

The trial does not run in the actor: the worker beside it is the same as on the searching machine,
so limits, crashes and want of memory end in the same results, by the same code; and it ends with
the actor, whatever ends that.
"""

from __future__ import annotations

import logging
import platform
import threading
from collections.abc import Sequence
from queue import SimpleQueue

from foretune.core import Answer, EpochReport, ForetuneError, TrialResult, TrialSpec
from foretune.execute.messages import Began, Broken, Logged
from foretune.execute.process import ProcessExecutor
from foretune.execute.server import start_server

FromSeat = Began | Broken | Logged | EpochReport | TrialResult


class Seat:
    """Runs one trial at a time; each call waits for the next thing to be said of it, and says it.

    Args:
        recipe: The pickled recipe of the objective.
        timeout_s: Seconds a trial may take; None: no limit.
        memory_mb: MiB that its worker may hold; None: no limit.
        preload: Modules that the worker's server imports at once.
    """

    def __init__(
        self,
        recipe: bytes,
        timeout_s: float | None,
        memory_mb: float | None,
        preload: Sequence[str],
    ) -> None:
        start_server(preload)
        self._executor = ProcessExecutor(recipe, timeout_s=timeout_s, memory_mb=memory_mb)
        self._heard: SimpleQueue[FromSeat] = SimpleQueue()
        self._answers: SimpleQueue[Answer | bool] = SimpleQueue()
        logging.getLogger().addHandler(_ToSearch(self._heard))

    def run(self, spec: TrialSpec) -> FromSeat:
        """Take a trial on; says that it did."""
        threading.Thread(target=self._run, args=(spec,), daemon=True, name="trial").start()
        return Began()

    def listen(self, answer: Answer | bool | None = None) -> FromSeat:
        """The next message; ``answer`` is to the last one, if that was an epoch's report."""
        if answer is not None:
            self._answers.put(answer)
        return self._heard.get()

    def _run(self, spec: TrialSpec) -> None:
        try:
            self._executor.submit(spec)
            self._heard.put(self._executor.next_result(self._report))
        except ForetuneError as error:
            self._heard.put(Broken(error))
        except Exception as error:  # the search must hear of it, and not wait
            what = f"the seat on {platform.node()}: {type(error).__name__}: {error}"
            self._heard.put(Broken(ForetuneError(what)))

    def _report(self, spec: TrialSpec, report: EpochReport) -> Answer | bool:
        self._heard.put(report)
        return self._answers.get()


class _ToSearch(logging.Handler):
    """Sends the node's log lines to the search."""

    def __init__(self, heard: SimpleQueue[FromSeat]) -> None:
        super().__init__(logging.WARNING)
        self._heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        text = f"{platform.node()}: {record.getMessage()}"
        self._heard.put(Logged(record.name, record.levelno, text))
