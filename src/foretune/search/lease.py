"""Is the process that runs a trial still alive? Optuna's own heartbeat needs `Study.optimize`."""

from __future__ import annotations

import logging
import os
import platform
import threading
import time
from collections.abc import Mapping
from types import TracebackType

import optuna
from optuna.trial import FrozenTrial, Trial

logger = logging.getLogger(__name__)

LEASE = "lease"  # trial attribute: who runs the trial, and until when to believe it
LASTS_S = 120.0  # a process silent for so long is gone
RENEWED_S = 20.0  # several attempts fit in before anyone gives it up


class Lease:
    """While it is held, a thread says every ``RENEWED_S`` that this process runs ``trial``."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._released = threading.Event()
        self._thread = threading.Thread(target=self._renew, daemon=True, name="lease")

    def __enter__(self) -> Lease:
        self._sign()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._released.set()
        self._thread.join()

    def _renew(self) -> None:
        while not self._released.wait(RENEWED_S):
            try:
                self._sign()
            except optuna.exceptions.OptunaError as error:  # a busy storage; the next one may do
                logger.debug("lease of trial %d: %s", self._trial.number, error)

    def _sign(self) -> None:
        self._trial.set_user_attr(
            LEASE, {"pid": os.getpid(), "host": platform.node(), "until": time.time() + LASTS_S}
        )


def holder_lives(attributes: Mapping[str, object]) -> bool:
    """Whether the process that signed a running trial's attributes lives, as far as can be told.

    On this host its process must be there; elsewhere its word must not have run out. A trial of
    this very process belongs to an earlier search of it, which is over.
    """
    lease = attributes.get(LEASE)
    if not isinstance(lease, Mapping) or time.time() > float(lease.get("until", 0.0)):
        return False
    if lease.get("host") != platform.node():
        return True
    pid = int(lease.get("pid", 0))
    return pid != os.getpid() and _exists(pid)


def last_sign_of_life(trial: FrozenTrial) -> float:
    """Seconds from the trial's start to when its process last signed; 0: it never did."""
    lease = trial.user_attrs.get(LEASE)
    if not isinstance(lease, Mapping) or trial.datetime_start is None:
        return 0.0
    return max(float(lease["until"]) - LASTS_S - trial.datetime_start.timestamp(), 0.0)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is there, and another user's
        return True
    return True
