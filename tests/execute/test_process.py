"""Worker processes that hang, crash and are killed: real ones, killed by real signals."""

import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from foretune.core import Answer, ModelError, Status, TrialSpec
from foretune.execute import ProcessExecutor, WorkersDied, start_server
from foretune.execute.process import MAX_DEATHS
from foretune.testing.faults import FaultyRecipe

POINT = {"model": "small", "lr": 1e-3, "epochs": 3, "optimiser": "adam"}


@pytest.fixture(scope="module", autouse=True)
def server():
    start_server(["foretune.testing.faults"])


@pytest.fixture
def run(tmp_path):
    """Runs trials with faults, one after another, and gives their results."""
    open_ones = []

    def make(faults=None, *, n=None, on_report=lambda spec, report: False, recipe=None, **options):
        recipe = recipe or FaultyRecipe(tmp_path, faults or {})
        executor = ProcessExecutor(recipe, **options)
        open_ones.append(executor)
        results = []
        for number in range(n or len(faults)):
            executor.submit(spec(number))
            results.append(executor.next_result(on_report))
        return results

    yield make
    for executor in open_ones:
        executor.__exit__(None, None, None)


def spec(number, **changes):
    return TrialSpec(number=number, params={**POINT, **changes}, seed=number)


def test_a_worker_is_told_to_pause_and_not_merely_to_stop(run):
    (result,) = run(n=1, on_report=lambda spec, report: Answer.PAUSE)
    assert result.status is Status.PAUSED
    assert len(result.epochs) == 1


def attempts(folder):
    return [tuple(map(int, line.split())) for line in (folder / "attempts").open()]


def group(pid):
    """The processes of a group that have not ended."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == pid and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except (psutil.Error, ProcessLookupError):
            continue
    return found


def test_trials_run_in_one_warm_worker_that_is_not_this_process(run, tmp_path):
    seen = []
    results = run(n=3, on_report=lambda spec, report: seen.append((spec.number, report.epoch)))
    assert [r.status for r in results] == [Status.COMPLETED] * 3
    assert seen == [(k, e) for k in range(3) for e in (1, 2, 3)]
    (pid,) = {pid for _, pid, _, _ in attempts(tmp_path)}
    assert pid != os.getpid()
    assert os.getsid(pid) == pid != os.getsid(0), "Ctrl-C does not reach it"


def test_the_answer_to_a_report_goes_down_to_the_worker(run):
    (result,) = run(n=1, on_report=lambda spec, report: report.epoch == 2)
    assert (result.status, len(result.epochs)) == (Status.PRUNED, 2)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("segfault", "the worker was killed by signal 11 (SIGSEGV)"),
        ("exit", "the worker exited with code 3"),
        (
            "killed",
            "the worker was killed by signal 9 (SIGKILL; out of memory?), 4 times in a row",
        ),
        ("raise", "ValueError: no such layer"),
        ("memory", "out of memory"),
    ],
)
def test_a_worker_that_dies_fails_its_trial_and_the_next_one_runs(run, tmp_path, fault, reason):
    bad, good = run({0: fault, 1: ""})
    assert (bad.status, bad.reason, bad.score) == (Status.FAILED, reason, None)
    assert len(bad.epochs) == 1, "what it had reported is kept"
    assert bad.out_of_memory is (fault == "memory")
    assert good.status is Status.COMPLETED


def test_a_worker_killed_by_someone_else_runs_its_trial_again(run, tmp_path):
    (result,) = run({0: "killed once"})
    assert result.status is Status.COMPLETED
    (first, again) = attempts(tmp_path)
    assert first[1] != again[1]
    assert first[2:] == again[2:], "the same seed, the same batches"


def test_out_of_memory_once_halves_the_batches(run, tmp_path):
    (result,) = run({0: "memory once"})
    assert (result.status, result.micro_batches) == (Status.COMPLETED, 2)
    assert [micro for *_, micro in attempts(tmp_path)] == [1, 2]


def test_a_worker_above_its_memory_is_killed_once_more_in_parts_then_infeasible(run, tmp_path):
    bad, good = run({0: "grow", 1: ""}, memory_mb=400)
    assert bad.status is Status.FAILED
    assert bad.reason.startswith("out of memory: ")
    assert bad.reason.endswith("more than executor.memory_mb=400")
    assert bad.out_of_memory
    assert [line[3] for line in attempts(tmp_path) if line[0] == 0] == [1, 2]
    assert good.status is Status.COMPLETED


@pytest.mark.parametrize("fault", ["hang", "stop", "child"])
def test_a_trial_beyond_its_time_is_censored_and_its_whole_group_is_gone(run, tmp_path, fault):
    began = time.monotonic()
    bad, good = run({0: fault, 1: ""}, timeout_s=0.5)
    assert time.monotonic() - began < 30
    assert (bad.status, bad.censored) == (Status.PRUNED, True)
    assert bad.reason == "timed out after 0.5 s"
    assert bad.score == bad.epochs[-1].score
    assert good.status is Status.COMPLETED
    pid = attempts(tmp_path)[0][1]
    assert group(pid) == []


def test_a_trial_that_hangs_before_its_first_epoch_has_failed(run):
    (result,) = run({0: "early"}, timeout_s=0.3)
    assert result.status is Status.FAILED
    assert result.reason == "timed out after 0.3 s, before its first epoch ended"


def test_the_clock_of_a_trial_starts_with_it_and_not_with_its_worker(run):
    """Starting a worker may take longer than a trial may."""
    results = run({0: "", 1: ""}, timeout_s=0.2)
    assert [r.status for r in results] == [Status.COMPLETED] * 2


def test_a_search_whose_workers_all_die_is_told_so(run):
    with pytest.raises(WorkersDied, match=r"the last 5 workers died: exited with code 3\. Mend"):
        run(dict.fromkeys(range(MAX_DEATHS + 1), "exit"))


def test_an_objective_that_cannot_be_made_is_the_error_itself(run, tmp_path):
    with pytest.raises(ModelError, match="cannot be had"):
        run(n=1, recipe=FaultyRecipe(tmp_path, broken=True))


def test_several_workers_run_at_the_same_time_and_none_waits_for_another(tmp_path):
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


@pytest.fixture
def ctrl_c():
    """SIGINT as a terminal has it; a shell that starts tests in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_leaves_the_waiting_at_once_and_cancel_ends_the_trials(tmp_path):
    with ProcessExecutor(FaultyRecipe(tmp_path, {0: "hang"})) as executor:
        executor.submit(spec(0))
        reported = []

        def interrupt():
            while not reported:
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=interrupt).start()
        with pytest.raises(KeyboardInterrupt):
            executor.next_result(lambda spec, report: reported.append(report))
        executor.cancel()
        assert group(attempts(tmp_path)[0][1]) == []
        executor.submit(spec(1))
        assert executor.next_result(lambda spec, report: False).status is Status.COMPLETED


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
    deadline = time.monotonic() + 5
    while group(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert group(pid) == []
