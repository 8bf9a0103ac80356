#!/usr/bin/env python3
"""How does the time to read a history grow with its trials?

    python benchmarks/history_scale.py                    # 10,000 and 100,000 trials, a minute
    python benchmarks/history_scale.py --trials 1000000   # and a million: 2 GB of disk

Writes databases of Optuna's real schema by bulk SQL into a temporary folder: studies of 200
trials, 8 parameters of every kind, a learning curve of 5 points and 3 numeric attributes a trial.
Each is then read in a process of its own, so that the peak memory printed is that read's.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
from optuna.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
)

from foretune.history import open_storage, read_history

SPACE = {
    "lr": FloatDistribution(1e-6, 1e-2, log=True),
    "batch_size": CategoricalDistribution((8, 16, 32, 64)),
    "epochs": IntDistribution(1, 4),
    "layers": IntDistribution(1, 12),
    "dropout": FloatDistribution(0.0, 0.5),
    "optimiser": CategoricalDistribution(("adamw", "adam", "sgd", "rmsprop")),
    "warmup": FloatDistribution(0.0, 0.3, step=0.05),
    "pooling": CategoricalDistribution(("mean", "cls")),
}
PER_STUDY = 200
STEPS = 5
ATTRS = ("seconds", "peak_ram_mb", "examples_per_second")
STUDIES_A_PART = 250


def write(path: Path, n_trials: int) -> None:
    """An Optuna database with ``n_trials`` finished trials."""
    open_storage(f"sqlite:///{path}").engine.dispose()
    rng = np.random.default_rng(0)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        for start in range(0, n_trials // PER_STUDY, STUDIES_A_PART):
            studies = range(start, min(start + STUDIES_A_PART, n_trials // PER_STUDY))
            for statement, rows in _rows(studies, rng):
                connection.executemany(statement, rows)
            connection.commit()


def _rows(studies: range, rng: np.random.Generator) -> Iterator[tuple[str, Iterator[tuple]]]:
    """One part's rows, table by table; the identities are counted as SQLite would."""
    trials = range(studies.start * PER_STUDY, studies.stop * PER_STUDY)
    jsons = [distribution_to_json(d) for d in SPACE.values()]
    draws = rng.random((len(trials), len(SPACE) + STEPS + len(ATTRS)))
    cells = np.column_stack([_drawn(d, draws[:, i]) for i, d in enumerate(SPACE.values())])
    curves = np.cumsum(draws[:, len(SPACE) : len(SPACE) + STEPS], axis=1).tolist()
    attrs = draws[:, -len(ATTRS) :].tolist()
    yield (
        "INSERT INTO studies (study_id, study_name) VALUES (?, ?)",
        ((s + 1, f"study-{s}") for s in studies),
    )
    yield (
        "INSERT INTO study_directions (study_id, objective, direction) VALUES (?, 0, 'MAXIMIZE')",
        ((s + 1,) for s in studies),
    )
    yield (
        "INSERT INTO study_user_attributes (study_id, key, value_json) VALUES (?, ?, ?)",
        ((s + 1, "task", json.dumps(f"task-{s}")) for s in studies),
    )
    yield (
        "INSERT INTO trials (trial_id, number, study_id, state, datetime_start, datetime_complete)"
        " VALUES (?, ?, ?, 'COMPLETE', '2026-01-01 00:00:00.000000', '2026-01-01 00:01:30.500000')",
        ((t + 1, t % PER_STUDY, t // PER_STUDY + 1) for t in trials),
    )
    yield (
        "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json)"
        " VALUES (?, ?, ?, ?)",
        (
            (t + 1, name, value, text)
            for t, row in zip(trials, cells.tolist(), strict=True)
            for name, value, text in zip(SPACE, row, jsons, strict=True)
        ),
    )
    yield (
        "INSERT INTO trial_values (trial_id, objective, value, value_type)"
        " VALUES (?, 0, ?, 'FINITE')",
        ((t + 1, row[-1]) for t, row in zip(trials, curves, strict=True)),
    )
    yield (
        "INSERT INTO trial_intermediate_values"
        " (trial_id, step, intermediate_value, intermediate_value_type) VALUES (?, ?, ?, 'FINITE')",
        (
            (t + 1, step, value)
            for t, row in zip(trials, curves, strict=True)
            for step, value in enumerate(row, 1)
        ),
    )
    yield (
        "INSERT INTO trial_user_attributes (trial_id, key, value_json) VALUES (?, ?, ?)",
        (
            (t + 1, name, repr(value))
            for t, row in zip(trials, attrs, strict=True)
            for name, value in zip(ATTRS, row, strict=True)
        ),
    )


def _drawn(
    distribution: FloatDistribution | IntDistribution | CategoricalDistribution, u: np.ndarray
) -> np.ndarray:
    """Uniform draws ``u`` in [0, 1) as Optuna's internal values."""
    if isinstance(distribution, CategoricalDistribution):
        return np.floor(u * len(distribution.choices))
    low, high = distribution.low, distribution.high
    if distribution.log:
        return np.asarray(low * (high / low) ** u)
    if distribution.step is not None:
        n_steps = round((high - low) / distribution.step)
        return np.asarray(low + distribution.step * np.floor(u * (n_steps + 1)))
    return np.asarray(low + u * (high - low))


def read(path: Path) -> None:
    """Read ``path`` and print what it took, as JSON."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    start = time.perf_counter()
    records = read_history(f"sqlite:///{path}")
    wall_s = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_SELF)
    cells = sum(np.isfinite(c.values).sum() for s in records.studies for c in s.columns)
    found = {
        "studies": len(records.studies),
        "trials": sum(s.values.size for s in records.studies),
        "cells": int(cells),
        "points": sum(s.curves.step.size for s in records.studies),
        "wall_s": wall_s,
        "cpu_s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "rss_mb": after.ru_maxrss / 1024,
    }
    print(json.dumps(found))


def main() -> None:
    """Write, read and print one line a size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=100_000, help="the largest history")
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.read:
        read(args.read)
        return
    print(
        f"{'trials':>10} {'studies':>8} {'MB':>6} {'write s':>8} {'read s':>7}"
        f" {'cpu s':>6} {'us/trial':>9} {'peak MB':>8}"
    )
    sizes = [n for n in (10_000, 100_000, 1_000_000) if n < args.trials] + [args.trials]
    with tempfile.TemporaryDirectory() as folder:
        for n_trials in sizes:
            path = Path(folder) / f"{n_trials}.db"
            start = time.perf_counter()
            write(path, n_trials)
            write_s = time.perf_counter() - start
            command = [sys.executable, __file__, "--read", str(path)]
            env = os.environ | {"OMP_NUM_THREADS": "1"}
            out = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
            r = json.loads(out.stdout)
            assert r["trials"] == n_trials, f"expected {n_trials} trials, read {r['trials']}"
            print(
                f"{n_trials:>10,} {r['studies']:>8,} {path.stat().st_size / 2**20:>6.0f}"
                f" {write_s:>8.1f} {r['wall_s']:>7.1f} {r['cpu_s']:>6.1f}"
                f" {1e6 * r['wall_s'] / n_trials:>9.1f} {r['rss_mb']:>8.0f}",
                flush=True,
            )
            path.unlink()


if __name__ == "__main__":
    main()
