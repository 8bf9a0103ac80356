"""Which process writes a run, and does it still live?"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

from foretune.core import processes

OWNER_TAG = "owner"  # host:pid
BEGAN_TAG = "owner.began"  # its machine since that was started, and when the process began


def owner_tags() -> dict[str, str]:
    """What a run says of this process."""
    tags = {OWNER_TAG: f"{socket.gethostname()}:{os.getpid()}"}
    machine, began = processes.this_machine(), processes.began(os.getpid())
    if machine is not None and began is not None:
        tags[BEGAN_TAG] = f"{machine} {began}"
    return tags


def owner_lives(tags: Mapping[str, str]) -> bool:
    """Whether the process that a run's tags name may be at work.

    On this machine it is looked at: its number and when it began. What ran on this host before it
    was started again is gone; another host's process, or another container's, is believed to be at
    work. A run of this very process belongs to an earlier search of it, which is over.
    """
    host, _, number = tags.get(OWNER_TAG, "").rpartition(":")
    if host != socket.gethostname() or not number.isdigit():
        return bool(host)
    pid, here = int(number), processes.this_machine()
    machine, _, began = tags.get(BEGAN_TAG, "").rpartition(" ")
    if here is None or not machine:  # not Linux, or an older record
        return pid != os.getpid() and processes.exists(pid)
    if machine != here:
        return machine.partition("/")[0] == here.partition("/")[0]
    return pid != os.getpid() and str(processes.began(pid)) == began
