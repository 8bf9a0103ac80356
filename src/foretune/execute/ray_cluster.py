"""Which Ray cluster do trials run on: one that is there, or one of this machine's own?"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psutil

from foretune.core import ConfigError, ForetuneError

logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
STARTS = 3  # attempts (taste)
STORE_BYTES = 256 * 2**20  # a cluster of our own keeps the pickled data set in it, once
# What a cluster of our own is started with, unless the user has set it. The first makes Ray listen
# on the loopback interface alone (it is off where Ray takes a machine for a member of a cluster);
# memory is watched by the seat's executor and, past that, by the kernel, which says what it ended;
# Ray's workers would be niced, and trials with them.
_OWN = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_memory_monitor_refresh_ms": "0",
    "RAY_worker_niceness": "0",
}


@dataclass(frozen=True)
class Share:
    """What each trial gets of the cluster.

    Attributes:
        cpus: Cores.
        gpus: GPUs; a fraction: several trials share one.
        memory_mb: MiB of memory that are kept for it; None: none in particular.
    """

    cpus: float = 1.0
    gpus: float = 0.0
    memory_mb: float | None = None

    def options(self) -> dict[str, float]:
        """As Ray's ``options`` take it."""
        options = {"num_cpus": self.cpus, "num_gpus": self.gpus}
        return options if self.memory_mb is None else {**options, "memory": self.memory_mb * 2**20}

    def fits(self, node: dict[str, float]) -> bool:
        """Whether a node with these resources could ever hold it."""
        asked = {"CPU": self.cpus, "GPU": self.gpus, "memory": (self.memory_mb or 0.0) * 2**20}
        return all(node.get(name, 0.0) >= amount for name, amount in asked.items())

    def __str__(self) -> str:
        memory = "" if self.memory_mb is None else f", {self.memory_mb:g} MiB"
        return f"{self.cpus:g} CPUs, {self.gpus:g} GPUs{memory}"


@contextlib.contextmanager
def joined(address: str | None, share: Share, *, n_workers: int) -> Iterator[None]:
    """Be a member of the cluster: of this process's if it has one, else that at ``address``.

    Args:
        address: ``host:port`` or ``auto``; None: a cluster of this machine alone, that listens on
            the loopback interface and ends with the context.
        share: What a trial gets.
        n_workers: Trials at a time.

    Raises:
        ConfigError: Ray is not installed, the cluster cannot be joined, or can never hold a trial.
    """
    if find_spec("ray") is None:
        raise ConfigError(
            "executor=ray needs Ray, which is not installed: pip install 'foretune[ray]'"
        )
    with contextlib.ExitStack() as stack:
        if address is None:
            for name, value in _OWN.items():
                os.environ.setdefault(name, value)
            if os.environ["RAY_AUTH_MODE"] == "token" and "RAY_AUTH_TOKEN_PATH" not in os.environ:
                os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        import ray

        if not ray.is_initialized():
            with _handlers_kept():
                if address is None:
                    _start(stack, share, n_workers)
                else:
                    _join(stack, address)
        _look(share, n_workers, is_own=address is None)
        yield


def _start(stack: contextlib.ExitStack, share: Share, n_workers: int) -> None:
    """A cluster of this machine alone."""
    import ray

    # Ray's sockets need a short path, and what it writes there it never removes.
    folder = tempfile.mkdtemp(prefix="foretune-ray-", dir="/tmp" if Path("/tmp").is_dir() else None)
    with _guarded(folder, stack), _path_for_workers():
        stack.callback(ray.shutdown)
        _patiently(
            lambda: ray.init(
                address="local",
                num_cpus=max(os.cpu_count() or 1, math.ceil(share.cpus * n_workers)),
                object_store_memory=STORE_BYTES,
                include_dashboard=False,
                dashboard_host=LOOPBACK,
                log_to_driver=False,
                logging_level=logging.ERROR,
                _temp_dir=folder,
            )
        )
    if (host := ray.util.get_node_ip_address()) != LOOPBACK:
        logger.warning("Ray listens on %s: it was imported before executor=ray was set up", host)


def _patiently(start: Callable[[], object]) -> None:
    """Start more than once: Ray gives a node half a minute, which a busy machine may exceed.

    Raises:
        ForetuneError: It never started.
    """
    import ray

    for attempt in range(1, STARTS + 1):
        try:
            start()
            return
        except Exception as error:  # Ray's own is one of no particular kind
            ray.shutdown()
            first = str(error).strip().split(". ")[0] or type(error).__name__
            logger.warning("Ray did not start (%d of %d times): %s", attempt, STARTS, first)
            if attempt == STARTS:
                raise ForetuneError(
                    f"executor=ray: Ray did not start on this machine ({first}); try again when it"
                    " is less busy, or use executor=process"
                ) from error


def _join(stack: contextlib.ExitStack, address: str) -> None:
    import ray

    stack.callback(ray.shutdown)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ConfigError(
            f"executor.ray.address: expected a running Ray cluster at {address!r} ({first}); start"
            " one with `ray start --head`, or leave the address out for this machine alone"
        ) from error


def _look(share: Share, n_workers: int, *, is_own: bool) -> None:
    """See whether the cluster has room.

    Raises:
        ConfigError: It is this machine alone, and has not.
    """
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    n_gpus = sum(node.get("GPU", 0.0) for node in nodes)
    if is_own and (not any(map(share.fits, nodes)) or share.gpus * n_workers > n_gpus):
        raise ConfigError(
            f"executor.ray: expected room for {n_workers} trials of {share}, this machine has"
            f" {nodes[0].get('CPU', 0):g} CPUs, {n_gpus:g} GPUs,"
            f" {nodes[0].get('memory', 0) / 2**20:.0f} MiB; ask for less"
        )
    if not any(map(share.fits, nodes)):
        logger.warning("no node of the Ray cluster has %s yet: trials wait for one", share)
    elif n_gpus and not share.gpus:
        logger.warning("the Ray cluster has %g GPUs; executor.ray.gpus=1 uses them", n_gpus)


@contextlib.contextmanager
def _guarded(folder: str, stack: contextlib.ExitStack) -> Iterator[None]:
    """A process that ends what is started within, and its folder, when the stack or we end."""
    guardian = subprocess.Popen(
        [sys.executable, "-I", str(Path(__file__).with_name("ray_guardian.py")), folder],
        stdin=subprocess.PIPE,
        start_new_session=True,  # out of Ctrl-C's reach
        text=True,
    )
    assert guardian.stdin is not None
    stack.callback(guardian.wait)
    stack.callback(guardian.stdin.close)
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    started = []
    try:
        yield
    finally:
        for process in psutil.Process().children(recursive=True):
            if process.pid not in before:
                with contextlib.suppress(psutil.Error):
                    started.append((process.pid, process.create_time()))
        guardian.stdin.write(json.dumps(started) + "\n")
        guardian.stdin.flush()


@contextlib.contextmanager
def _handlers_kept() -> Iterator[None]:
    """`ray.init` puts a handler of its own in the place of SIGTERM's, which ends the search."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _path_for_workers() -> Iterator[None]:
    """Let the cluster's processes import what this one can."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
