#!/usr/bin/env python3
"""Prints what early stopping is worth on the transfer benchmark: regret by epochs and by seconds.

    python benchmarks/curves.py --bench ../shared/bench                # every line (an hour)
    python benchmarks/curves.py --bench ../shared/bench --run "tpe, meta, full"
    python benchmarks/curves.py --bench ../shared/bench --folds 2      # what choices are made by

A line is a sampler, a pruner and the history that both may learn from; ``thaw`` in the pruner's
place is freeze-thaw, whose trials are paused and go on. Means of min-max normalised
regret of the best completed trial over ten tasks and the seeds, against what was spent: epochs in
units of one full trial, seconds in units of a random full trial's mean. With ``--folds N`` the
history's own tasks are scored, N of each quarter, with a history that lacks that quarter.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import optuna

from foretune import MetaPruner, MetaSampler
from foretune.search.freeze_thaw import FreezeThaw
from foretune.search.pauses import paused, put_aside, take_up

THAW = "thaw"
EPOCHS = 52
T = TypeVar("T")
MARKS = (1, 2, 3, 5, 10, 20, 30)
FOLDS = 4
PRUNERS: dict[str, Callable[[str | None, int], optuna.pruners.BasePruner]] = {
    "no": lambda url, seed: optuna.pruners.NopPruner(),
    "median": lambda url, seed: optuna.pruners.MedianPruner(),
    "hyperband": lambda url, seed: optuna.pruners.HyperbandPruner(),
    "meta": lambda url, seed: MetaPruner(url, seed=seed),
}
SAMPLERS: dict[str, Callable[[str | None, int, float], optuna.samplers.BaseSampler]] = {
    "tpe": lambda url, seed, budget_s: optuna.samplers.TPESampler(seed=seed),
    "meta": lambda url, seed, budget_s: MetaSampler(url, seed=seed),
    "meta+cost": lambda url, seed, budget_s: MetaSampler(
        url, seed=seed, cost_aware=True, budget_s=budget_s
    ),
}


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    sampler: str
    pruner: str
    history: str

    @property
    def name(self) -> str:
        """Sampler, pruner, history."""
        return f"{self.sampler}, {self.pruner}, {self.history}"


LINES = (
    *(Line("tpe", pruner, "none") for pruner in PRUNERS),
    Line("tpe", "meta", "full"),
    *(
        Line("meta", pruner, history)
        for history in ("full", "none", "negated", "shuffled")
        for pruner in (*PRUNERS, THAW)
        if pruner != "hyperband"  # shows a sampler its bracket of the study, without attributes
    ),
    *(Line("meta+cost", "meta", history) for history in ("full", "none")),
)


class Timed(optuna.pruners.BasePruner):
    """Counts what a pruner's decisions cost."""

    def __init__(self, inner: optuna.pruners.BasePruner) -> None:
        self.inner = inner
        self.seconds: list[float] = []

    def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
        """As the inner one."""
        start = time.perf_counter()
        answer = self.inner.prune(study, trial)
        self.seconds.append(time.perf_counter() - start)
        return answer


def main() -> int:
    """Score every line that is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    shared = os.environ.get("FORETUNE_SHARED")
    parser.add_argument("--bench", type=Path, default=Path(shared) / "bench" if shared else None)
    parser.add_argument("--run", action="append", help="only the line of this name; repeatable")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=150)
    parser.add_argument("--budget", type=float, default=30.0, help="stop after so many full trials")
    parser.add_argument("--scored", type=int, default=10, help="how many of the scored tasks")
    parser.add_argument("--folds", type=int, help="score so many of each quarter of the history")
    parser.add_argument("--processes", type=int, default=2, help="lines at a time, a core each")
    a = parser.parse_args()
    if a.bench is None or not (a.bench / "transfer.py").is_file():
        print("the transfer benchmark is not here: give --bench FOLDER or set FORETUNE_SHARED")
        return 2
    asked = [line for line in LINES if a.run is None or line.name in a.run]
    start = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(a.processes, start, _quiet, (str(a.bench.resolve()),)) as pool:
        for text in pool.map(partial(score, a=a), asked):
            print(text, flush=True)
    return 0


def _quiet(bench: str) -> None:
    """What each process needs before its first line."""
    warnings.filterwarnings("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logging.getLogger("foretune").setLevel(logging.ERROR)  # of each search: what it leaves aside
    sys.path.insert(0, bench)


def cases(line: Line, a: argparse.Namespace, surrogate: Any) -> Iterator[tuple[str, str | None]]:
    """Scored tasks, each with its history."""
    import transfer

    past, scored = transfer.split(surrogate)
    if a.folds is None:
        asked = argparse.Namespace(
            sampler="foretune:MetaSampler", history=line.history, per_task=200
        )
        url = transfer.history_url(surrogate, past, asked)
        yield from ((task, url) for task in scored[: a.scored])
        return
    for fold in range(FOLDS):
        held_out, url = past[fold::FOLDS], None
        if line.history != "none":
            folder = Path(tempfile.gettempdir())
            path = folder / f"{surrogate.name}-curves-{line.history}-{fold}-of-{FOLDS}.db"
            if not path.exists():
                part = path.with_suffix(f".{os.getpid()}")
                rest = [task for task in past if task not in held_out]
                transfer.write_history(surrogate, rest, f"sqlite:///{part}", line.history, 200)
                part.rename(path)
            url = f"sqlite:///{path}"
        yield from ((task, url) for task in held_out[: a.folds])


def score(line: Line, a: argparse.Namespace) -> str:
    """Run a line on every task and seed; what is told of it."""
    from surrogate import Surrogate

    surrogate = Surrogate(a.bench / "lcbench")
    rows: dict[str, list[list[float]]] = {"epochs": [], "seconds": []}
    decisions: list[float] = []
    stopped = []
    for task, url in cases(line, a, surrogate):
        rng = np.random.default_rng(1)
        configurations = [surrogate.sample(rng) for _ in range(500)]
        typical = float(surrogate.evaluate(task, configurations, "time").mean())
        for seed in range(a.seeds):
            made = search(line, a, surrogate, task, url=url, seed=seed, typical=typical)
            for kind, regrets in zip(rows, _by_cost(made, surrogate, task, typical), strict=True):
                rows[kind].append(regrets)
            stopped.append(np.mean([t.state.name != "COMPLETE" for t in made.study.trials]))
            decisions += made.decisions
    cost = f"{1e3 * np.median(decisions):.2f} ms a decision" if decisions else ""
    told = []
    for kind, values in rows.items():
        means = np.mean(values, axis=0)
        marks = " ".join(f"@{m} {v:.4f}" for m, v in zip(MARKS, means, strict=True))
        told.append(f"{line.name:24s} by {kind:8s} {marks} | stopped {np.mean(stopped):.0%} {cost}")
    return "\n".join(told)


@dataclass
class Made:
    """One search: its study, and after each piece of work the best completed value and the cost."""

    study: optuna.Study
    best: list[float] = field(default_factory=list)
    spent: list[tuple[float, float]] = field(default_factory=list)
    decisions: list[float] = field(default_factory=list)


def search(
    line: Line,
    a: argparse.Namespace,
    surrogate: Any,
    task: str,
    *,
    url: str | None,
    seed: int,
    typical: float,
) -> Made:
    """One search, until both budgets or its trials are spent."""
    import transfer

    frozen = line.pruner == THAW
    pruner = optuna.pruners.NopPruner() if frozen else PRUNERS[line.pruner](url, seed)
    timed = pruner if line.pruner == "hyperband" else Timed(pruner)  # it is known by type
    sampler = SAMPLERS[line.sampler](url, seed, a.budget * typical)
    study = optuna.create_study(
        study_name=f"{task}, {seed}",  # Hyperband deals brackets by it
        direction="maximize",
        sampler=sampler,
        pruner=timed,
    )
    made = Made(study)
    if isinstance(timed, Timed):
        made.decisions = timed.seconds
    run = transfer.objective(surrogate, task, not frozen, [] if frozen else made.spent)
    thawing = Thawing(study, FreezeThaw(url, seed=seed), run, surrogate, task, made.decisions)
    while len(study.trials) < a.trials and not _over(made.spent, typical, a.budget):
        if frozen:
            made.spent.append(thawing.turn())
        else:
            study.optimize(run, n_trials=1)
        told = [t.value for t in study.trials if t.state.name == "COMPLETE" and t.value is not None]
        made.best.append(max(told, default=-np.inf))
    return made


@dataclass
class Thawing:
    """Freeze-thaw on the surrogate. A completed trial's value counts, a paused one's does not."""

    study: optuna.Study
    fidelity: FreezeThaw
    suggest: Callable[[optuna.Trial], float]
    surrogate: Any
    task: str
    decisions: list[float]

    def turn(self) -> tuple[float, float]:
        """Train one configuration until another one's turn: what that cost, by both measures."""
        study = self.study
        choice = self._timed(lambda: self.fidelity.choose(study, paused(study), may_begin=True))
        assert choice is not None, "a new trial may always begin"
        trial = study.ask() if choice.number is None else take_up(study, choice.number, "")
        assert trial is not None, "nobody else works on it"
        if choice.number is None:
            self.suggest(trial)
        number, params = trial.number, trial.params
        first = max(study.trials[number].intermediate_values, default=0)
        for epoch in range(first + 1, EPOCHS + 1):
            value = float(self.surrogate.evaluate(self.task, [params], epoch=epoch)[0])
            trial.report(value, epoch)
            if epoch == EPOCHS:
                trial.set_user_attr("seconds", self._seconds(params, EPOCHS))
                study.tell(trial, value)
                break
            aside = paused(study, [number])
            pause = self._timed(partial(self.fidelity.pause, study, number, aside, may_begin=True))
            if pause is not None:
                trial.set_user_attr("seconds", self._seconds(params, epoch))
                put_aside(study, number, epoch=epoch, pause=pause)
                break
        cost_s = self._seconds(params, epoch) - (self._seconds(params, first) if first else 0.0)
        return (epoch - first) / EPOCHS, max(1e-3, cost_s)

    def _seconds(self, params: dict[str, Any], epoch: int) -> float:
        return float(self.surrogate.evaluate(self.task, [params], "time", epoch=epoch)[0])

    def _timed(self, decide: Callable[[], T]) -> T:
        start = time.perf_counter()
        answer = decide()
        self.decisions.append(time.perf_counter() - start)
        return answer


def _over(spent: list[tuple[float, float]], typical: float, budget: float) -> bool:
    """Whether both budgets are spent."""
    if not spent:
        return False
    epochs, seconds = np.sum(spent, axis=0)
    return bool(min(epochs, seconds / typical) >= budget)


def _by_cost(made: Made, surrogate: Any, task: str, typical: float) -> Iterator[list[float]]:
    """Regret of the best completed trial when each mark was spent: by epochs, by seconds."""
    best = np.array(made.best, float)
    known = np.isfinite(best)
    regret = np.where(known, surrogate.regret(task, np.where(known, best, 0.0)), 1.0)
    for unit, costs in zip((1.0, typical), np.transpose(made.spent), strict=True):
        total = np.cumsum(costs) / unit
        yield [
            float(regret[total <= mark + 1e-9][-1]) if (total <= mark + 1e-9).any() else 1.0
            for mark in MARKS
        ]


if __name__ == "__main__":
    raise SystemExit(main())
