"""How do trials run in worker processes that may hang, crash or be killed, and the search goes on?

One thread of control: it listens to the workers' pipes, answers their reports and enforces the
limits. Workers stay from trial to trial and keep what they have loaded.
"""

from __future__ import annotations

import contextlib
import logging
import pickle
import signal
import time
from collections import deque
from multiprocessing.connection import wait
from multiprocessing.reduction import ForkingPickler
from types import TracebackType
from typing import Self

from foretune.core import (
    EpochReport,
    ForetuneError,
    OnReport,
    Status,
    TrialResult,
    TrialSpec,
    format_duration,
)
from foretune.execute.losses import MAX_LOSSES, Losses
from foretune.execute.memory import kernel_kills, with_less_memory
from foretune.execute.messages import Began, Broken, Hello, Logged, Recipe
from foretune.execute.remote import RemoteWorker, Task

logger = logging.getLogger(__name__)

MEMORY_WATCH_S = 0.5
STARTS_WITHIN_S = 900.0  # a large data set off a slow disk; more is a hang (taste)
MAX_DEATHS = 5  # of workers in a row, without a trial in between (taste)
FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class WorkersDied(ForetuneError):
    """Worker after worker dies; says how."""


class ProcessExecutor:
    """Runs trials in worker processes.

    A worker's death is a result: crashed, the trial is FAILED; killed for its time, it is PRUNED
    and censored; killed for its memory, or out of it, it runs once more with each batch in two
    parts and is then FAILED; killed by someone else, it runs again as it was.

    Args:
        recipe: Makes the objective in a worker; can be pickled, or was (bytes).
        n_workers: Trials at a time.
        timeout_s: Seconds a trial may take; None: no limit.
        memory_mb: MiB that a worker may hold; None: no limit.
    """

    is_isolated = True

    def __init__(
        self,
        recipe: Recipe | bytes,
        *,
        n_workers: int = 1,
        timeout_s: float | None = None,
        memory_mb: float | None = None,
    ) -> None:
        self.n_workers = n_workers
        self._recipe = recipe if isinstance(recipe, bytes) else pickled(recipe)
        self._timeout_s, self._memory_mb = timeout_s, memory_mb
        self._workers: dict[int, RemoteWorker] = {}
        self._ended: deque[TrialResult] = deque()
        self._losses = Losses()
        self._deaths: list[str] = []

    def submit(self, spec: TrialSpec) -> None:
        """Give ``spec`` to a free worker, started where there is none.

        Raises:
            WorkersDied: The last ``MAX_DEATHS`` workers died without a trial in between.
        """
        if len(self._deaths) >= MAX_DEATHS:
            how = "; ".join(dict.fromkeys(self._deaths))
            raise WorkersDied(
                f"the last {len(self._deaths)} workers died: {how}."
                " Mend the cause and run the same command again; executor=inline trains in the"
                " searching process, where a debugger sees it"
            )
        free = next(k for k in range(self.n_workers) if self._is_free(k))
        if free not in self._workers:
            self._workers[free] = RemoteWorker(free, self._recipe)
        self._workers[free].give(spec)

    def next_result(self, on_report: OnReport) -> TrialResult:
        """Listen to the workers until a trial has ended.

        Raises:
            ForetuneError: The workers cannot make the objective.
        """
        while not self._ended:
            assert self._busy, "expected a submitted trial"
            ready = wait(
                [w.pipe for w in self._busy] + [w.sentinel for w in self._busy], self._patience_s()
            )
            for worker in self._busy:
                if worker.pipe in ready:
                    self._listen(worker, on_report)
                elif worker.sentinel in ready:
                    self._died(worker)
            for worker in self._busy:
                self._limit(worker)
        return self._ended.popleft()

    def cancel(self) -> None:
        """Kill every worker that runs a trial."""
        for worker in self._busy:
            self._drop(worker).kill()
        self._ended.clear()

    def __enter__(self) -> Self:
        """The executor itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Kill every worker."""
        for worker in list(self._workers.values()):
            self._drop(worker).kill()

    @property
    def _busy(self) -> list[RemoteWorker]:
        return [worker for worker in self._workers.values() if worker.task is not None]

    def _is_free(self, index: int) -> bool:
        """Whether there is room for a trial at ``index``; a worker that died idle is replaced."""
        worker = self._workers.get(index)
        if worker is None or worker.task is not None:
            return worker is None
        if wait([worker.sentinel], 0):
            self._drop(worker).bury()
        return True

    def _listen(self, worker: RemoteWorker, on_report: OnReport) -> None:
        task = worker.task
        assert task is not None
        match worker.listen():
            case None:
                self._died(worker)
            case Hello(guardian):
                worker.make_ready(guardian)
            case Began():
                task.began_s = time.monotonic()
            case Logged(name, level, text):
                logging.getLogger(name).log(level, "%s", text)
            case EpochReport() as report:
                task.reports.append(report)
                worker.say(on_report(task.spec, report))
            case TrialResult() as result:
                self._deaths.clear()
                worker.task = None
                self._end(result)
            case Broken(error):
                self._drop(worker).kill()
                raise error

    def _patience_s(self) -> float | None:
        """Seconds until a limit must be looked at; None: nothing to look at."""
        times = [] if self._memory_mb is None else [MEMORY_WATCH_S]
        for worker in self._busy:
            assert worker.task is not None
            limit = self._limit_s(worker.task)
            if limit is not None:
                times.append(max(limit, 0.0))
        return min(times, default=None)

    def _limit_s(self, task: Task) -> float | None:
        """Seconds that the task has left, to start or to end."""
        if task.began_s is None:
            return task.given_s + STARTS_WITHIN_S - time.monotonic()
        return None if self._timeout_s is None else self._timeout_s - task.seconds

    def _limit(self, worker: RemoteWorker) -> None:
        """Kill a worker that has had its time or more than its memory."""
        task = worker.task
        assert task is not None
        left = self._limit_s(task)
        if left is not None and left <= 0:
            self._drop(worker).kill()
            if task.began_s is None:
                self._fail(task, f"its worker did not start within {STARTS_WITHIN_S:.0f} s")
            else:
                self._time_out(task)
        elif self._memory_mb is not None and (held := worker.resident_mb()) > self._memory_mb:
            self._drop(worker).kill()
            limit = f"executor.memory_mb={self._memory_mb:.0f}"
            self._fail(task, f"out of memory: {held:.0f} MiB, more than {limit}", no_memory=True)

    def _died(self, worker: RemoteWorker) -> None:
        """What becomes of the trial of a worker that ended by itself."""
        code = self._drop(worker).bury()
        task = worker.task
        assert task is not None
        self._deaths.append(how := _how(code))
        logger.warning("trial %d: worker %d %s", task.spec.number, worker.index, how)
        if code == -signal.SIGKILL and kernel_kills() > task.oom_kills:
            reason = f"out of memory: the worker {how} by the system's OOM killer"
            self._fail(task, reason, no_memory=True)
        elif -code not in FROM_OUTSIDE or len(self._deaths) >= MAX_DEATHS:
            self._fail(task, f"the worker {how}")
        elif (times := self._losses.times(task.spec.number, task.reports)) > MAX_LOSSES:
            doubt = how.replace(")", "; out of memory?)")
            self._fail(task, f"the worker {doubt}, {MAX_LOSSES + 1} times in a row")
        else:
            if times == 1:  # it got further than the one before, or nothing is known of it yet
                self._deaths.clear()
            self.submit(task.spec)

    def _time_out(self, task: Task) -> None:
        assert self._timeout_s is not None
        reason = f"timed out after {format_duration(self._timeout_s)}"
        if not task.reports:
            self._fail(task, f"{reason}, before its first epoch ended")
            return
        last = task.reports[-1]
        self._end(
            TrialResult(
                spec=task.spec,
                status=Status.PRUNED,
                score=last.score,
                metrics=last.metrics,
                epochs=tuple(task.reports),
                resources=task.resources,
                reason=reason,
                censored=True,
                micro_batches=task.spec.micro_batches,
            )
        )

    def _fail(self, task: Task, reason: str, *, no_memory: bool = False) -> None:
        result = TrialResult(
            spec=task.spec,
            status=Status.FAILED,
            score=None,
            epochs=tuple(task.reports),
            resources=task.resources,
            reason=reason,
            out_of_memory=no_memory,
            micro_batches=task.spec.micro_batches,
        )
        self._end(result)

    def _end(self, result: TrialResult) -> None:
        """Give the result out, unless the trial runs once more for want of memory."""
        smaller = with_less_memory(result)
        if smaller is not None and len(self._deaths) < MAX_DEATHS:
            self.submit(smaller)
        else:
            self._losses.forget(result.spec.number)
            self._ended.append(result)

    def _drop(self, worker: RemoteWorker) -> RemoteWorker:
        """Forget the worker, which is about to be killed or buried."""
        with contextlib.suppress(KeyError):
            del self._workers[worker.index]
        return worker


def pickled(recipe: Recipe) -> bytes:
    """The recipe as it goes to a worker."""
    return bytes(ForkingPickler.dumps(recipe, pickle.HIGHEST_PROTOCOL))


def _how(code: int) -> str:
    """How a process ended.

    >>> _how(-9), _how(3)
    ('was killed by signal 9 (SIGKILL)', 'exited with code 3')
    """
    if code >= 0:
        return f"exited with code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = "unknown"
    return f"was killed by signal {-code} ({name})"
