"""What does one part of the benchmark find, as plain values for report.json?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np

from foretune.bench.measures import Measures
from foretune.bench.methods import META, METHODS
from foretune.bench.statistics import EQUAL, compare, interval, nemenyi, ranks
from foretune.bench.trace import Trace

MARKS = (1, 2, 3, 5, 10, 20, 30, 50)
COMPARED_AT = 3  # the trial at which methods are compared: what a user waits for
RIVALS = ("grid", "grid_729", "random", "tpe", "gp", "mean_rank", "portfolio", "nearest")
Finding = dict[str, object]


def findings(measures: Measures) -> Finding:
    """Everything that is told of a part; regrets are means over families of means over tasks."""
    n = measures.n_trials
    budget = np.linspace(0.0, float(n), 4 * n + 1)
    regret = {m: measures.regret(m) for m in measures.methods}
    return {
        "n_trials": n,
        "marks": [mark for mark in MARKS if mark <= n],
        "n_tasks": len(measures.tasks),
        "families": list(measures.family_names),
        "budget": budget.tolist(),
        "tasks": [
            {"task": task, "family": measures.families[task], **asdict(scale)}
            for task, scale in measures.scales.items()
        ],
        "methods": {m: _method(measures, m, regret[m], budget) for m in _listed(measures)},
        "per_task": {
            task: {m: _rounded(values[k]) for m, values in regret.items()}
            for k, task in enumerate(measures.tasks)
        },
        "comparisons": _comparisons(measures, regret),
        "losses": _losses(measures, regret),
        "diagram": _diagram(measures, regret),
        "speed": _speed(measures),
        "left_out": dict(measures.left_out),
    }


def _listed(measures: Measures) -> list[str]:
    return [m for m in METHODS if m in measures.methods]


def _method(measures: Measures, m: str, regret: np.ndarray, budget: np.ndarray) -> Finding:
    by_family = measures.by_family(regret)
    low, high = interval(by_family)
    told = METHODS[m]
    seconds = {
        kept: _rounded(measures.by_family(measures.at_budget(m, budget, kept=kept)).mean(0))
        for kept in (False, True)
    }
    return {
        "label": told.label,
        "about": told.about,
        "n_seeds": max(len(found) for found in measures.traces[m].values()),
        "regret": _rounded(by_family.mean(0)),
        "low": _rounded(low),
        "high": _rounded(high),
        "regret_over_tasks": _rounded(regret.mean(0)),
        "strict": _rounded(measures.by_family(measures.strict(m)).mean(0)),
        "test": _rounded(measures.by_family(measures.test(m)).mean(0)),
        "area": float(by_family.mean()),
        "against_seconds": seconds[False],
        "against_seconds_kept": seconds[True],
        "training_s": measures.mean_of(m, lambda t: t.training_s),
        "asking_s": measures.mean_of(m, lambda t: _mean(t.asking_s[1:])),
        "first_asking_s": measures.mean_of(m, lambda t: float(t.asking_s[0])),
        "peak_mb": measures.mean_of(m, lambda t: t.peak_mb),
        "cpu_percent": measures.mean_of(m, lambda t: t.cpu_percent),
    }


def _comparisons(measures: Measures, regret: Mapping[str, np.ndarray]) -> list[Finding]:
    if META not in regret:
        return []
    rivals = [m for m in RIVALS if m in regret]
    found: list[Finding] = []
    for what, value in (
        (f"regret after {COMPARED_AT} trials", lambda r: r[:, COMPARED_AT - 1]),
        ("regret, mean over all trials", lambda r: r.mean(1)),
    ):
        values = {m: measures.by_family(value(regret[m])) for m in (META, *rivals)}
        others = {m: values[m] for m in rivals}
        found += [{"what": what, **asdict(c)} for c in compare(values[META], others)]
    return found


def _losses(measures: Measures, regret: Mapping[str, np.ndarray]) -> list[Finding]:
    """Where meta is behind, on single tasks, the worst first."""
    found: list[tuple[float, Finding]] = []
    for m in (m for m in RIVALS if m in regret and META in regret):
        gap = regret[META][:, COMPARED_AT - 1] - regret[m][:, COMPARED_AT - 1]
        for k, task in enumerate(measures.tasks):
            if gap[k] > EQUAL:
                told: Finding = {
                    "task": task, "family": measures.families[task], "method": m,
                    "meta": float(regret[META][k, COMPARED_AT - 1]),
                    "other": float(regret[m][k, COMPARED_AT - 1]), "behind": float(gap[k]),
                }  # fmt: skip
                found.append((float(gap[k]), told))
    return [loss for _, loss in sorted(found, key=lambda pair: -pair[0])]


def _diagram(measures: Measures, regret: Mapping[str, np.ndarray]) -> Finding:
    """Mean ranks by the mean regret over all trials, and Nemenyi's p of each pair."""
    names = [m for m in (META, *RIVALS) if m in regret]
    if len(names) < 3 or len(measures.family_names) < 3:
        return {}
    area = np.stack([measures.by_family(regret[m].mean(1)) for m in names], axis=1)
    return {
        "ranks": dict(zip(names, ranks(area).tolist(), strict=True)),
        "p": nemenyi(area, names).to_numpy().tolist(),
    }


def _speed(measures: Measures) -> list[Finding]:
    """How soon each method has what grid and TPE have at the end."""
    against = [m for m in ("grid", "grid_729", "tpe", "gp", "random") if m in measures.methods]
    return [
        {"method": m, "against": other, **measures.reach(m, other)._asdict()}
        for other in against
        for m in _listed(measures)
        if m in (META, "mean_rank", other)
    ]


def reach(found: Mapping[str, object], *, table: bool) -> list[Finding]:
    """What the benchmark must reach, and whether it does."""
    methods = found["methods"]
    assert isinstance(methods, dict)
    if META not in methods:
        return []
    meta = methods[META]["regret"]
    last = len(meta)

    def line(what: str, wanted: float, got: float) -> Finding:
        return {"what": what, "wanted": wanted, "got": got, "reached": got <= wanted + EQUAL}

    lines = []
    if table:
        lines += [line("meta's regret after 1 trial", 0.10, meta[0])]
        lines += [line("meta's regret after 3 trials", 0.03, meta[2])]
        for k in (1, 3):
            if "mean_rank" in methods:
                other = methods["mean_rank"]["regret"][k - 1]
                lines.append(line(f"no worse than mean rank after {k}", other, meta[k - 1]))
    for m in ("tpe", "grid", "grid_729"):
        if m in methods:
            other = methods[m]["regret"][last - 1]
            what = f"meta after 3 trials no worse than {methods[m]['label']} after {last}"
            lines.append(line(what, other, meta[2]))
    if table and "random" in methods and last >= 10:
        worse = _behind(found, "random", 10)
        what = "families on which meta is worse than random after 10 trials"
        lines.append(line(what, 0.0, float(len(worse))) | {"named": worse})
    return lines


def _behind(found: Mapping[str, object], method: str, trial: int) -> list[str]:
    """Families on which meta's mean regret after ``trial`` trials is above ``method``'s."""
    per_task, tasks = found["per_task"], found["tasks"]
    assert isinstance(per_task, dict)
    assert isinstance(tasks, list)
    gaps: dict[str, list[float]] = {}
    for told in tasks:
        own = per_task[told["task"]]
        gaps.setdefault(told["family"], []).append(own[META][trial - 1] - own[method][trial - 1])
    return [family for family, gap in gaps.items() if np.mean(gap) > EQUAL]


def runs(traces: Sequence[Trace]) -> list[Finding]:
    """Every search, trial by trial, for whoever wants to compute something else."""
    return [
        {
            "method": t.method, "task": t.task, "family": t.family, "seed": t.seed,
            "score": _rounded(t.score), "test": _rounded(t.test), "seconds": _rounded(t.seconds),
            "asking_s": _rounded(t.asking_s),
        }
        for t in traces
    ]  # fmt: skip


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _rounded(values: np.ndarray) -> list[float | None]:
    """Six digits are enough, and JSON has no NaN."""
    return [None if not np.isfinite(v) else round(float(v), 6) for v in values]
