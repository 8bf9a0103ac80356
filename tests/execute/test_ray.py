"""Trials on a real Ray cluster of this machine alone; whole contract and lost nodes: -m slow."""

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from foretune.core import ConfigError, Status, TrialResult
from foretune.testing.executors import (
    ExecutorContract,
    IsolatedContract,
    attempts,
    gone,
)
from foretune.testing.faults import FaultyRecipe

# Not importorskip: Ray reads its settings when it is first imported, and the executor makes them.
pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="needs Ray: pip install 'foretune[ray]'"
)


@pytest.fixture(scope="module")
def cluster():
    """A cluster of this machine alone, that executors find and leave."""
    from foretune.execute.ray_cluster import Share, joined

    before = signal.getsignal(signal.SIGTERM)
    with joined(None, Share(), n_workers=2):
        yield before


@pytest.fixture
def make(cluster):
    from foretune.execute.ray_executor import RayExecutor

    return lambda recipe, **limits: RayExecutor(
        recipe, preload=["foretune.testing.faults"], **limits
    )


class TestRay(ExecutorContract):
    pass


@pytest.mark.slow
class TestRayIsolated(IsolatedContract):
    pass


def test_it_listens_on_the_loopback_interface_alone_and_asks_for_a_token(cluster):
    listening = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):  # workers come and go
            listening += [
                (process.name(), connection.laddr.ip)
                for connection in process.net_connections("tcp")
                if connection.status == psutil.CONN_LISTEN
            ]
    assert listening
    assert {ip.removeprefix("::ffff:") for _, ip in listening} == {"127.0.0.1"}
    assert os.environ["RAY_AUTH_MODE"] == "token"
    assert len(os.environ["RAY_AUTH_TOKEN"]) >= 32


@dataclass(frozen=True)
class SeenRecipe:
    """Its trials tell the environment that they run in."""

    names: tuple[str, ...]

    def __call__(self, index):
        def look(spec, on_epoch):
            seen = " ".join(f"{name}={os.environ.get(name)}" for name in self.names)
            return TrialResult(spec, Status.COMPLETED, 0.0, reason=seen)

        return look


def seen(result):
    return dict(pair.split("=", 1) for pair in result.reason.split(" "))


def test_more_than_the_machine_has_is_refused_before_the_first_trial(cluster, tmp_path):
    from foretune.execute.ray_cluster import Share
    from foretune.execute.ray_executor import RayExecutor

    for share in (Share(gpus=1), Share(cpus=10_000), Share(memory_mb=1e9)):
        with pytest.raises(ConfigError, match="expected room for 1 trials of"):
            RayExecutor(FaultyRecipe(tmp_path), share=share)


def test_without_ray_the_message_says_what_to_install(monkeypatch, tmp_path):
    from foretune.execute import ray_cluster

    monkeypatch.setattr(ray_cluster, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'foretune\[ray\]'"):
        ray_cluster.joined(None, ray_cluster.Share(), n_workers=1).__enter__()


def test_sigterm_s_handler_is_the_search_s_own(cluster):
    assert signal.getsignal(signal.SIGTERM) == cluster


SEARCH = """
import sys, time
from pathlib import Path
from foretune.core import TrialSpec
from foretune.execute.ray_executor import RayExecutor
from foretune.testing.faults import FaultyRecipe
executor = RayExecutor(FaultyRecipe(Path(sys.argv[1]), {0: "child"}))
executor.submit(TrialSpec(0, {"epochs": 3}, 0))
executor.next_result(lambda spec, report: print("reported", flush=True) or False)
"""


@pytest.mark.slow
def test_workers_and_cluster_die_with_a_search_that_is_killed(tmp_path):
    before = set(Path("/tmp").glob("foretune-ray-*"))
    search = subprocess.Popen(
        [sys.executable, "-c", SEARCH, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert search.stdout.readline() == "reported\n"
    (worker,) = {pid for _, pid, _, _ in attempts(tmp_path)}
    of_ray = psutil.Process(search.pid).children(recursive=True)
    assert len(of_ray) > 3
    search.kill()
    search.wait()
    assert gone(worker, within_s=30)
    _, alive = psutil.wait_procs(of_ray, timeout=30)
    assert alive == []
    assert not [f for f in Path("/tmp").glob("foretune-ray-*") if f not in before]


OF_RAY = {"RAY_AUTH_MODE": "disabled", "RAY_worker_niceness": "0"}


def elsewhere(code, folder):
    """What a search in a process of its own prints: Ray's settings here are of one machine."""
    beside = os.pathsep.join([os.path.dirname(__file__), *filter(None, sys.path)])
    own = ("RAY_", "OMP_NUM_THREADS")
    env = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        env={**env, **OF_RAY, "PYTHONPATH": beside},
        capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    told = [line.partition("told: ") for line in done.stdout.splitlines()]
    return [text for _, found, text in told if found]  # Ray prints there too


class Nodes:
    """A cluster of several nodes on this machine, each with room for one trial."""

    def __init__(self):
        from ray.cluster_utils import Cluster

        self._cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
        self.address, self.n = self._cluster.address, 0

    def add(self):
        self.n += 1
        return self._cluster.add_node(num_cpus=1)

    def lose(self, node):
        """With all that runs there, as a machine that loses its power."""
        (raylet,) = (info.process.pid for info in node.all_processes["raylet"])
        there = psutil.Process(raylet).children(recursive=True)
        self._cluster.remove_node(node, allow_graceful=False)
        for process in there:
            with contextlib.suppress(psutil.Error):
                process.kill()

    def end(self):
        self._cluster.shutdown()


LOST = """
import sys
from pathlib import Path
from foretune.core import TrialSpec
from foretune.execute.ray_executor import RayExecutor
from foretune.testing.executors import attempts, gone, spec
from foretune.testing.faults import FaultyRecipe
from test_ray import Nodes

folder, nodes = Path(sys.argv[1]), Nodes()
first = nodes.add()
faults = {0: "hang once", 1: ""}
with RayExecutor(FaultyRecipe(folder, faults), address=nodes.address, n_workers=2) as executor:
    executor.submit(spec(0))

    def lose(spec, report):
        if nodes.n == 1:
            nodes.add()
            nodes.lose(first)
        return False

    result = executor.next_result(lose)
    print("told:", result.status, len(attempts(folder)), gone(attempts(folder)[0][1]))
    # two at a time where there is one place: they take turns
    executor.submit(spec(1))
    executor.submit(spec(2))
    ended = [executor.next_result(lambda spec, report: False) for _ in range(2)]
    print("told:", sorted((one.spec.number, str(one.status)) for one in ended))
nodes.end()
"""


@pytest.mark.slow
def test_a_trial_whose_node_is_lost_runs_again_on_another_and_places_are_shared(tmp_path):
    assert elsewhere(LOST, tmp_path) == [
        "completed 2 True",
        "[(1, 'completed'), (2, 'completed')]",
    ]


GPUS = """
import sys
from foretune.execute.ray_cluster import Share
from foretune.execute.ray_executor import RayExecutor
from foretune.testing.executors import spec
from test_ray import SeenRecipe, seen
import ray

ray.init("local", num_cpus=4, num_gpus=2, include_dashboard=False)
recipe = SeenRecipe(("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES"))
with RayExecutor(recipe, share=Share(cpus=2, gpus=1), n_workers=2) as executor:
    for number in range(2):
        executor.submit(spec(number))
    found = [seen(executor.next_result(lambda spec, report: False)) for _ in range(2)]
gpus = sorted(one["CUDA_VISIBLE_DEVICES"] for one in found)
print("told:", gpus, {one["OMP_NUM_THREADS"] for one in found})
"""


@pytest.mark.slow
def test_each_trial_sees_its_own_gpu_and_has_its_share_of_the_cores(tmp_path):
    """Ray takes our word for the GPUs; that torch finds them needs a machine that has some."""
    assert elsewhere(GPUS, tmp_path) == ["['0', '1'] {'2'}"]
