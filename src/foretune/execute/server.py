"""From where do workers start in a fraction of a second? From a server that has imported it all."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Sequence
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext, SpawnContext

WORKER = "foretune.execute.worker"


def start_server(preload: Sequence[str] = ()) -> None:
    """Start the fork server, which imports ``preload`` beside what this process does meanwhile.

    A worker then starts in about 0.1 s, where a new Python would import torch for 7 s. Does
    nothing where the server runs or this system has none.

    Args:
        preload: Modules that workers will need. None may start threads or touch a GPU.
    """
    if not _has_server():
        return
    multiprocessing.set_forkserver_preload([WORKER, *preload])
    before = os.environ.get("PYTHONPATH")
    # Python 3.11's server imports along PYTHONPATH, not along sys.path as it is here.
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    try:
        forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def context() -> ForkServerContext | SpawnContext:
    """How workers are started: from the server, where the system has one."""
    if _has_server():
        return multiprocessing.get_context("forkserver")
    return multiprocessing.get_context("spawn")


def _has_server() -> bool:
    return "forkserver" in multiprocessing.get_all_start_methods()
