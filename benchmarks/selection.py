#!/usr/bin/env python3
"""Which selector finds the best pretrained model from a few labelled rows?

    python benchmarks/selection.py --data DIR               # the tables and the plot
    python benchmarks/selection.py --data DIR --record 600  # ten minutes of the oracle; again: on
    python benchmarks/selection.py --data DIR --bandit 2    # also the bandit, on two support sets
    python benchmarks/selection.py --data DIR --smoke       # two minutes: a few tasks and rows
    python benchmarks/selection.py --data DIR --ship FILE   # writes the past selections that ship
    python benchmarks/selection.py --redraw outputs/benchmark/selection  # of what was found

The oracle fine-tunes every model of the pool at its default configuration on every task, once: its
table is kept in --out and only what is missing is trained; so are embeddings and what the bandit's
short fine-tunes came to. Selectors are replayed on it, with five support sets of each size. What
learns never sees a task of the scored one's family. Everything found is in --out/results.json, from
which tables and plot are drawn. Exit code 1 where a target is missed, 3 where the oracle is not
whole yet.
"""

from __future__ import annotations

import argparse
import logging
import math
import os
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import numpy as np
from selection_oracle import RecordedTuner, record
from selection_report import BASELINES, SIZE, Results, show
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
    rank_average,
    write_episodes,
)
from foretune.select.learned import DESCRIPTORS, SEEN
from foretune.selection import describe
from foretune.selection.tuner import TrialTuner
from foretune.selection.views import Views, look_ahead, view_all
from foretune.train.probe import support_rows

SIZES = (8, 16, 32, 64, 128)
PROBING = ("ridge_loo", "logme", "logme uncorrected", "h_score", "ncm", "knn_loo", "rank_average")
LEARNT = ("meta", "maml", "maml as it comes")
LEARNING, SMOKE_LEARNING = 1000, 100  # meta-iterations
SPECIAL = ("logme uncorrected", "maml as it comes")
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
    parser.add_argument(
        "--bandit",
        type=int,
        default=0,
        metavar="N",
        help="also the bandit, which trains: on N support sets of 32 rows",
    )
    parser.add_argument(
        "--record",
        type=float,
        metavar="SECONDS",
        help="train what the oracle lacks for so long, and no more than that",
    )
    parser.add_argument("--redraw", type=Path, help="the folder of a run: tables and plot again")
    parser.add_argument("--ship", type=Path, help="write all selections of 32 rows to this file")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument(
        "overrides", nargs="*", help="of the configuration, such as trainer.threads=1"
    )
    a = parser.parse_args()
    if a.redraw:
        return told(Results.read(a.redraw / "results.json"), a.redraw)
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    datasets.disable_progress_bars()
    if a.smoke:
        a.out, a.seeds, a.sizes = a.out / "smoke", 2, [8, SIZE]
        a.overrides = ["data.train_rows=40", "data.validation_rows=20", "data.test_rows=60",
                       "pool.members=[packaged,bert_tiny,albert_tiny]",
                       *a.overrides]  # fmt: skip
    a.out.mkdir(parents=True, exist_ok=True)
    tasks = bench_tasks(a.overrides, a.data, smoke=a.smoke)
    if not any(task.scored for task in tasks):
        print("no task to score: name the folder of the data sets with --data")
        return 2
    oracle, left = record(tasks, a.out / "oracle.json", seconds=a.record)
    if left or a.record:
        print(f"oracle: {left} fine-tunings are left; the same command goes on")
        return 3 if left else 0
    views = look(tasks, a)
    episodes = {key: episode(task, oracle, views[key]) for key, task in keys(tasks, a)}
    if a.ship:
        write_episodes(shipped(episodes), a.ship)
    results = Results(
        tasks=[t.name for t in tasks if t.scored],
        sizes=list(a.sizes),
        seeds=a.seeds,
        oracle={t.name: {n: oracle[t.name][n] for n in t.cards} for t in tasks},
        probing={t.name: {n: v.seconds for n, v in views[t.name, SIZE, 0].of.items()}
                 for t in tasks if t.scored},
        found=score(tasks, oracle, views, episodes, a),
    )  # fmt: skip
    results.write(a.out / "results.json")
    missed = told(results, a.out)
    return 0 if a.smoke else missed  # a few rows of two tasks say nothing of a target


def told(results: Results, out: Path) -> int:
    """Print and draw; the exit code."""
    missed = show(results, out / "regret.png")
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


def look(tasks: list[BenchTask], a: argparse.Namespace) -> dict[tuple[str, int, int], Views]:
    """What every model sees of every support set."""
    found, cache = {}, a.out / "cache"
    for task in tasks:
        sets = [(size, seed) for (name, size, seed), _ in keys(tasks, a) if name == task.name]
        look_ahead(task.data, task.cards, sets, trainer=task.config.trainer, cache_dir=cache)
        for size, seed in sets:
            found[task.name, size, seed] = view_all(
                task.data, task.cards, size=size, seed=seed, trainer=task.config.trainer,
                cache_dir=cache,
            )  # fmt: skip
        print(f"seen: {task.name}, {len(sets)} support sets", flush=True)
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
) -> dict[tuple[str, str, int], list[tuple[float, float]]]:
    """(regret, rank correlation) of each seed, by selector, task and size."""
    family = {task.name: task.family for task in tasks}
    iterations = SMOKE_LEARNING if a.smoke else LEARNING
    found: dict[tuple[str, str, int], list[tuple[float, float]]] = {}
    for task in [t for t in tasks if t.scored]:
        others = [e for (name, size, _), e in episodes.items()
                  if family[name] != task.family and size == SIZE]  # fmt: skip
        supports = [v.support for (name, size, seed), view in views.items()
                    if family[name] != task.family and size == SIZE and seed == 0
                    for v in view.of.values()]  # fmt: skip
        start = meta_train(supports, iterations=iterations)
        names = (*PROBING, *LEARNT, *BASELINES, *(("bandit",) if a.bandit else ()))
        selectors = {
            name: build_selector(name, episodes=others, start=start, iterations=iterations)[0]
            for name in names
            if name not in SPECIAL
        }
        selectors["maml as it comes"] = build_selector("maml")[0]
        for size in a.sizes:
            for seed in [s for s in range(a.seeds) if (task.name, size, s) in views]:
                shown = shown_of(task, views[task.name, size, seed], seed, a.out / "bandit.json")
                for name in names:
                    if name == "bandit" and (size != SIZE or seed >= a.bandit):
                        continue
                    result = compare(name, judge(name, selectors, shown), task, oracle)
                    found.setdefault((name, task.name, size), []).append(result)
        print(f"scored: {task.name}", flush=True)
    return found


def shown_of(task: BenchTask, views: Views, seed: int, kept: Path) -> Shown:
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
        tuner=RecordedTuner(tuner, kept, task, seed),
    )


def judge(name: str, selectors: dict[str, Any], shown: Shown) -> dict[str, float]:
    """Each model's score."""
    if name == "logme uncorrected":
        return {n: logme(s, corrected=False) for n, s in shown.supports.items()}
    if name in PROBING and name != "rank_average":
        return {n: own[name] for n, own in shown.probes.items()}
    if name == "rank_average":
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
    regret = max(own[n]["test"] for n in task.cards) - own[chosen]["test"]
    flat = np.ptp(values) == 0 or np.ptp(test) == 0
    return regret, math.nan if flat else float(spearmanr(values, test).statistic)


if __name__ == "__main__":
    raise SystemExit(main())
