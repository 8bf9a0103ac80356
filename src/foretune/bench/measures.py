"""What do the traces say, as arrays over tasks and families?

Symbols: t tasks, f families, N trials, b budgets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from foretune.bench.trace import Scale, Trace

Curve = Callable[[Trace, Scale], np.ndarray]


@dataclass(frozen=True)
class Measures:
    """The traces of one part of the benchmark, by method and task.

    Attributes:
        scales: By task, in their order.
        families: By task.
        traces: By method, then task: one a seed.
        n_trials: N.
        left_out: Methods that do not apply to every task, with the number of those they lack.
    """

    scales: Mapping[str, Scale]
    families: Mapping[str, str]
    traces: Mapping[str, Mapping[str, Sequence[Trace]]]
    n_trials: int
    left_out: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, traces: Sequence[Trace], scales: Mapping[str, Scale], n_trials: int) -> Measures:
        """Sort traces; a method is kept if every task has one of it."""
        by_method: dict[str, dict[str, list[Trace]]] = {}
        for trace in traces:
            by_method.setdefault(trace.method, {}).setdefault(trace.task, []).append(trace)
        whole = {m: found for m, found in by_method.items() if found.keys() == scales.keys()}
        lacking = {m: len(scales) - len(f) for m, f in by_method.items() if m not in whole}
        families = {trace.task: trace.family for trace in traces}
        return cls(scales, families, whole, n_trials, lacking)

    @property
    def methods(self) -> tuple[str, ...]:
        """Those that apply everywhere."""
        return tuple(self.traces)

    @property
    def tasks(self) -> tuple[str, ...]:
        """All tasks."""
        return tuple(self.scales)

    @cached_property
    def family_names(self) -> tuple[str, ...]:
        """All families."""
        return tuple(dict.fromkeys(self.families[task] for task in self.tasks))

    def by_task(self, method: str, curve: Curve) -> np.ndarray:
        """(t, ...) a curve's mean over seeds on each task."""
        found = self.traces[method]
        means = [
            np.mean([curve(trace, scale) for trace in found[task]], axis=0)
            for task, scale in self.scales.items()
        ]
        return np.stack(means)

    def by_family(self, values: np.ndarray) -> np.ndarray:
        """(f, ...) the mean over each family's tasks of values (t, ...)."""
        member = np.array([self.families[task] for task in self.tasks])
        return np.stack([values[member == name].mean(0) for name in self.family_names])

    def regret(self, method: str) -> np.ndarray:
        """(t, N) normalised regret."""
        return self.by_task(method, lambda t, s: t.regret(s, self.n_trials))

    def strict(self, method: str) -> np.ndarray:
        """(t, N) regret between best and median."""
        return self.by_task(method, lambda t, s: t.strict_regret(s, self.n_trials))

    def test(self, method: str) -> np.ndarray:
        """(t, N) the incumbent's regret on the test rows."""
        return self.by_task(method, lambda t, s: t.test_regret(s, self.n_trials))

    def at_budget(self, method: str, budget: np.ndarray, *, kept: bool) -> np.ndarray:
        """(t, b) regret against seconds, in units of a task's mean trial."""
        return self.by_task(method, lambda t, s: t.regret_at(s, budget, kept=kept))

    def target(self, method: str, task: str) -> float:
        """The mean over seeds of a method's best validation score after N trials."""
        best = [trace.best(self.n_trials)[-1] for trace in self.traces[method][task]]
        return float(np.mean(best))

    def reach(self, method: str, against: str) -> Reach:
        """How soon a method has what ``against`` has after N trials."""
        found: list[Reach] = []
        for task in self.tasks:
            target = self.target(against, task)
            others = self.traces[against][task]
            whole_s = max(float(np.mean([t.spent_s()[-1] for t in others])), 1e-9)
            found += [self._reach(t, target, whole_s) for t in self.traces[method][task]]
        return Reach(*(float(np.mean(values)) for values in zip(*found, strict=True)))

    def _reach(self, trace: Trace, target: float, whole_s: float) -> Reach:
        """One search's; where it never reaches the score, all that it spent."""
        n = trace.first_reach(target)
        at = -1 if n is None else n - 1
        return Reach(
            trials=float(self.n_trials + 1 if n is None else n),
            seconds=float(trace.spent_s()[at]) / whole_s,
            seconds_kept=float(trace.spent_s(kept=True)[at]) / whole_s,
            share=float(n is not None),
        )

    def mean_of(self, method: str, value: Callable[[Trace], float]) -> float:
        """Mean over all searches of a method of some number; NaN where none has it."""
        numbers = [value(t) for found in self.traces[method].values() for t in found]
        known = [n for n in numbers if np.isfinite(n)]
        return float(np.mean(known)) if known else float("nan")


class Reach(NamedTuple):
    """How soon a score is reached.

    Attributes:
        trials: Mean trials; a search that never does counts as N + 1.
        seconds: Mean share of the seconds that the other method spent in all.
        seconds_kept: The same, with a meta-model that was trained before.
        share: Of searches that reach it.
    """

    trials: float
    seconds: float
    seconds_kept: float
    share: float
