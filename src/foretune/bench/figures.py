"""How is a finding drawn? Every line is labelled at its end; each figure as SVG and as PNG."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from foretune.bench.methods import META, METHODS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Finding = Mapping[str, Any]
INK, FAINT = "#22272e", "#8a939c"
_GAP = 0.056  # of the height of a figure between two labels
_ABOUT = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)  # links that no reader needs
_TICKS = (0, 0.01, 0.03, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
_TRIALS = (1, 3, 5, 10, 15, 20, 30, 40, 50)
_DPI = 150


def draw_all(report: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """Draw every figure that the report has numbers for into ``folder``; the SVGs by name."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    drawn: dict[str, str] = {}
    with plt.rc_context(_STYLE):
        for name, figure in _figures(report):
            path = folder / f"{name}.svg"
            figure.savefig(path, metadata={"Date": None})
            figure.savefig(path.with_suffix(".png"), dpi=_DPI)
            plt.close(figure)
            text = path.read_text(encoding="utf-8")
            drawn[name] = _ABOUT.sub("", text[text.index("<svg") :])
    return drawn


_STYLE: dict[Any, Any] = {
    "font.size": 11.0,
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlesize": 12.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "svg.fonttype": "none",
    "svg.hashsalt": "foretune",
    "figure.facecolor": "white",
}


def _figures(report: Mapping[str, Any]) -> list[tuple[str, Figure]]:
    found = []
    for part in ("table", "surrogate"):
        finding = report.get(part)
        if finding:
            found.append((f"{part}-regret", headline(finding)))
            found.append((f"{part}-tasks", by_task(finding)))
            if finding["diagram"]:
                found.append((f"{part}-ranks", diagram(finding)))
    if report.get("live"):
        found.append(("live", live(report["live"])))
    return found


def headline(finding: Finding) -> Figure:
    """Regret against trials, and against seconds."""
    from matplotlib import pyplot as plt

    shown = {m: f for m, f in finding["methods"].items() if METHODS[m].drawn}
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(12.4, 5.0), sharey=True, gridspec_kw={"width_ratios": (1.15, 1.0)}
    )
    trials = np.arange(1, finding["n_trials"] + 1)
    budget = np.array(finding["budget"])
    begins = budget >= 1.0
    # What all but the first few trials of the worst method need: the rest is cut off, and says so.
    top = 1.12 * max(_numbers(f["regret"])[0] for f in shown.values())
    for m, f in shown.items():
        line = _line(m)
        left.plot(trials, _numbers(f["regret"]), **line, marker="o", markersize=2.5)
        right.plot(budget[begins], _numbers(f["against_seconds"])[begins], **line)
    if META in shown:
        low, high = _numbers(shown[META]["low"]), _numbers(shown[META]["high"])
        left.fill_between(trials, low, high, color=METHODS[META].colour, alpha=0.15, linewidth=0)
    n = finding["n_tasks"]
    families = len(finding["families"])
    left.set_title("Against trials")
    left.set_xlabel("trials")
    left.set_ylabel("normalised regret (square-root scale)")
    if META in shown:
        kept = _numbers(shown[META]["against_seconds_kept"])[begins]
        right.plot(budget[begins], kept, color=METHODS[META].colour, linewidth=1.4, linestyle=":")
    right.set_title("Against seconds, all overhead included")
    right.set_xlabel("seconds, in units of the task's mean trial")
    for axes in (left, right):
        axes.set_yscale("function", functions=(_root, np.square))
        axes.set_ylim(0.0, top)
        axes.set_yticks([t for t in _TICKS if t <= top], [f"{t:g}" for t in _TICKS if t <= top])
        axes.set_xlim(0.5, finding["n_trials"])
        axes.set_xticks([t for t in _TRIALS if t <= finding["n_trials"]])
        axes.grid(axis="y", color="#e6e9ec", linewidth=0.8)
    ends = {m: _numbers(f["regret"]) for m, f in shown.items()}
    _label_ends(left, {m: float(v[-1]) for m, v in ends.items()}, finding["n_trials"])
    _label_ends(
        right, {m: _numbers(f["against_seconds"])[-1] for m, f in shown.items()}, float(budget[-1])
    )
    told = f"{n} tasks, {families} families" if families < n else f"{n} tasks"
    figure.suptitle(
        f"How far from the best, on tasks never seen before ({told}; lower is better)",
        x=0.012, ha="left", fontsize=13.5, fontweight="bold",
    )  # fmt: skip
    figure.subplots_adjust(left=0.062, right=0.915, top=0.845, bottom=0.115, wspace=0.27)
    return figure


def by_task(finding: Finding) -> Figure:
    """Small multiples: regret against trials on each task."""
    from matplotlib import pyplot as plt

    tasks = finding["tasks"]
    columns = min(6, len(tasks))
    rows = -(-len(tasks) // columns)
    figure, grid = plt.subplots(
        rows, columns, figsize=(12.4, 0.6 + 1.9 * rows), sharex=True, sharey=True, squeeze=False
    )
    shown = [m for m in finding["methods"] if METHODS[m].drawn]
    trials = np.arange(1, finding["n_trials"] + 1)
    for axes, told in zip(grid.flat, tasks, strict=False):
        for m in shown:
            axes.plot(trials, _numbers(finding["per_task"][told["task"]][m]), **_line(m, thin=True))
        axes.set_title(str(told["task"]), fontsize=9, fontweight="normal")
        axes.grid(axis="y", color="#e6e9ec", linewidth=0.8)
        axes.set_ylim(-0.02, 0.6)
        axes.set_xticks([t for t in (1, 10, 20, 30, 40, 50) if t <= finding["n_trials"]])
    for axes in list(grid.flat)[len(tasks) :]:
        axes.set_visible(False)
    handles = [
        plt.Line2D([], [], color=METHODS[m].colour, linewidth=2, label=METHODS[m].label)
        for m in shown
    ]
    figure.legend(
        handles=handles, loc="upper left", ncol=len(shown), frameon=False, bbox_to_anchor=(0.0, 1.0)
    )
    figure.supxlabel("trials", fontsize=11)
    height = 0.6 + 1.9 * rows
    figure.subplots_adjust(
        left=0.045, right=0.99, top=1.0 - 0.62 / height, bottom=0.5 / height, hspace=0.35,
        wspace=0.12,
    )  # fmt: skip
    return figure


def diagram(finding: Finding) -> Figure:
    """Critical-difference diagram: mean ranks; a bar joins what cannot be told apart."""
    import pandas as pd
    from matplotlib import pyplot as plt
    from scikit_posthocs import critical_difference_diagram

    told = finding["diagram"]
    labels = {m: METHODS[m].label for m in told["ranks"]}
    names = list(labels.values())
    figure, axes = plt.subplots(figsize=(12.4, 1.4 + 0.21 * len(names)))
    critical_difference_diagram(
        pd.Series(list(told["ranks"].values()), index=names),
        pd.DataFrame(told["p"], index=names, columns=names),
        ax=axes,
        color_palette={labels[m]: METHODS[m].colour for m in labels},
        label_fmt_left="{label} ({rank:.1f}) ",
        label_fmt_right=" ({rank:.1f}) {label}",
    )
    figure.subplots_adjust(left=0.12, right=0.88, top=0.8, bottom=0.05)
    return figure


def live(finding: Finding) -> Figure:
    """Best validation score against seconds on each task that was really trained on."""
    from matplotlib import pyplot as plt

    tasks = finding["tasks"]
    figure, grid = plt.subplots(1, len(tasks), figsize=(12.4, 4.2), squeeze=False)
    for axes, told in zip(grid.flat, tasks, strict=True):
        seconds = np.array(told["seconds"])
        ends = {}
        for m, curve in told["curves"].items():
            values = _numbers(curve)
            axes.plot(seconds, values, **_line(m), drawstyle="steps-post")
            if np.isfinite(values).any():
                ends[m] = float(values[np.isfinite(values)][-1])
        axes.set_title(told["task"])
        axes.set_xlabel("seconds, everything included")
        axes.grid(axis="y", color="#e6e9ec", linewidth=0.8)
        axes.set_xlim(0, seconds[-1])
        _label_ends(axes, ends, float(seconds[-1]))
    grid[0, 0].set_ylabel("best validation score so far")
    figure.subplots_adjust(left=0.06, right=0.94, top=0.9, bottom=0.14, wspace=0.42)
    return figure


def _line(method: str, *, thin: bool = False) -> dict[str, Any]:
    is_meta = method == META
    return {
        "color": METHODS[method].colour,
        "linewidth": (1.8 if is_meta else 1.1) if thin else (3.0 if is_meta else 1.6),
        "zorder": 5 if is_meta else 3,
    }


def _label_ends(axes: Axes, ends: Mapping[str, float], x: float) -> None:
    """Each line's name beside its end, moved apart where lines meet."""
    to_share = axes.transData + axes.transAxes.inverted()
    heights = {m: float(to_share.transform((x, y))[1]) for m, y in ends.items()}
    order = sorted(heights, key=lambda m: heights[m])
    places = _spread([heights[m] for m in order], _GAP)
    for m, y in zip(order, places, strict=True):
        axes.text(
            1.02, y, METHODS[m].label, transform=axes.transAxes, color=METHODS[m].colour,
            fontsize=10.5, va="center", fontweight="bold" if m == META else "normal",
        )  # fmt: skip


def _spread(places: Sequence[float], gap: float) -> list[float]:
    """Ascending places moved up until each is ``gap`` above the last.

    >>> _spread([0.0, 0.0, 1.0], 0.25)
    [0.0, 0.25, 1.0]
    """
    out: list[float] = []
    for place in places:
        out.append(max(place, out[-1] + gap) if out else place)
    return out


def _root(values: np.ndarray) -> np.ndarray:
    return np.sqrt(np.maximum(values, 0.0))


def _numbers(values: Sequence[float | None]) -> np.ndarray:
    return np.array([np.nan if v is None else v for v in values], float)
