"""How does a worker end with its search, its children with it, whatever either is doing then?"""

from __future__ import annotations

import os
import signal
from multiprocessing.connection import Connection


def post_guardian(life: Connection, *not_its: Connection) -> int:
    """Fork a process that waits for the search's end and then kills this whole process group.

    A process of its own, since a thread would need the interpreter's lock, which a trial that
    hangs may hold; and since the kernel's own way (PR_SET_PDEATHSIG) spares a worker's children.
    Call it before this process has threads, and as the leader of its group.

    Args:
        life: Reads its end when the search has ended.
        not_its: Connections that are the worker's alone.

    Returns:
        The guardian's process id.
    """
    pid = os.fork()
    if pid:
        return pid
    try:
        for connection in not_its:
            connection.close()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while os.read(life.fileno(), 1):
            continue
    finally:
        os.killpg(0, signal.SIGKILL)
    raise AssertionError("killed by its own hand")
