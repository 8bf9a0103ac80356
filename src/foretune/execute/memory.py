"""Did memory run out, how much does a worker hold, and what is tried then?"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from pathlib import Path

import psutil

from foretune.core import Status, TrialResult, TrialSpec

logger = logging.getLogger(__name__)

MB = 2**20
_VMSTAT = Path("/proc/vmstat")


def with_less_memory(result: TrialResult) -> TrialSpec | None:
    """The trial once more, its batches in two parts; None: that was tried, or was not the cause.

    The gradient stays that of the whole batch, so it is the same configuration.
    """
    if result.status is not Status.FAILED or not result.out_of_memory:
        return None
    if result.micro_batches > 1:
        return None
    logger.warning(
        "trial %d: %s; once more with each batch in two parts", result.spec.number, result.reason
    )
    return dataclasses.replace(result.spec, micro_batches=2 * result.micro_batches)


def kernel_kills() -> int:
    """Processes that Linux's OOM killer has ended since the machine started; 0: cannot be told."""
    with contextlib.suppress(OSError, ValueError):
        for line in _VMSTAT.read_text().splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    return 0


def resident_mb(pid: int, *, without: int) -> float:
    """MiB that a process and its children hold, ``without`` one of them; 0: it is gone.

    Resident memory, looked at from outside: limits that the kernel would hold (RLIMIT_AS,
    RLIMIT_DATA) count address space, of which torch and CUDA reserve many times what they use.
    """
    try:
        process = psutil.Process(pid)
        members = [process, *process.children(recursive=True)]
    except psutil.Error:
        return 0.0
    held = 0
    for member in (one for one in members if one.pid != without):
        with contextlib.suppress(psutil.Error):
            held += member.memory_info().rss
    return held / MB
