"""What did the replayed selectors come to? Tables, a plot, and the targets that are missed."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from foretune.config.schema.selection import SelectionConfig

SIZE = 32
BASELINES = ("default", "largest", "random")
REGRET, CORRELATION, COST, PROBE_S = 0.02, 0.6, 0.05, 20.0

Found = dict[tuple[str, str, int], list[tuple[float, float]]]
"""(regret, rank correlation) of each seed, by selector, task and size."""


@dataclass(frozen=True)
class Results:
    """Everything that the tables and the plot are drawn from.

    Attributes:
        tasks: The scored ones.
        sizes: Of support sets.
        seeds: Support sets of each size.
        oracle: Test score and seconds of each model, by task and model.
        probing: Seconds of reading 32 rows, by task and model.
        found: What each selector came to.
    """

    tasks: list[str]
    sizes: list[int]
    seeds: int
    oracle: dict[str, dict[str, dict[str, Any]]]
    probing: dict[str, dict[str, float]]
    found: Found

    def write(self, path: Path) -> None:
        """As JSON; a regret or correlation without meaning becomes null."""
        plain: dict[str, Any] = asdict(self)
        plain["found"] = [
            [*key, [[_plain(value) for value in pair] for pair in pairs]]
            for key, pairs in self.found.items()
        ]
        path.write_text(json.dumps(plain))

    @classmethod
    def read(cls, path: Path) -> Results:
        """What `write` wrote."""
        plain = json.loads(path.read_text())
        plain["found"] = {
            (name, task, size): [(_number(r), _number(c)) for r, c in pairs]
            for name, task, size, pairs in plain["found"]
        }
        return cls(**plain)


def _plain(value: float) -> float | None:
    return round(value, 5) if math.isfinite(value) else None


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def show(results: Results, plot: Path) -> list[str]:
    """Print what was found, draw it, and say what was missed."""
    found, scored, sizes = results.found, results.tasks, results.sizes
    names = list(dict.fromkeys(name for name, _, _ in found))
    print("\ntest score of every model, fully fine-tuned at its default configuration")
    for task, models in results.oracle.items():
        own = sorted(models.items(), key=lambda item: -item[1]["test"])
        print(f"  {task:28s}" + "  ".join(f"{n} {v['test']:.3f}" for n, v in own))
    print(
        f"\nselection regret from {SIZE} rows, mean of {results.seeds} support sets; rank"
        " correlation"
    )
    print(f"{'selector':18s}" + "".join(f"{t[:11]:>12s}" for t in scored) + "     mean     corr")
    means: dict[str, tuple[float, float]] = {}
    for name in names:
        per_task = [_mean(r for r, _ in found[name, t, SIZE]) for t in scored]
        ranks = [_mean(c for _, c in found[name, t, SIZE]) for t in scored]
        means[name] = _mean(per_task), _mean(ranks)
        print(f"{name:18s}" + "".join(f"{r:12.3f}" for r in per_task)
              + f"{means[name][0]:9.4f}{means[name][1]:9.2f}")  # fmt: skip
    print("\nmean regret by rows of the support set")
    print(f"{'selector':18s}" + "".join(f"{s:>9d}" for s in sizes))
    curves = {}
    for name in names:
        curves[name] = [
            mean_regret([found[name, t, s] for t in scored if (name, t, s) in found]) for s in sizes
        ]
        print(f"{name:18s}" + "".join(f"{v:9.4f}" for v in curves[name]))
    draw(curves, sizes, plot)
    cost, probe_s = costs(results)
    print(f"\nprobing takes {cost:.1%} of the oracle's seconds (mean over tasks); 8 models on "
          f"{SIZE} rows: {probe_s:.1f} s without loading")  # fmt: skip
    return misses(means, cost, probe_s)


def _mean(values: Iterable[float]) -> float:
    """Of those that are finite; NaN: none is."""
    finite = [value for value in values if math.isfinite(value)]
    return float(np.mean(finite)) if finite else math.nan


def mean_regret(tasks: list[list[tuple[float, float]]]) -> float:
    """Mean over tasks of the mean over seeds; a task without a regret does not count."""
    return _mean(float(np.mean([r for r, _ in own])) for own in tasks)


def costs(results: Results) -> tuple[float, float]:
    """Share of the oracle's seconds that probing takes, and seconds of the slowest eight models."""
    shares, eight = [], []
    for task in results.tasks:
        seconds = list(results.probing[task].values())
        shares.append(sum(seconds) / sum(o["seconds"] for o in results.oracle[task].values()))
        eight.append(sum(sorted(seconds)[-8:]))
    return float(np.mean(shares)), max(eight)


def misses(means: dict[str, tuple[float, float]], cost: float, probe_s: float) -> list[str]:
    """Targets that the default selector misses."""
    chosen = SelectionConfig().method
    regret, correlation = means[chosen]
    found = []
    if not regret <= REGRET:
        found.append(f"{chosen}: regret {regret:.4f} > {REGRET}")
    found += [
        f"{chosen}: regret {regret:.4f}, baseline {name} {means[name][0]:.4f}"
        for name in BASELINES
        if not regret < means[name][0]
    ]
    if not correlation >= CORRELATION:
        found.append(f"{chosen}: rank correlation {correlation:.2f} < {CORRELATION}")
    if not means["logme"][1] > means["logme uncorrected"][1]:
        found.append("logme does not rank better than the uncorrected form")
    if cost > COST:
        found.append(f"probing takes {cost:.1%} of the oracle's seconds")
    if probe_s > PROBE_S:
        found.append(f"probing eight models takes {probe_s:.1f} s")
    return found


def draw(curves: dict[str, list[float]], sizes: list[int], path: Path) -> None:
    """Regret against the rows of the support set."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 5))
    colours = plt.get_cmap("tab20")
    for k, (name, values) in enumerate(curves.items()):
        style = "--" if name in BASELINES else ":" if name == "logme uncorrected" else "-"
        axes.plot(sizes, values, style, marker="o", label=name, color=colours(k))
    axes.set_xscale("log", base=2)
    axes.set_xticks(sizes, [str(s) for s in sizes])
    axes.set_xlabel("labelled rows of the support set")
    axes.set_ylabel("selection regret (test score)")
    axes.grid(alpha=0.3)
    axes.legend(ncols=2, fontsize=8)
    figure.savefig(path, dpi=110, bbox_inches="tight")
    plt.close(figure)
