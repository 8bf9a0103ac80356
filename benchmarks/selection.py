#!/usr/bin/env python3
"""Which selector finds the best pretrained model from a few labelled rows?

    python benchmarks/selection.py --data DIR            # the tables and the plot
    python benchmarks/selection.py --data DIR --smoke    # two minutes: a few tasks and rows
    python benchmarks/selection.py --data DIR --ship FILE  # writes the past selections that ship

The oracle fine-tunes every model of the pool at its default configuration on every task, once: its
table is kept in --out and only what is missing is trained. Selectors are replayed on it, with five
support sets of each size. What learns never sees a task of the scored one's family. Exit code 1
where a target is missed.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import numpy as np
from selection_report import BASELINES, SIZE, Found, show
from selection_tasks import BenchTask, bench_tasks

from foretune.config.schema.selection import SelectionConfig
from foretune.select import (
    IN_SCORE_UNITS,
    Candidate,
    Episode,
    Outcome,
    Shown,
    build_selector,
    choose,
    logme,
    meta_train,
    write_episodes,
)
from foretune.select.learned import DESCRIPTORS, SEEN
from foretune.selection import describe
from foretune.selection.tuner import TrialTuner
from foretune.selection.views import Views, view_all
from foretune.train.probe import support_rows

SIZES = (8, 16, 32, 64, 128)
PROBING = ("ridge_loo", "logme", "logme uncorrected", "h_score", "ncm", "knn_loo", "rank_average")
LEARNT = ("meta", "maml")
THRESHOLD = SelectionConfig().threshold


def main() -> int:
    """Record what is missing, replay the selectors, print the tables, draw the plot."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    shared = os.environ.get("FORETUNE_SHARED")
    parser.add_argument("--data", type=Path, default=Path(shared) / "data" if shared else None)
    parser.add_argument("--out", type=Path, default=Path("outputs/benchmark/selection"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="of support sets")
    parser.add_argument("--bandit", action="store_true", help="also the bandit, which trains")
    parser.add_argument("--ship", type=Path, help="write all selections of 32 rows to this file")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument(
        "overrides", nargs="*", help="of the configuration, such as trainer.threads=1"
    )
    a = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    datasets.disable_progress_bars()
    if a.smoke:
        a.out, a.seeds = a.out / "smoke", 2
        a.overrides = ["data.train_rows=48", "data.validation_rows=40", "data.test_rows=100",
                       *a.overrides]  # fmt: skip
    a.out.mkdir(parents=True, exist_ok=True)
    tasks = bench_tasks(a.overrides, a.data, smoke=a.smoke)
    if not any(task.scored for task in tasks):
        print("no task to score: name the folder of the data sets with --data")
        return 2
    oracle = record(tasks, a.out / "oracle.json")
    views = look(tasks, a)
    episodes = {key: episode(task, oracle, views[key]) for key, task in keys(tasks, a)}
    if a.ship:
        write_episodes(shipped(episodes), a.ship)
    scored = score(tasks, oracle, views, episodes, a)
    missed = show(tasks, oracle, views, scored, a)
    print("missed: " + "; ".join(missed) if missed else "every target is reached")
    return int(bool(missed))


def shipped(episodes: dict[tuple[str, int, int], Episode]) -> list[Episode]:
    """The selections of 32 rows, with what the selector that learns reads."""
    return [
        replace(
            e,
            outcomes=tuple(
                replace(o, descriptors={k: o.descriptors[k] for k in (*DESCRIPTORS, *SEEN)})
                for o in e.outcomes
            ),
        )
        for (_, size, _), e in episodes.items()
        if size == SIZE
    ]


def keys(
    tasks: list[BenchTask], a: argparse.Namespace
) -> list[tuple[tuple[str, int, int], BenchTask]]:
    """Every support set: task, size, seed. Those that are only learnt from have 32 rows."""
    return [
        ((task.name, size, seed), task)
        for task in tasks
        for size in (a.sizes if task.scored else (SIZE,))
        for seed in range(a.seeds)
        if size >= len(task.data.info.classes) or "classification" not in task.data.info.kind.value
    ]


def record(tasks: list[BenchTask], path: Path) -> dict[str, dict[str, dict[str, float]]]:
    """Validation and test score and seconds of each model fully fine-tuned, by task and model."""
    held: dict[str, dict[str, dict[str, float]]] = (
        json.loads(path.read_text()) if path.exists() else {}
    )
    for task in tasks:
        own = held.setdefault(task.name, {})
        tuner = TrialTuner(task.data, task.data.train, task.cards, trainer=task.config.trainer,
                           epochs=1, seed=0)  # fmt: skip
        for name in [n for n in task.cards if n not in own]:
            validation, test, seconds = tuner.test(name)
            own[name] = {"validation": validation, "test": test, "seconds": seconds}
            path.write_text(json.dumps(held, indent=1))
            print(f"oracle: {task.name} {name}: test {test:.3f} in {seconds:.1f} s", flush=True)
    return held


def look(tasks: list[BenchTask], a: argparse.Namespace) -> dict[tuple[str, int, int], Views]:
    """What every model sees of every support set."""
    found = {}
    for (name, size, seed), task in keys(tasks, a):
        found[name, size, seed] = view_all(
            task.data, task.cards, size=size, seed=seed, trainer=task.config.trainer,
            cache_dir=a.out / "cache",
        )  # fmt: skip
    return found


def episode(task: BenchTask, oracle: dict[str, Any], views: Views) -> Episode:
    """What may be learnt from one support set."""
    outcomes = tuple(
        Outcome(
            name, oracle[task.name][name]["test"], oracle[task.name][name]["seconds"],
            view.probes, describe(task.cards[name], task.data.info),
        )
        for name, view in views.of.items()
    )  # fmt: skip
    return Episode(task.family, task.data.info.kind.value, views.n_rows, outcomes)


def score(
    tasks: list[BenchTask],
    oracle: dict[str, Any],
    views: dict[tuple[str, int, int], Views],
    episodes: dict[tuple[str, int, int], Episode],
    a: argparse.Namespace,
) -> Found:
    """(regret, rank correlation) of each seed, by selector, task and size."""
    family = {task.name: task.family for task in tasks}
    found: Found = {}
    for task in [t for t in tasks if t.scored]:
        others = [e for (name, size, _), e in episodes.items()
                  if family[name] != task.family and size == SIZE]  # fmt: skip
        supports = [v.support for (name, size, seed), view in views.items()
                    if family[name] != task.family and size == SIZE and seed == 0
                    for v in view.of.values()]  # fmt: skip
        start = meta_train(supports)
        names = (*PROBING, *LEARNT, *BASELINES, *(("bandit",) if a.bandit else ()))
        selectors = {
            name: build_selector(name, episodes=others, start=start)[0]
            for name in names
            if name != "logme uncorrected"
        }
        for size in a.sizes:
            for seed in range(a.seeds):
                if (task.name, size, seed) not in views or (a.bandit and size != SIZE):
                    continue
                view = views[task.name, size, seed]
                shown = shown_of(task, view, seed)
                for name in names:
                    judged = judge(name, selectors, shown)
                    result = compare(name, judged, task, oracle)
                    found.setdefault((name, task.name, size), []).append(result)
    return found


def shown_of(task: BenchTask, views: Views, seed: int) -> Shown:
    """A support set as selectors are shown it."""
    rows = support_rows(task.data, views.n_rows, seed)
    tuner = TrialTuner(task.data, rows, task.cards, trainer=task.config.trainer,
                       epochs=SelectionConfig().bandit_epochs, seed=seed)  # fmt: skip
    return Shown(
        supports={n: v.support for n, v in views.of.items()},
        probes={n: v.probes for n, v in views.of.items()},
        models={n: describe(task.cards[n], task.data.info) for n in views.of},
        kind=task.data.info.kind.value,
        n_rows=views.n_rows,
        seed=seed,
        tuner=tuner,
    )


def judge(name: str, selectors: dict[str, Any], shown: Shown) -> dict[str, float]:
    """Each model's score."""
    if name == "logme uncorrected":
        return {n: logme(s, corrected=False) for n, s in shown.supports.items()}
    if name in PROBING and name != "rank_average":
        return {n: own[name] for n, own in shown.probes.items()}
    if name == "rank_average":
        from foretune.select import rank_average

        return rank_average(shown.probes)
    return {n: own.score for n, own in selectors[name](shown).items()}


def compare(
    name: str, judged: dict[str, float], task: BenchTask, oracle: dict[str, Any]
) -> tuple[float, float]:
    """Regret of the chosen model's test score, rank correlation with the oracle's."""
    from scipy.stats import spearmanr

    own = oracle[task.name]
    judged = {n: v for n, v in judged.items() if math.isfinite(v)}
    if not judged:
        return math.nan, math.nan
    test = np.array([own[n]["test"] for n in judged])
    values = np.array(list(judged.values()))
    scale = 1.0 if name in IN_SCORE_UNITS else float(np.ptp(values))
    candidates = [Candidate(n, v, v, v, own[n]["seconds"]) for n, v in judged.items()]
    threshold = 0.0 if name in BASELINES else THRESHOLD * scale
    chosen = choose(candidates, threshold).name
    regret = max(o["test"] for o in own.values()) - own[chosen]["test"]
    flat = np.ptp(values) == 0 or np.ptp(test) == 0
    return regret, math.nan if flat else float(spearmanr(values, test).statistic)


if __name__ == "__main__":
    raise SystemExit(main())
