#!/usr/bin/env python3
"""Prints how well seconds are predicted, and what stopping saves, on recorded real trials.

    python benchmarks/cost.py --history seed.parquet                    # both parts
    python benchmarks/cost.py --history seed.parquet --part seconds
    python benchmarks/cost.py --history seed.parquet --part replay --orders 5 --iterations 300

Each task is left out together with its family (user attribute ``family``; tasks of one source).
Seconds: the share of a task's trials whose seconds are predicted within a factor 1.5, after so many
of its trials in random order; also with the predicted configurations absent from the history, for
recorded plans try the same ones on each task. Replay: the task's trials are run again in random
order from what was recorded, with and without MetaPruner; a trial's epochs are taken to be of one
length. The time is that at which the best score of all was reached, in seconds as recorded.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import optuna
from optuna.trial import TrialState

from foretune import MetaPruner, read_history
from foretune.history import HistoryRecords, StudyRecord
from foretune.meta.context import Context
from foretune.meta.cost import ANY_LEVEL, CostModel
from foretune.meta.own_seconds import OwnSeconds
from foretune.meta.tasks import Task, Tasks, build_tasks
from foretune.meta.work import Work, work_rows

AFTER = (0, 1, 3, 10)  # trials of the new task
FACTOR = 1.5
MIN_TRIALS = 12
FOLDS = 5  # parts of the configurations that are in turn absent from the history
ORDERS = 10  # in which a task's trials are timed


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--history", required=True, help="a parquet file or a storage URL")
    parser.add_argument("--part", choices=("seconds", "replay"), help="only this part")
    parser.add_argument("--orders", type=int, default=5, help="orders that a task is replayed in")
    parser.add_argument("--iterations", type=int, default=1200, help="of MetaPruner's training")
    a = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    records = read_history(a.history)
    n = sum(len(s.values) for s in records.studies)
    print(f"{n} trials of {len(records.studies)} tasks, {len(_families(records))} families")
    if a.part != "replay":
        for apart in (False, True):
            print_seconds(records, apart=apart)
    if a.part != "seconds":
        print_replay(records, a.orders, a.iterations)
    return 0


def _families(records: HistoryRecords) -> list[str]:
    return sorted({_family(s) for s in records.studies})


def _family(study: StudyRecord) -> str:
    return str(study.user_attrs.get("family") or study.name)


def folds(records: HistoryRecords) -> Iterator[tuple[HistoryRecords, HistoryRecords]]:
    """Each family alone, and the others."""
    for family in _families(records):
        own = tuple(s for s in records.studies if _family(s) == family)
        rest = tuple(s for s in records.studies if _family(s) != family)
        yield replace(records, studies=own), replace(records, studies=rest)


def print_seconds(records: HistoryRecords, *, apart: bool) -> None:
    """Share of trials within the factor, a line a task."""
    how = "absent from" if apart else "tried on other tasks of"
    print(f"\nseconds within a factor {FACTOR}, configurations {how} the history")
    print(f"{'task':32s}{'trials':>7s}" + "".join(f"{f'after {k}':>10s}" for k in AFTER))
    all_shares = []
    for own, rest in folds(records):
        past, new = build_tasks(rest), build_tasks(own)
        for task in new.tasks:
            if np.isfinite(task.log_seconds).sum() >= MIN_TRIALS:
                shares = _within(past, task, new, apart=apart)
                all_shares.append(shares)
                n = int(np.isfinite(task.log_seconds).sum())
                print(f"{task.name[:31]:32s}{n:7d}" + "".join(f"{s:10.0%}" for s in shares))
    if not all_shares:
        print(f"no task has {MIN_TRIALS} timed trials")
        return
    mean = np.mean(all_shares, axis=0)
    print(f"{'mean':39s}" + "".join(f"{s:10.0%}" for s in mean))


def _within(past: Tasks, task: Task, new: Tasks, *, apart: bool) -> list[float]:
    context = Context.fit([t.descriptors for t in past.tasks], [t.models for t in past.tasks])

    def rows(raw: np.ndarray, of: Task) -> np.ndarray:
        described = context.rows(raw, past.codec, task={}, models=of.models)
        worked = work_rows(past.codec, past.codec.encode(raw))
        return np.concatenate([worked, described[:, len(context.task.names) :]], axis=1)

    timed = np.isfinite(task.log_seconds)
    log_seconds = task.log_seconds[timed]
    raw = past.codec.translate(task.raw[timed], new.codec)
    X, E = rows(raw, task), work_rows(new.codec, new.codec.encode(task.raw[timed]))
    shares: list[list[float]] = [[] for _ in AFTER]
    fold = np.random.default_rng(0).permutation(len(X)) % (FOLDS if apart else 1)
    for asked in (fold == k for k in range(fold.max() + 1)):
        known = {row.tobytes() for row in past.codec.encode(raw[asked]).round(6)}
        seen, seconds = [], []
        for t in past.tasks:
            keys = [row.tobytes() for row in past.codec.encode(t.raw).round(6)]
            kept = np.array([not apart or key not in known for key in keys], bool)
            seen.append(rows(t.raw[kept], t))
            seconds.append(t.log_seconds[kept])
        cost = CostModel.fit(seen, seconds, Work.of(past.codec))
        relative = None if cost is None else cost.relative(X)
        for seed in range(ORDERS):
            order = np.random.default_rng(seed).permutation(len(X))
            for k, n in enumerate(AFTER):
                first = order[:n]
                rest = np.array([i for i in order[n:] if asked[i]], int)
                own = OwnSeconds.fit(
                    E[first], log_seconds[first],
                    None if relative is None else relative[first],
                    0.0 if cost is None else cost.offset,
                    ANY_LEVEL if cost is None else cost.spread,
                )  # fmt: skip
                predicted = own.correction(E[rest]) + (0.0 if relative is None else relative[rest])
                if not len(rest):
                    continue
                error = np.abs(predicted - log_seconds[rest])
                shares[k].append(float((error <= math.log(FACTOR)).mean()))
    return [float(np.mean(s)) for s in shares]


def print_replay(records: HistoryRecords, n_orders: int, iterations: int) -> None:
    """What MetaPruner saves, a line a task."""
    print("\nreplay in random order; seconds until the best score of all trials was reached")
    head = ("full", "pruned", "ratio", "all", "pruned", "ratio", "stopped", "best kept", "lost")
    print(f"{'task':32s}{'trials':>7s}" + "".join(f"{h:>10s}" for h in head))
    table = []
    for own, rest in folds(records):
        pruner = MetaPruner(rest, meta_iterations=iterations)
        for study in own.studies:
            trials = _recorded(study)
            if len(trials) >= MIN_TRIALS and len({t[0] for t in trials}) > 1:
                rows = [
                    _replayed(study, trials, pruner, np.random.default_rng(seed))
                    for seed in range(n_orders)
                ]
                table += rows
                print(f"{study.name[:31]:32s}{len(trials):7d}{_line(rows)}", flush=True)
    print(f"{'all':39s}{_line(table)}")


def _line(rows: list[tuple[float, ...]]) -> str:
    full, pruned, total, total_pruned, stopped, lost = np.array(rows).T
    kept = np.isfinite(pruned)
    ratio = np.exp(np.mean(np.log(full[kept] / pruned[kept]))) if kept.any() else np.nan
    whole = np.exp(np.mean(np.log(total / total_pruned)))
    cells = (
        f"{full.mean():.0f}", f"{pruned[kept].mean():.0f}", f"{ratio:.2f}x", f"{total.mean():.0f}",
        f"{total_pruned.mean():.0f}", f"{whole:.2f}x", f"{stopped.mean():.0%}",
        f"{kept.mean():.0%}", f"{lost.mean():.4f}",
    )  # fmt: skip
    return "".join(f"{cell:>10s}" for cell in cells)


Recorded = tuple[float, float, list[float], dict[str, object]]


def _recorded(study: StudyRecord) -> list[Recorded]:
    """Score, seconds, curve and parameters of each completed trial with a curve."""
    sign = 1.0 if study.maximize else -1.0
    found = []
    for i in np.flatnonzero(study.states == TrialState.COMPLETE.value):
        curve = study.curves.value[study.curves.trial == i]
        if len(curve) and np.isfinite(curve).all() and study.seconds[i] > 0:
            params: dict[str, object] = {}
            for column in study.columns:
                value = column.values[i]
                if not np.isnan(value):
                    choices = getattr(column.distribution, "choices", None)
                    params[column.name] = choices[int(value)] if choices else value
            found.append((sign * study.values[i], study.seconds[i], curve.tolist(), params))
    return found


def _replayed(
    record: StudyRecord, trials: list[Recorded], pruner: MetaPruner, rng: np.random.Generator
) -> tuple[float, ...]:
    """One order: seconds to the best without and with the pruner, in all, stopped, regret."""
    order = rng.permutation(len(trials))
    best = max(t[0] for t in trials)
    span = best - float(np.median([t[0] for t in trials])) or 1.0
    study = optuna.create_study(
        direction="maximize" if record.maximize else "minimize", pruner=pruner
    )
    spaces = {c.name: c.distribution for c in record.columns}
    spent = full = 0.0
    at_full = at_pruned = math.inf
    reached, n_stopped = -math.inf, 0
    for k in order:
        score, seconds, curve, params = trials[k]
        full += seconds
        if score == best:
            at_full = min(at_full, full)
        study.enqueue_trial(params)
        trial = study.ask({name: spaces[name] for name in params})
        for step, value in enumerate(curve, start=1):
            trial.report(value, step)
            if step < len(curve) and trial.should_prune():
                spent += seconds * step / len(curve)
                study.tell(trial, state=TrialState.PRUNED)
                n_stopped += 1
                break
        else:
            spent += seconds
            study.tell(trial, score if record.maximize else -score)
            reached = max(reached, score)
            if score == best:
                at_pruned = min(at_pruned, spent)
    return at_full, at_pruned, full, spent, n_stopped / len(trials), (best - reached) / span


if __name__ == "__main__":
    raise SystemExit(main())
