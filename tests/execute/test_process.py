"""Worker processes that hang, crash and are killed: real ones, killed by real signals."""

import subprocess
import sys
import time

import pytest

from foretune.execute import ProcessExecutor, start_server
from foretune.testing.executors import IsolatedContract, attempts, gone, group, spec
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
    deadline = time.monotonic() + 5
    if fault == "child":
        while len(group(pid)) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert len(group(pid)) >= 2
    parent.kill()
    parent.wait()
    assert gone(pid)
