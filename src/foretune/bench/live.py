"""What does a live comparison find: real searches, each with the same seconds?

Symbols: n trials of a search, s points of time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from foretune.bench.methods import META, METHODS

N_POINTS = 121  # of the curves against seconds
SHARE = 1 / 3  # of the others' seconds in which meta must be where they end
AGAINST = ("grid", "tpe")


@dataclass(frozen=True)
class LiveSearch:
    """One real search; scores are higher-is-better.

    Attributes:
        task: The task; family: its source.
        method: Key of the method; seed: the search's.
        ends_s: (n,) seconds from the search's start to the end of each trial; suggesting, and
            meta-training where there was any, included.
        score: (n,) validation score, None: the trial failed.
        test: The best model's score on the test rows.
        again: Validation and test score of the best configuration under fresh seeds.
    """

    task: str
    family: str
    method: str
    seed: int
    ends_s: Sequence[float]
    score: Sequence[float | None]
    test: float | None = None
    again: Sequence[tuple[float, float]] = ()

    def best_at(self, seconds: np.ndarray) -> np.ndarray:
        """(s,) best score of the trials that had ended; NaN before the first."""
        filled = [-np.inf if s is None else s for s in self.score]
        best = np.concatenate([[-np.inf], np.maximum.accumulate(filled)]) if filled else [-np.inf]
        found = np.asarray(best)[np.searchsorted(self.ends_s, seconds, side="right")]
        return np.where(np.isfinite(found), found, np.nan)

    @property
    def best(self) -> float:
        """The best score at the end; NaN where every trial failed."""
        known = [s for s in self.score if s is not None]
        return max(known) if known else float("nan")

    def reach_s(self, target: float, budget_s: float) -> float:
        """Seconds to a score; the whole budget where it is never reached."""
        pairs = zip(self.ends_s, self.score, strict=True)
        return next((e for e, s in pairs if s is not None and s >= target - 1e-12), budget_s)


def live_findings(
    searches: Sequence[LiveSearch], *, budget_s: float, about: str, notes: Sequence[str]
) -> dict[str, Any]:
    """Everything that is told of the live comparison, as plain values."""
    seconds = np.linspace(0.0, budget_s, N_POINTS)
    tasks = list(dict.fromkeys(s.task for s in searches))
    methods = [m for m in METHODS if any(s.method == m for s in searches)]
    rows: list[dict[str, object]] = []
    told = []
    for task in tasks:
        own = {m: [s for s in searches if s.task == task and s.method == m] for m in methods}
        own = {m: found for m, found in own.items() if found}
        means = {m: _mean([s.best for s in own[m]]) for m in AGAINST if m in own}
        targets = {m: value for m, value in means.items() if value is not None}
        rows += [_row(task, m, found, targets, budget_s) for m, found in own.items()]
        curves = {m: _curve(found, seconds) for m, found in own.items()}
        told.append({"task": task, "seconds": seconds.tolist(), "curves": curves})
    return {
        "budget_s": budget_s, "about": about, "notes": list(notes), "tasks": told, "rows": rows,
        "reach": _reach(rows, budget_s), "searches": [asdict(s) for s in searches],
    }  # fmt: skip


def _row(
    task: str,
    method: str,
    found: Sequence[LiveSearch],
    targets: Mapping[str, float],
    budget_s: float,
) -> dict[str, object]:
    again = [pair for s in found for pair in s.again]
    return {
        "task": task, "method": method, "n_searches": len(found),
        "best": _mean([s.best for s in found]),
        "test": _mean([s.test for s in found if s.test is not None]),
        "again": _mean([v for v, _ in again]), "again_test": _mean([t for _, t in again]),
        "trials": float(np.mean([len(s.score) for s in found])),
        **{
            f"to_{m}_s": _mean([s.reach_s(targets[m], budget_s) for s in found])
            if m in targets
            else None
            for m in AGAINST
        },
    }  # fmt: skip


def _reach(rows: Sequence[Mapping[str, object]], budget_s: float) -> list[dict[str, object]]:
    """Whether meta is where the others end in a third of their seconds, over the tasks."""
    out: list[dict[str, object]] = []
    for other in AGAINST:
        seconds = [r[f"to_{other}_s"] for r in rows if r["method"] == META]
        known = [s for s in seconds if isinstance(s, float)]
        if known:
            got = float(np.mean(known)) / budget_s
            out.append(
                {
                    "what": f"share of the seconds in which meta has {METHODS[other].label}'s best",
                    "of": METHODS[other].label, "wanted": SHARE, "got": got,
                    "reached": got <= SHARE,
                }
            )  # fmt: skip
    return out


def _curve(found: Sequence[LiveSearch], seconds: np.ndarray) -> list[float | None]:
    """Mean over seeds; nothing before every one of them has a score."""
    mean = np.mean([s.best_at(seconds) for s in found], axis=0)
    return [None if np.isnan(v) else round(float(v), 6) for v in mean]


def _mean(values: Sequence[float]) -> float | None:
    known = [v for v in values if np.isfinite(v)]
    return float(np.mean(known)) if known else None
