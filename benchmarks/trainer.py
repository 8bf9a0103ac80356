"""How fast is the trainer? The same 12 configurations through it and through the usual loops.

    python benchmarks/trainer.py --data ../shared/data

Text (imdb): this trainer, transformers.Trainer with its defaults, and the same with length grouping
and large evaluation batches. Images (cifar10): this trainer, and a plain timm loop. One process
each, in turn, on the same rows; a process's first trial also pays for imports, tokenising and
loading, so it is reported apart. Frozen encoders are where this trainer computes less; the ratio is
therefore printed for configurations with and without frozen layers too.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import time
from typing import Any

import numpy as np
from trainer_contestants import MODELS, load_rows, run_foretune, run_timm_loop, run_trainer

CONTESTANTS = {
    "imdb": ("foretune", "trainer", "trainer_grouped"),
    "cifar10": ("foretune", "timm_loop"),
}
TARGETS = {"trainer": 1.5, "trainer_grouped": 1.0, "timm_loop": 1.0}
FIXED_TARGET_S = 0.3
FIXED_REPEATS = 3


def configurations(task: str, n: int, seed: int) -> list[dict[str, Any]]:
    """``n`` points of the practical space; frozen 0, 1/2 and 1 in turn, as its choice has them."""
    rng = np.random.default_rng(seed)
    low, high = 5e-5, 5e-4
    depth = 6 if task == "imdb" else 4
    return [
        {
            "model": MODELS[task],
            "lr": float(np.exp(rng.uniform(np.log(low), np.log(high)))),
            "batch_size": int(rng.choice([8, 16, 32])),
            "epochs": int(rng.integers(1, 4)),
            "layers": int(rng.integers(depth // 2, depth + 1)) if task == "imdb" else depth,
            "frozen": (0.0, 0.5, 1.0)[number % 3],
            "head_lr_multiplier": 10.0,
            "dropout": float(rng.choice([0.0, 0.1, 0.3])),
            "weight_decay": 0.01,
            "warmup": 0.1,
        }
        for number in range(n)
    ]


def contest(arguments: argparse.Namespace) -> None:
    """Run one contestant in this process, one JSON line a trial."""
    import torch

    torch.set_num_threads(arguments.threads)
    data = load_rows(arguments)
    runs = {
        "foretune": run_foretune,
        "trainer": lambda *given: run_trainer(*given, grouped=False),
        "trainer_grouped": lambda *given: run_trainer(*given, grouped=True),
        "timm_loop": run_timm_loop,
    }
    run = runs[arguments.contestant](data, arguments)
    points = configurations(arguments.task, arguments.configs, 0)
    again = [{**points[0], "epochs": 1}] * FIXED_REPEATS  # its fixed cost: all is cached by now
    for number, params in enumerate([*points, *again]):
        began, cpu_began = time.perf_counter(), time.process_time()
        result = run(params, number)
        seconds = time.perf_counter() - began
        line = {
            **result,
            "seconds": seconds,
            "cpu_s": time.process_time() - cpu_began,
            "fixed_s": seconds - result["learning_s"],
            "frozen": params["frozen"],
        }
        print("RESULT " + json.dumps(line), flush=True)


def measure(contestant: str, task: str, arguments: argparse.Namespace) -> list[dict[str, float]]:
    """A contestant's trials, from a process of its own."""
    command = [sys.executable, __file__, "--contestant", contestant, "--task", task]
    for name in ("data", "configs", "rows", "validation_rows", "max_length", "threads"):
        command += [f"--{name.replace('_', '-')}", str(getattr(arguments, name))]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    return [json.loads(line.removeprefix("RESULT ")) for line in lines]


def report(task: str, found: dict[str, list[dict[str, float]]]) -> bool:
    """Print the table of a task; whether every target is met."""
    n = len(found["foretune"]) - FIXED_REPEATS
    print(f"\n{task}: {n} configurations; times and ratios without each process's first")
    columns = ("seconds", "ratio", "cpu s", "ratio", "ex/s", "accuracy", "sd", "fixed s")
    print(" " * 16 + "".join(f"{name:>9}" for name in columns))
    ours, met = found["foretune"][:n], True
    fixed = {
        name: statistics.median(t["fixed_s"] for t in all_[n:]) for name, all_ in found.items()
    }
    for name, every in found.items():
        trials, rest = every[:n], every[1:n]
        wall, cpu = _total(rest, "seconds"), _total(rest, "cpu_s")
        ratio = wall / _total(ours[1:], "seconds")
        scores = [trial["accuracy"] for trial in trials]
        print(
            f"{name:16}{wall:9.1f}{ratio:9.2f}{cpu:9.1f}{cpu / _total(ours[1:], 'cpu_s'):9.2f}"
            f"{_total(rest, 'examples') / wall:9.1f}{statistics.mean(scores):9.3f}"
            f"{statistics.stdev(scores):9.3f}{fixed[name]:9.2f}"
        )
        if name == "foretune":
            continue
        parts = []
        for frozen in (0.0, 0.5, 1.0):
            theirs = _total([t for t in rest if t["frozen"] == frozen], "seconds")
            mine = _total([t for t in ours[1:] if t["frozen"] == frozen], "seconds")
            parts.append(f"frozen={frozen:g}: {theirs / mine:.2f}x" if mine else "")
        gaps = [a["accuracy"] - b["accuracy"] for a, b in zip(ours, trials, strict=True)]
        error = statistics.stdev(gaps) / math.sqrt(len(gaps))
        fast, as_good = ratio >= TARGETS[name], statistics.mean(gaps) >= -2 * error
        print(
            f"  {', '.join(filter(None, parts))}; target {TARGETS[name]}x:"
            f" {'met' if fast else 'MISSED'}\n  accuracy here minus there"
            f" {statistics.mean(gaps):+.3f} +- {error:.3f}: {'kept' if as_good else 'LOST'}"
        )
        met = met and fast and as_good
    cheap = fixed["foretune"] <= FIXED_TARGET_S
    print(f"  fixed cost of a trial, target {FIXED_TARGET_S} s: {'met' if cheap else 'MISSED'}")
    return met and cheap


def _total(trials: list[dict[str, float]], what: str) -> float:
    return sum(trial[what] for trial in trials)


def main() -> int:
    """Run the benchmark; 0 if every target is met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder with imdb/ and cifar10/")
    parser.add_argument("--task", choices=sorted(CONTESTANTS), default=None)
    parser.add_argument("--configs", type=int, default=12)
    parser.add_argument("--rows", type=int, default=512)
    parser.add_argument("--validation-rows", type=int, default=200)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--contestant", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contestant:
        contest(arguments)
        return 0
    met = True
    for task in [arguments.task] if arguments.task else sorted(CONTESTANTS):
        found = {}
        for contestant in CONTESTANTS[task]:
            print(f"{task}: {contestant} ...", file=sys.stderr, flush=True)
            found[contestant] = measure(contestant, task, arguments)
        met = report(task, found) and met
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
