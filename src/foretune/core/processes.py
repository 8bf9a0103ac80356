"""Is a process that wrote its number down somewhere still the one of that number?

Numbers are used again, and mean nothing on another machine or in another container.
"""

from __future__ import annotations

import os
from pathlib import Path

_DEAD = ("Z", "X")  # states of a process that has ended


def this_machine() -> str | None:
    """This machine since it was last started, and which of its processes this one can see.

    None: the system does not say (it is not Linux).
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return None


def began(pid: int) -> int | None:
    """When a process began, in ticks since the machine's start; None: it is not there.

    No later process of the same number shares it.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, *rest = stat.rpartition(")")[2].split()  # the name before it may hold anything
    return None if state in _DEAD else int(rest[18])  # field 22 of proc(5)


def exists(pid: int) -> bool:
    """Whether there is a process of that number, whoever's it is."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is there, and another user's
        return True
    return True
