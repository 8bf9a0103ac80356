"""How is a replay spread over processes? In units of one method on one task, trainings first."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from foretune.bench import replay, surrogate_replay
from foretune.bench.methods import METHODS
from foretune.bench.surrogate import HELD_OUT, Surrogate
from foretune.bench.table import Table, load_table, records_of
from foretune.bench.trace import Trace
from foretune.core import ForetuneError

if TYPE_CHECKING:
    from foretune.meta.settings import MetaSettings

TABLE, SURROGATE = "table", "surrogate"
FEW = ("meta_default", "meta_moved", "cold", "gp")  # variants, and what is slow
_LEARNT = ("meta", "meta_default", "meta_moved")
_OF_TABLE = (
    "gp", "cold", "meta", "meta_default", "meta_moved", "tpe", "tpe_default", "random", "grid",
    "grid_small", "mean_rank", "portfolio", "nearest", "default",
)  # fmt: skip
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
Step = Callable[[int, int, str], None]
"""Told after each unit: how many are done, of how many, and what the last one was."""


@dataclass(frozen=True)
class Plan:
    """What a replay does, in plain values.

    Attributes:
        table: The exported history; None: no table.
        surrogate: The surrogate's folder; None: it is left out.
        seeds: Of methods that have any; few_seeds: of variants and on the surrogate.
        n_trials: Of a search.
        grid: Axes of the grid; small_grid: of the small one.
        settings: The meta-model's numbers.
        cache_dir: Where trained meta-models are kept.
    """

    table: Path | None
    surrogate: Path | None
    seeds: int
    few_seeds: int
    n_trials: int
    grid: replay.Axes
    small_grid: replay.Axes
    settings: MetaSettings
    cache_dir: Path


@dataclass(frozen=True)
class Unit:
    """Searches of one method on one task; or the meta-training that comes before some.

    Attributes:
        where: ``table`` or ``surrogate``.
        task: The task; of a training: the held-out family.
        method: Empty: the training.
        n_seeds: How many searches.
        after: The training that must be done.
    """

    where: str
    task: str
    method: str = ""
    n_seeds: int = 1
    after: Unit | None = None

    def __str__(self) -> str:
        if not self.method:
            return f"meta-training without {self.task}"
        return f"{METHODS[self.method].label} on {self.task}"


@dataclass(frozen=True)
class Outcome:
    """What a unit came to: its searches, or the processor seconds of its training."""

    traces: tuple[Trace, ...] = ()
    training_s: float = 0.0


class Worker:
    """What a process needs for its units; made once in each."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._table = Table(()) if plan.table is None else load_table(plan.table)
        self._surrogate = None if plan.surrogate is None else Surrogate(plan.surrogate)

    def run(self, unit: Unit) -> Outcome:
        """Do a unit; no search is there where the method does not apply to the task."""
        if not unit.method:
            began = time.process_time()
            self._train(unit)
            return Outcome(training_s=time.process_time() - began)
        run = self._on_surrogate if unit.where == SURROGATE else self._on_table
        found = [run(unit, seed) for seed in range(unit.n_seeds)]
        return Outcome(tuple(trace for trace in found if trace is not None))

    def _train(self, unit: Unit) -> None:
        from foretune.meta.model import MetaModel
        from foretune.search.meta_threads import one_thread

        if unit.where == SURROGATE:
            assert self._surrogate is not None
            records = self._surrogate.history
        else:
            records = records_of(self._table.past(unit.task))
        with one_thread():
            MetaModel.fit(records, self._plan.settings, self._plan.cache_dir)

    def _on_table(self, unit: Unit, seed: int) -> Trace | None:
        plan = self._plan
        task = next(t for t in self._table.tasks if t.name == unit.task)
        contest = replay.Contest.of(
            task, self._table.past(task.family), grid=plan.grid, small_grid=plan.small_grid,
            settings=plan.settings, cache_dir=plan.cache_dir,
        )  # fmt: skip
        return replay.search(contest, unit.method, seed=seed, n_trials=plan.n_trials)

    def _on_surrogate(self, unit: Unit, seed: int) -> Trace:
        assert self._surrogate is not None
        return surrogate_replay.search(
            self._surrogate, unit.task, unit.method, seed=seed, n_trials=self._plan.n_trials,
            settings=self._plan.settings, cache_dir=self._plan.cache_dir,
        )  # fmt: skip


def units_of(plan: Plan, table: Table) -> list[Unit]:
    """All units, trainings first, then the long ones."""
    trainings = {family: Unit(TABLE, family) for family in table.families}
    lcbench = Unit(SURROGATE, "LCBench's unseen tasks")
    units = [lcbench] if plan.surrogate is not None else []
    units += trainings.values()
    for method in _OF_TABLE:
        for task in table.tasks:
            few = plan.few_seeds if method in FEW else plan.seeds
            n_seeds = few if METHODS[method].seeded else 1
            after = trainings[task.family] if method in _LEARNT else None
            units.append(Unit(TABLE, task.name, method, n_seeds, after))
    if plan.surrogate is not None:
        for method in surrogate_replay.METHODS:
            after = lcbench if method in _LEARNT else None
            n_seeds = 1 if method == "gp" else plan.few_seeds  # a third of a second a trial
            units += [Unit(SURROGATE, t, method, n_seeds, after) for t in HELD_OUT]
    return units


def run_units(
    plan: Plan, units: Sequence[Unit], *, n_processes: int, step: Step
) -> Mapping[str, list[Trace]]:
    """Run every unit; the traces by where, in the order of the units.

    Raises:
        ForetuneError: The table cannot be read, or a process was killed.
    """
    done: dict[Unit, Outcome] = {}
    run = _here if n_processes == 1 else _spread
    for unit, outcome in run(plan, units, n_processes):
        done[unit] = outcome
        step(len(done), len(units), str(unit))
    return {
        where: [
            replace(trace, training_s=done[unit.after].training_s) if unit.after else trace
            for unit in units
            if unit.where == where
            for trace in done[unit].traces
        ]
        for where in (TABLE, SURROGATE)
    }


def _here(plan: Plan, units: Sequence[Unit], n_processes: int) -> Iterator[tuple[Unit, Outcome]]:
    worker = Worker(plan)
    for unit in units:
        yield unit, worker.run(unit)


def _spread(plan: Plan, units: Sequence[Unit], n_processes: int) -> Iterator[tuple[Unit, Outcome]]:
    """As many units at a time as there are processes; a unit starts once its training is done."""
    for name in _THREADS:  # read when the new processes load torch
        os.environ.setdefault(name, "1")
    waiting = list(units)
    running: dict[Future[Outcome], Unit] = {}
    done: set[Unit] = set()
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(n_processes, multiprocessing.get_context("spawn"), _start, (plan,))
    try:
        while waiting or running:
            ready = [u for u in waiting if u.after is None or u.after in done]
            for unit in ready[: 2 * n_processes - len(running)]:
                waiting.remove(unit)
                running[pool.submit(_run, unit)] = unit
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                unit = running.pop(future)
                done.add(unit)
                yield unit, future.result()
    except BrokenProcessPool as error:
        raise ForetuneError(
            "a process of the benchmark was killed, for want of memory most likely: the same "
            "command with benchmark.n_processes=1 needs half of it"
        ) from error
    finally:
        if waiting or running:  # it broke off: nobody waits for what is under way
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()
        pool.shutdown(wait=False, cancel_futures=True)


_worker: list[Worker] = []


def _start(plan: Plan) -> None:
    import logging
    import signal
    import warnings

    import optuna

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logging.getLogger("foretune").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    _worker.append(Worker(plan))


def _run(unit: Unit) -> Outcome:
    return _worker[0].run(unit)
