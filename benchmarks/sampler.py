#!/usr/bin/env python3
"""Prints MetaSampler's table on the transfer benchmark: targets, what is reached, the ablations.

    python benchmarks/sampler.py --bench ../shared/bench                    # the table
    python benchmarks/sampler.py --bench ../shared/bench --only ablations  # the ablations
    python benchmarks/sampler.py --only family  # the conditional family
    python benchmarks/sampler.py --bench ../shared/bench --only folds  # what choices are made by

Means of min-max normalised regret over ten tasks and the seeds; exit code 1 where a target of the
table is missed. ``folds`` never looks at the ten: it holds out a quarter of the history's own tasks
in turn and learns from the others.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from conditional_family import ConditionalFamily

from foretune import MetaSampler
from foretune.meta.settings import Ablation

MARKS = (1, 2, 3, 5, 10, 20, 30, 50, 75, 100)
GUARD_FACTOR = 1.25


@dataclass(frozen=True)
class Run:
    """One line: which history, how many of its tasks, what is to be reached at which trial."""

    name: str
    history: str = "full"
    tasks: int | None = None
    reach: Mapping[int, float] = field(default_factory=dict)
    ablation: Ablation = field(default_factory=Ablation)


TABLE = (
    Run("full", reach={3: 0.035, 5: 0.020, 10: 0.006, 20: 0.0015, 50: 0.0005}),
    Run("5 tasks", tasks=5, reach={10: 0.015}),
    Run("2 tasks", tasks=2, reach={10: 0.03}),
    Run("none", "none", reach={10: 0.12, 20: 0.036, 50: 0.009}),
    Run("negated", "negated"),
    Run("shuffled", "shuffled"),
)
ABLATIONS = (
    Run("as shipped"),
    Run("no history", ablation=Ablation(history=False)),
    Run("portfolio only", ablation=Ablation(model=False)),
    Run("no guard", ablation=Ablation(guard=False)),
    Run("no guard, negated", "negated", ablation=Ablation(guard=False)),
    Run("no placing", ablation=Ablation(placing=False)),
    Run("no descriptors", ablation=Ablation(descriptors=False)),
    Run("episodes", ablation=Ablation(training="episodes")),
    Run("likelihood", ablation=Ablation(training="marginal")),
)
FOLDS = 4
CHOICES = tuple(
    Run(training, ablation=Ablation(training=training))
    for training in ("marginal", "episodes", "mixed")
)


def main() -> int:
    """Run what is asked for and print it line by line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    shared = os.environ.get("FORETUNE_SHARED")
    parser.add_argument("--bench", type=Path, default=Path(shared) / "bench" if shared else None)
    parser.add_argument(
        "--only", choices=["table", "ablations", "folds", "family"], default="table"
    )
    parser.add_argument("--run", help="only the line of this name")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--scored", type=int, default=10, help="how many of the scored tasks")
    a = parser.parse_args()
    warnings.filterwarnings("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if a.only == "family":
        return family(a)
    if a.bench is None or not (a.bench / "transfer.py").is_file():
        print("the transfer benchmark is not here: give --bench FOLDER or set FORETUNE_SHARED")
        return 2
    sys.path.insert(0, str(a.bench.resolve()))
    lines = {"table": TABLE, "ablations": ABLATIONS, "folds": CHOICES}[a.only]
    runs = [r for r in lines if a.run in (None, r.name)]
    missed: list[str] = []
    reached: dict[str, np.ndarray] = {}
    for run in runs:
        reached[run.name] = folds(run, a) if a.only == "folds" else line(run, a)
        missed += misses(run, reached)
    print("missed: " + "; ".join(missed) if missed else "every target is reached")
    return int(bool(missed))


def line(run: Run, a: argparse.Namespace) -> np.ndarray:
    """Score one run, print its line, return the mean regret a trial (trials,)."""
    import transfer
    from surrogate import Surrogate

    surrogate = Surrogate(a.bench / "lcbench")
    past, scored = transfer.split(surrogate)
    asked = argparse.Namespace(sampler="foretune:MetaSampler", history=run.history, per_task=200)
    url = transfer.history_url(surrogate, past[: run.tasks], asked)
    return score(
        run, surrogate, [(task, url) for task in scored[: a.scored]], seeds=a.seeds,
        trials=a.trials, objective=lambda task: transfer.objective(surrogate, task, False, []),
    )  # fmt: skip


def folds(run: Run, a: argparse.Namespace) -> np.ndarray:
    """As `line`, on the history's own tasks, each with a history that lacks its fold."""
    import transfer
    from surrogate import Surrogate

    surrogate = Surrogate(a.bench / "lcbench")
    past, _ = transfer.split(surrogate)
    cases: list[tuple[str, str | None]] = []
    for fold in range(FOLDS):
        held_out = past[fold::FOLDS]
        path = Path(tempfile.gettempdir()) / f"{surrogate.name}-fold-{fold}-of-{FOLDS}.db"
        if not path.exists():
            part = path.with_suffix(f".{os.getpid()}")
            rest = [task for task in past if task not in held_out]
            transfer.write_history(surrogate, rest, f"sqlite:///{part}", run.history, 200)
            part.rename(path)
        cases += [(task, f"sqlite:///{path}") for task in held_out]
    return score(
        run, surrogate, cases, seeds=a.seeds, trials=a.trials,
        objective=lambda task: transfer.objective(surrogate, task, False, []),
    )  # fmt: skip


def score(
    run: Run,
    surrogate: Any,
    cases: list[tuple[str, str | None]],
    *,
    seeds: int,
    trials: int,
    objective: Callable[[str], Callable[[optuna.Trial], float]],
) -> np.ndarray:
    """Mean regret a trial over tasks (each with its history) and seeds, printed with its cost."""
    regrets, seconds, first = [], [], []
    for task, url in cases:
        for seed in range(seeds):
            start = time.perf_counter()
            sampler = MetaSampler(url, seed=seed, ablation=run.ablation)
            study = optuna.create_study(direction="maximize", sampler=sampler)
            study.optimize(objective(task), n_trials=1)
            first.append(time.perf_counter() - start)
            start = time.perf_counter()
            study.optimize(objective(task), n_trials=trials - 1)
            seconds.append((time.perf_counter() - start) / max(1, trials - 1))
            best = np.maximum.accumulate([t.value for t in study.trials])
            regrets.append(surrogate.regret(task, best))
    mean = np.mean(regrets, axis=0)
    marks = " ".join(f"@{m} {mean[m - 1]:.4f}" for m in MARKS if m <= trials)
    timing = f"{np.median(seconds):.3f} s/trial, first trial {max(first):.1f} s"
    print(f"{run.name:24s} {marks} | {timing}", flush=True)
    return mean


def misses(run: Run, reached: Mapping[str, np.ndarray]) -> list[str]:
    """Targets of a run that its figures miss."""
    mean = reached[run.name]
    wanted = dict(run.reach)
    if run.name in ("negated", "shuffled") and "none" in reached and len(mean) >= 50:
        wanted[50] = GUARD_FACTOR * float(reached["none"][49])
    return [
        f"{run.name} @{mark} {mean[mark - 1]:.4f} > {limit:.4f}"
        for mark, limit in wanted.items()
        if mark <= len(mean) and mean[mark - 1] > limit
    ]


def family(a: argparse.Namespace) -> int:
    """The synthetic conditional family: 100 history tasks x 200 trials, unseen tasks scored."""
    surrogate = ConditionalFamily(n_tasks=100 + a.scored)
    scored, past = surrogate.tasks[: a.scored], surrogate.tasks[a.scored :]
    path = Path(tempfile.gettempdir()) / f"{surrogate.name}-{len(past)}.db"
    url = f"sqlite:///{path}"
    if not path.exists():
        write_family(surrogate, past, path)
    runs = (
        Run("family"),
        Run("family, portfolio only", ablation=Ablation(model=False)),
        Run("family, no history", "none", ablation=Ablation(history=False)),
    )
    for run in runs:
        score(
            run, surrogate, [(task, url) for task in scored], seeds=a.seeds, trials=a.trials,
            objective=lambda task: define_by_run(surrogate, task),
        )  # fmt: skip
    return 0


def define_by_run(surrogate: ConditionalFamily, task: str) -> Callable[[optuna.Trial], float]:
    """An objective that asks for a child only under its parent."""

    def objective(trial: optuna.Trial) -> float:
        config: dict[str, Any] = {}
        for h in surrogate.params:
            name = h["name"]
            if not surrogate.is_active(name, config):
                continue
            if h["type"] == "categorical":
                config[name] = trial.suggest_categorical(name, h["choices"])
            elif h["type"] == "uniform_int":
                config[name] = trial.suggest_int(name, h["lower"], h["upper"], log=h["log"])
            else:
                config[name] = trial.suggest_float(name, h["lower"], h["upper"], log=h["log"])
        return float(surrogate.evaluate(task, [config])[0])

    return objective


def write_family(surrogate: ConditionalFamily, tasks: list[str], path: Path) -> None:
    """One finished study of 200 random trials a task."""
    part = path.with_suffix(f".{os.getpid()}")
    storage = optuna.storages.RDBStorage(f"sqlite:///{part}")
    for k, task in enumerate(tasks):
        sampler = optuna.samplers.RandomSampler(seed=k)
        drawn = optuna.create_study(direction="maximize", sampler=sampler)
        drawn.optimize(define_by_run(surrogate, task), n_trials=200)
        study = optuna.create_study(
            storage=storage, study_name=f"{surrogate.name}-{task}", direction="maximize"
        )
        study.add_trials(drawn.trials)
    storage.engine.dispose()
    part.rename(path)


if __name__ == "__main__":
    raise SystemExit(main())
