"""What must every executor do? Contract suites on real ones, with trials that go wrong.

A test class that inherits from ``ExecutorContract``, or from ``IsolatedContract`` where trials run
apart from the search, gives a ``make`` fixture: a function of a `FaultyRecipe` and limits
(``n_workers``, ``timeout_s``, ``memory_mb``) that returns an executor, not entered yet.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from foretune.config.schema.search import SearchConfig
from foretune.core import (
    Answer,
    EpochReport,
    Executor,
    ModelError,
    NullObserver,
    OnReport,
    ParamValue,
    Status,
    TrialResult,
    TrialSpec,
)
from foretune.execute import WorkersDied
from foretune.execute.process import MAX_DEATHS
from foretune.space import Float, Int, Space
from foretune.testing.faults import FaultyRecipe
from foretune.testing.planted import Run

POINT: dict[str, ParamValue] = {"model": "small", "lr": 1e-3, "epochs": 3, "optimiser": "adam"}
TIME_S = 3.0  # a trial without a fault takes milliseconds, also beside other work
Make = Callable[..., Executor]


def spec(number: int) -> TrialSpec:
    """Trial ``number`` of three epochs."""
    return TrialSpec(number=number, params=POINT, seed=number)


def attempts(folder: Path) -> list[tuple[int, ...]]:
    """What trials noted when they began: number, process, seed, parts of a batch."""
    return [tuple(map(int, line.split())) for line in (folder / "attempts").open()]


def group(pid: int) -> list[int]:
    """The processes of a group that have not ended."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == pid and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except (psutil.Error, ProcessLookupError):
            continue
    return found


def gone(pid: int, *, within_s: float = 60.0) -> bool:
    """Whether a killed group ends; the kernel needs a moment beside other work."""
    deadline = time.monotonic() + within_s
    while group(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not group(pid)


def one_after_another(
    executor: Executor,
    n: int,
    on_report: OnReport = lambda spec, report: False,
) -> list[TrialResult]:
    """The results of ``n`` trials."""
    results = []
    with executor:
        for number in range(n):
            executor.submit(spec(number))
            results.append(executor.next_result(on_report))
    return results


class ExecutorContract:
    """Inherit from it and give a ``make`` fixture."""

    def test_trials_end_in_order_and_report_each_epoch(self, make: Make, tmp_path: Path) -> None:
        """Every epoch of every trial is heard once, in order, with its trial."""
        seen: list[tuple[int, int]] = []

        def hear(one: TrialSpec, report: EpochReport) -> bool:
            seen.append((one.number, report.epoch))
            return False

        results = one_after_another(make(FaultyRecipe(tmp_path)), 3, hear)
        assert [r.status for r in results] == [Status.COMPLETED] * 3
        assert [r.spec for r in results] == [spec(k) for k in range(3)]
        assert seen == [(k, e) for k in range(3) for e in (1, 2, 3)]

    def test_the_answer_to_a_report_stops_the_trial(self, make: Make, tmp_path: Path) -> None:
        """It is asked after each epoch, not after the last."""
        executor = make(FaultyRecipe(tmp_path))
        (result,) = one_after_another(executor, 1, lambda spec, report: report.epoch == 2)
        assert (result.status, len(result.epochs)) == (Status.PRUNED, 2)

    def test_the_answer_to_a_report_pauses_the_trial(self, make: Make, tmp_path: Path) -> None:
        """A trial hears the difference between being stopped and being put aside."""
        executor = make(FaultyRecipe(tmp_path))
        (result,) = one_after_another(executor, 1, lambda spec, report: Answer.PAUSE)
        assert (result.status, len(result.epochs)) == (Status.PAUSED, 1)

    def test_what_a_trial_raises_is_its_result(self, make: Make, tmp_path: Path) -> None:
        """What it had reported is kept, and the next one runs."""
        bad, good = one_after_another(make(FaultyRecipe(tmp_path, {0: "raise"})), 2)
        assert (bad.status, bad.reason, bad.score) == (
            Status.FAILED,
            "ValueError: no such layer",
            None,
        )
        assert (len(bad.epochs), bad.out_of_memory) == (1, False)
        assert good.status is Status.COMPLETED

    def test_out_of_memory_halves_the_batches_once(self, make: Make, tmp_path: Path) -> None:
        """The same trial, in parts; then it has failed for want of memory."""
        good, bad = one_after_another(
            make(FaultyRecipe(tmp_path, {0: "memory once", 1: "memory"})), 2
        )
        assert (good.status, good.micro_batches) == (Status.COMPLETED, 2)
        assert (bad.status, bad.reason, bad.out_of_memory) == (Status.FAILED, "out of memory", True)
        assert [line[3] for line in attempts(tmp_path)] == [1, 2, 1, 2]

    def test_the_objective_s_own_error_is_raised(self, make: Make, tmp_path: Path) -> None:
        """No trial can run then."""
        with pytest.raises(ModelError, match="cannot be had"):
            one_after_another(make(FaultyRecipe(tmp_path, broken=True)), 1)


class IsolatedContract(ExecutorContract):
    """Inherit from it where the search survives whatever a trial does."""

    def test_one_warm_process_that_is_not_this_one(self, make: Make, tmp_path: Path) -> None:
        """What it has loaded stays, and Ctrl-C does not reach it."""
        executor = make(FaultyRecipe(tmp_path))
        seen = []
        with executor:
            for number in range(2):
                executor.submit(spec(number))
                executor.next_result(lambda spec, report: False)
                pid = attempts(tmp_path)[-1][1]
                seen.append((pid, os.getsid(pid)))
        assert seen[0] == seen[1]
        assert seen[0][0] == seen[0][1]
        assert os.getpid() != seen[0][0]

    @pytest.mark.parametrize(
        ("fault", "reason"),
        [
            ("segfault", "the worker was killed by signal 11 (SIGSEGV)"),
            ("exit", "the worker exited with code 3"),
            (
                "killed",
                "the worker was killed by signal 9 (SIGKILL; out of memory?), 4 times in a row",
            ),
        ],
    )
    def test_a_death_fails_the_trial_and_the_next_one_runs(
        self, make: Make, tmp_path: Path, fault: str, reason: str
    ) -> None:
        """What it had reported is kept."""
        bad, good = one_after_another(make(FaultyRecipe(tmp_path, {0: fault})), 2)
        assert (bad.status, bad.reason, bad.score) == (Status.FAILED, reason, None)
        assert (len(bad.epochs), bad.out_of_memory) == (1, False)
        assert good.status is Status.COMPLETED

    def test_killed_by_someone_else_it_runs_again(self, make: Make, tmp_path: Path) -> None:
        """In another process, with the same seed and batches."""
        (result,) = one_after_another(make(FaultyRecipe(tmp_path, {0: "killed once"})), 1)
        assert result.status is Status.COMPLETED
        first, again = attempts(tmp_path)
        assert first[1] != again[1]
        assert first[2:] == again[2:]

    def test_above_its_memory_it_is_tried_in_parts_once(self, make: Make, tmp_path: Path) -> None:
        """Then it is infeasible, and says the limit."""
        bad, good = one_after_another(make(FaultyRecipe(tmp_path, {0: "grow"}), memory_mb=400), 2)
        assert (bad.status, bad.out_of_memory) == (Status.FAILED, True)
        assert bad.reason.startswith("out of memory: ")
        assert bad.reason.endswith("more than executor.memory_mb=400")
        assert [line[3] for line in attempts(tmp_path) if line[0] == 0] == [1, 2]
        assert good.status is Status.COMPLETED

    @pytest.mark.parametrize("fault", ["hang", "stop", "child"])
    def test_beyond_its_time_it_is_censored_and_its_group_gone(
        self, make: Make, tmp_path: Path, fault: str
    ) -> None:
        """Its last epoch's score is a bound."""
        bad, good = one_after_another(make(FaultyRecipe(tmp_path, {0: fault}), timeout_s=TIME_S), 2)
        assert (bad.status, bad.censored) == (Status.PRUNED, True)
        assert bad.reason == f"timed out after {TIME_S} s"
        assert bad.score == bad.epochs[-1].score
        assert good.status is Status.COMPLETED
        assert gone(attempts(tmp_path)[0][1])

    def test_a_hang_before_the_first_epoch_has_failed(self, make: Make, tmp_path: Path) -> None:
        """There is no score to bound anything."""
        executor = make(FaultyRecipe(tmp_path, {0: "early"}), timeout_s=0.3)
        (result,) = one_after_another(executor, 1)
        assert result.status is Status.FAILED
        assert result.reason == "timed out after 0.3 s, before its first epoch ended"

    def test_the_clock_of_a_trial_starts_with_it(self, make: Make, tmp_path: Path) -> None:
        """Starting a worker may take longer than a trial may."""
        recipe = FaultyRecipe(tmp_path, start_s=TIME_S + 1)
        results = one_after_another(make(recipe, timeout_s=TIME_S), 2)
        assert [r.status for r in results] == [Status.COMPLETED] * 2

    def test_where_all_die_the_search_is_told(self, make: Make, tmp_path: Path) -> None:
        """Five in a row, without a trial in between."""
        faults = dict.fromkeys(range(MAX_DEATHS + 1), "exit")
        with pytest.raises(WorkersDied, match=r"the last 5 workers died: exited with code 3\. M"):
            one_after_another(make(FaultyRecipe(tmp_path, faults)), MAX_DEATHS + 1)

    def test_two_run_at_a_time_and_none_waits_for_another(self, make: Make, tmp_path: Path) -> None:
        """One that hangs holds up nobody."""
        recipe = FaultyRecipe(tmp_path, {0: "hang"}, epoch_s=0.1)
        ended = []
        with make(recipe, n_workers=2) as executor:
            executor.submit(spec(0))
            for number in range(1, 4):
                executor.submit(spec(number))
                ended.append(executor.next_result(lambda spec, report: False).spec.number)
        assert ended == [1, 2, 3]
        assert len({pid for _, pid, _, _ in attempts(tmp_path)}) == 2

    def test_a_search_ends_within_an_epoch_of_its_budget(self, make: Make, tmp_path: Path) -> None:
        """Two trials of 400 epochs of 20 ms, and a second in all."""
        began = time.monotonic()
        late: Counter[int] = Counter()

        class Watch(NullObserver):
            def epoch_ended(self, spec: TrialSpec, report: EpochReport) -> None:
                late[spec.number] += time.monotonic() - began > 1.0

        run = Run(
            SearchConfig(method="random", n_trials=2, budget_s=1.0),
            tmp_path / "study",
            space=Space((Int("epochs", 400, 400), Float("lr", 1e-4, 1e-2))),
            observers=(Watch(),),
        )
        with make(FaultyRecipe(tmp_path, epoch_s=0.02), n_workers=2) as run.executor:
            run()
        assert [t.state.name for t in run.trials] == ["PRUNED"] * 2
        # One that crosses the line, and one where it is crossed between looking and watching.
        assert max(late.values()) <= 2

    @pytest.fixture
    def ctrl_c(self) -> Iterator[None]:
        """SIGINT as a terminal has it; a shell that starts tests in the background ignores it."""
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        yield
        signal.signal(signal.SIGINT, before)

    @pytest.mark.usefixtures("ctrl_c")
    def test_ctrl_c_is_heard_at_once_and_cancel_ends_trials(
        self, make: Make, tmp_path: Path
    ) -> None:
        """The waiting ends while a trial hangs; after `cancel` the next one runs."""
        with make(FaultyRecipe(tmp_path, {0: "hang"})) as executor:
            executor.submit(spec(0))
            reported = threading.Event()

            def hear(one: TrialSpec, report: EpochReport) -> bool:
                reported.set()
                return False

            def interrupt() -> None:
                reported.wait()
                os.kill(os.getpid(), signal.SIGINT)

            threading.Thread(target=interrupt).start()
            with pytest.raises(KeyboardInterrupt):
                executor.next_result(hear)
            executor.cancel()
            assert gone(attempts(tmp_path)[0][1])
            executor.submit(spec(1))
            assert executor.next_result(lambda spec, report: False).status is Status.COMPLETED
