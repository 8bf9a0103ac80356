"""Worker processes that hang, crash and are killed: real ones, killed by real signals."""

import subprocess
import sys
import time

import pytest

from foretune.execute import ProcessExecutor, start_server
from foretune.testing.executors import (
    IsolatedContract,
    attempts,
    gone,
    group,
    one_after_another,
    spec,
)
from foretune.testing.faults import FaultyRecipe


@pytest.fixture(scope="module", autouse=True)
def server():
    start_server(["foretune.testing.faults"])


class TestProcess(IsolatedContract):
    @pytest.fixture
    def make(self):
        return ProcessExecutor


def test_three_run_at_a_time_and_none_waits_for_another(tmp_path):
    with ProcessExecutor(FaultyRecipe(tmp_path, {0: "hang"}, epoch_s=0.1), n_workers=3) as executor:
        for number in range(3):
            executor.submit(spec(number))
        ended = []
        for number in range(3, 9):
            ended.append(executor.next_result(lambda spec, report: False).spec.number)
            executor.submit(spec(number))
    assert sorted(ended) == sorted(set(ended))
    assert 0 not in ended, "it hangs, and nobody waits for it"
    assert len({pid for _, pid, _, _ in attempts(tmp_path)}) == 3


def test_what_the_kernel_killed_for_memory_runs_once_more_in_parts(tmp_path, monkeypatch):
    """The kernel's own count, in a file of the test: a machine is not to be filled for it."""
    counts = tmp_path / "vmstat"
    counts.write_text("oom_kill 0\n")
    monkeypatch.setattr("foretune.execute.memory._VMSTAT", counts)

    def kills(spec, report):
        counts.write_text(f"oom_kill {spec.micro_batches}\n")
        return False

    executor = ProcessExecutor(FaultyRecipe(tmp_path, {0: "killed"}))
    (result,) = one_after_another(executor, 1, kills)
    assert result.out_of_memory
    assert result.reason == (
        "out of memory: the worker was killed by signal 9 (SIGKILL) by the system's OOM killer"
    )
    assert [micro for *_, micro in attempts(tmp_path)] == [1, 2]


PARENT = """
import sys
from pathlib import Path
from foretune.core import TrialSpec
from foretune.execute import ProcessExecutor, start_server
from foretune.testing.faults import FaultyRecipe
start_server()
executor = ProcessExecutor(FaultyRecipe(Path(sys.argv[1]), {0: sys.argv[2]}))
executor.submit(TrialSpec(0, {"epochs": 3}, 0))
executor.next_result(lambda spec, report: print("reported", flush=True) or False)
"""


@pytest.mark.parametrize("fault", ["hang", "child"])
def test_a_worker_and_its_children_die_with_a_search_that_is_killed(tmp_path, fault):
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path), fault], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout.readline() == "reported\n"
    pid = attempts(tmp_path)[0][1]
    deadline = time.monotonic() + 60
    if fault == "child":
        while len(group(pid)) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert len(group(pid)) >= 2
    parent.kill()
    parent.wait()
    assert gone(pid)
