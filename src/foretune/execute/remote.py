"""One worker as the search holds it: started, spoken to, listened to, killed with its children."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from dataclasses import dataclass, field

from foretune.core import Answer, EpochReport, Resources, TrialSpec
from foretune.execute.memory import kernel_kills, resident_mb
from foretune.execute.messages import FromWorker
from foretune.execute.server import context
from foretune.execute.worker import work

logger = logging.getLogger(__name__)

DIES_WITHIN_S = 5.0


@dataclass
class Task:
    """A trial that a worker has.

    Attributes:
        spec: The trial.
        given_s: When the worker got it (monotonic).
        began_s: When it began it; None: the worker is still starting.
        reports: The epochs so far.
        oom_kills: What Linux's OOM killer had ended before.
        peak_mb: The most that the worker was seen to hold.
    """

    spec: TrialSpec
    given_s: float = field(default_factory=time.monotonic)
    began_s: float | None = None
    reports: list[EpochReport] = field(default_factory=list)
    oom_kills: int = field(default_factory=kernel_kills)
    peak_mb: float = 0.0

    @property
    def seconds(self) -> float:
        """How long it has been running."""
        return 0.0 if self.began_s is None else time.monotonic() - self.began_s

    @property
    def resources(self) -> Resources:
        """What is known of its use from outside."""
        return Resources(seconds=self.seconds, peak_ram_mb=self.peak_mb)


class RemoteWorker:
    """A worker process and its pipe.

    Args:
        index: The worker's number.
        recipe: The pickled recipe of the objective.
    """

    def __init__(self, index: int, recipe: bytes) -> None:
        ways = context()
        self.index = index
        self.task: Task | None = None
        self._recipe, self._is_ready, self._guardian = recipe, False, 0
        self.pipe, theirs = ways.Pipe()
        # Held by this process alone: when it ends, however it does, the worker reads the end.
        ours, self._life = ways.Pipe(duplex=False)
        self._process = ways.Process(
            target=work, args=(index, theirs, ours), name=f"foretune-worker-{index}", daemon=True
        )
        self._process.start()
        theirs.close()
        ours.close()

    @property
    def sentinel(self) -> int:
        """What becomes ready when the process has ended."""
        return self._process.sentinel

    @property
    def pid(self) -> int:
        """Its process id, and its group's."""
        assert self._process.pid is not None
        return self._process.pid

    def give(self, spec: TrialSpec) -> None:
        """Hand it a trial, when it is ready; one that has died is noticed by its sentinel."""
        self.task = Task(spec)
        if self._is_ready:
            self._send(spec)

    def say(self, answer: Answer | bool) -> None:
        """Answer its epoch's report."""
        self._send(answer)

    def make_ready(self, guardian: int) -> None:
        """Answer its greeting: it gets the recipe, and the trial that waits for it."""
        self._guardian = guardian  # a copy of the worker, whose memory is the worker's
        with contextlib.suppress(OSError):
            self.pipe.send_bytes(self._recipe)
        self._is_ready = True
        if self.task is not None:
            self._send(self.task.spec)

    def listen(self) -> FromWorker | None:
        """Its next message; None: there will be none."""
        try:
            message: FromWorker = self.pipe.recv()
        except (EOFError, OSError):
            return None
        return message

    def resident_mb(self) -> float:
        """MiB that it holds, its children's with it."""
        held = resident_mb(self.pid, without=self._guardian)
        if self.task is not None:
            self.task.peak_mb = max(self.task.peak_mb, held)
        return held

    def kill(self) -> None:
        """End its whole process group, now."""
        for end in (os.killpg, os.kill):  # in its first moments it has no group of its own yet
            with contextlib.suppress(ProcessLookupError, PermissionError):
                end(self.pid, signal.SIGKILL)
        self._process.join(DIES_WITHIN_S)
        if self._process.is_alive():
            logger.warning("worker %d (pid %d) cannot be killed", self.index, self.pid)
        self.pipe.close()
        self._life.close()

    def bury(self) -> int:
        """Close what is left of a dead worker; its exit code, negative for a signal."""
        self._process.join(DIES_WITHIN_S)
        code = self._process.exitcode
        self.kill()  # its children
        return 255 if code is None else code

    def _send(self, message: TrialSpec | Answer | bool) -> None:
        with contextlib.suppress(OSError):
            self.pipe.send(message)
