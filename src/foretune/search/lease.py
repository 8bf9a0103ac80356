"""Is the process that runs a trial still alive? Optuna's own heartbeat needs `Study.optimize`."""

from __future__ import annotations

import logging
import os
import platform
import threading
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from types import TracebackType

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from foretune.history.attrs import LEASE
from foretune.search.pauses import is_paused

logger = logging.getLogger(__name__)

LASTS_S = 120.0  # a process of another machine that is silent for so long is gone
RENEWED_S = 20.0  # several attempts fit in before anyone gives it up
UNSIGNED_S = 5.0  # between a trial's beginning and its first signature: one write (taste)
_DEAD = ("Z", "X")  # states of a process that has ended


class Lease:
    """While it is held, a thread says every ``RENEWED_S`` that this process runs ``trial``."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._released = threading.Event()
        self._thread = threading.Thread(target=self._renew, daemon=True, name="lease")

    def take(self) -> Lease:
        """Sign, and go on signing until `release`."""
        self._sign()
        self._thread.start()
        return self

    def release(self) -> None:
        """Sign no more."""
        self._released.set()
        if self._thread.is_alive():
            self._thread.join()

    def __enter__(self) -> Lease:
        return self.take()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def _renew(self) -> None:
        while not self._released.wait(RENEWED_S):
            try:
                self._sign()
            except optuna.exceptions.OptunaError as error:  # a busy storage; the next one may do
                logger.debug("lease of trial %d: %s", self._trial.number, error)

    def _sign(self) -> None:
        self._trial.set_user_attr(LEASE, signature())


def is_new(trial: FrozenTrial) -> bool:
    """Whether ``trial`` was begun just now and its process may not have come to sign it."""
    if LEASE in trial.user_attrs or trial.datetime_start is None:
        return False
    return abs(time.time() - trial.datetime_start.timestamp()) < UNSIGNED_S


def is_running(trial: FrozenTrial, mine: Collection[int] = ()) -> bool:
    """Whether this process (``mine``) or another live one is running ``trial``."""
    if trial.state != TrialState.RUNNING or (trial.number not in mine and is_paused(trial)):
        return False
    return trial.number in mine or is_new(trial) or holder_lives(trial.user_attrs)


def holder_lives(attributes: Mapping[str, object]) -> bool:
    """Whether the process that signed a running trial's attributes lives, as far as can be told.

    On this machine the process is looked at: its number and the moment at which it began, which
    no later process shares; no clock has a say. Elsewhere its word must not have run out. A trial
    of this very process belongs to an earlier search of it, which is over.
    """
    lease = attributes.get(LEASE)
    if not isinstance(lease, Mapping):
        return False
    pid, here = int(lease.get("pid", 0)), _this_machine()
    if here is not None and lease.get("machine") == here:
        began = _began(pid)
        return pid != os.getpid() and began is not None and began == lease.get("began")
    if time.time() > float(lease.get("until", 0.0)):
        return False
    if lease.get("host") != platform.node() or "machine" in lease:
        return True
    return pid != os.getpid() and _exists(pid)


def last_sign_of_life(trial: FrozenTrial) -> float:
    """Seconds from the trial's start to when its process last signed; 0: it never did."""
    lease = trial.user_attrs.get(LEASE)
    if not isinstance(lease, Mapping) or trial.datetime_start is None:
        return 0.0
    return max(float(lease["until"]) - LASTS_S - trial.datetime_start.timestamp(), 0.0)


def signature() -> dict[str, object]:
    """This process's word that it lives, good for ``LASTS_S``."""
    signature: dict[str, object] = {
        "pid": os.getpid(),
        "host": platform.node(),
        "until": time.time() + LASTS_S,
    }
    machine, began = _this_machine(), _began(os.getpid())
    if machine is not None and began is not None:
        signature |= {"machine": machine, "began": began}
    return signature


def _this_machine() -> str | None:
    """This machine since it was last started, and which of its processes this one can see.

    None: the system does not say (it is not Linux).
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return None


def _began(pid: int) -> int | None:
    """When a process began, in ticks since the machine's start; None: it is not there."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, *rest = stat.rpartition(")")[2].split()  # the name before it may hold anything
    return None if state in _DEAD else int(rest[18])  # field 22 of proc(5)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is there, and another user's
        return True
    return True
