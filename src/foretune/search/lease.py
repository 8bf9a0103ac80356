"""Is the process that runs a trial still alive? Optuna's own heartbeat needs `Study.optimize`."""

from __future__ import annotations

import logging
import os
import platform
import threading
import time
from collections.abc import Collection, Mapping
from types import TracebackType

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from foretune.core.processes import began, exists, this_machine
from foretune.history.attrs import LEASE
from foretune.search.pauses import is_paused

logger = logging.getLogger(__name__)

LASTS_S = 120.0  # a process of another machine that is silent for so long is gone
RENEWED_S = 20.0  # several attempts fit in before anyone gives it up
UNSIGNED_S = 5.0  # between a trial's beginning and its first signature: one write (taste)


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


def is_lost(trial: FrozenTrial) -> bool:
    """Whether ``trial`` was begun by a process that ended before it came to sign it."""
    return trial.state == TrialState.RUNNING and LEASE not in trial.user_attrs and not is_new(trial)


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
    pid, here = int(lease.get("pid", 0)), this_machine()
    if here is not None and lease.get("machine") == here:
        start = began(pid)
        return pid != os.getpid() and start is not None and start == lease.get("began")
    if time.time() > float(lease.get("until", 0.0)):
        return False
    if lease.get("host") != platform.node() or "machine" in lease:
        return True
    return pid != os.getpid() and exists(pid)


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
    machine, start = this_machine(), began(os.getpid())
    if machine is not None and start is not None:
        signature |= {"machine": machine, "began": start}
    return signature
