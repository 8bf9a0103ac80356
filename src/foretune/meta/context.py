"""How do descriptors of tasks and of models enter the meta-model?"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from foretune.meta.codec import Codec

MODEL_PARAM = "model"
_MAX_TASK_COLUMNS = 20  # more than that is noise below some fifty tasks (PEERS: do not build)
_TASKS_PER_COLUMN = 4
_MAX_MODEL_COLUMNS = 12
_NOTHING = 1e-9  # squared length of a column that the others explain


@dataclass(frozen=True)
class Columns:
    """Standardisation of named numbers: what is missing becomes 0, the mean."""

    names: tuple[str, ...] = ()
    mean: np.ndarray = field(default_factory=lambda: np.zeros(0))
    sd: np.ndarray = field(default_factory=lambda: np.ones(0))

    @classmethod
    def fit(
        cls, tables: Iterable[Mapping[str, float]], limit: int, first: Collection[str] = ()
    ) -> Columns:
        """The ``limit`` names that tell most: those of ``first``, then what most tables hold.

        Of names that are held equally often, each pick is the one that explains most of what the
        picks before it leave of all the others (column subset selection): of a dozen numbers that
        all say text or image one is enough.
        """
        rows = [t for t in tables if t]
        values = {n: np.array([t[n] for t in rows if n in t]) for t in rows for n in t}
        varying = [n for n, v in values.items() if len(v) * 2 >= len(rows) and np.ptp(v) > 0]
        ranks: dict[tuple[bool, int], list[str]] = {}
        for n in sorted(varying):
            ranks.setdefault((n not in first, -len(values[n])), []).append(n)
        picked: list[str] = []
        for rank in sorted(ranks):
            picked += _telling(rows, ranks[rank], picked)[: max(limit - len(picked), 0)]
        names = tuple(sorted(picked))
        mean = np.array([values[n].mean() for n in names])
        sd = np.array([values[n].std() for n in names])
        return cls(names, mean, sd)

    def row(self, table: Mapping[str, float]) -> np.ndarray:
        """Standardised numbers, clipped to three deviations: a new task may be far out."""
        found = [(table[n] - m) / s if n in table else 0.0 for n, m, s in self._terms()]
        return np.clip(np.array(found), -3.0, 3.0)

    def _terms(self) -> Iterable[tuple[str, float, float]]:
        return zip(self.names, self.mean, self.sd, strict=True)


def _telling(
    rows: Sequence[Mapping[str, float]], names: Sequence[str], known: Sequence[str]
) -> list[str]:
    """The names in the order in which they explain what those before, and ``known``, leave."""
    wanted = [*known, *names]
    X = np.array([[row.get(n, np.nan) for n in wanted] for row in rows], float)
    X = np.nan_to_num((X - np.nanmean(X, 0)) / np.nanstd(X, 0))
    order: list[int] = []
    while len(order) < len(wanted):
        shared = X.T @ X
        explained = (shared**2).sum(1)  # not by its own length: what is left may be but noise
        explained[order] = -1.0
        pick = len(order) if len(order) < len(known) else int(explained.argmax())
        X = X - np.outer(X[:, pick], shared[pick] / max(shared[pick, pick], _NOTHING))
        order.append(pick)
    return [wanted[j] for j in order[len(known) :]]


@dataclass(frozen=True)
class Context:
    """Descriptor columns beside a configuration: the task's, then its model's."""

    task: Columns
    model: Columns
    models: Mapping[str, Mapping[str, float]]

    @property
    def width(self) -> int:
        """Columns in all."""
        return len(self.task.names) + len(self.model.names)

    @classmethod
    def fit(
        cls,
        tasks: Sequence[Mapping[str, float]],
        models: Sequence[Mapping[str, Mapping[str, float]]],
    ) -> Context:
        """Columns worth having: few where tasks are few, so that they cannot tell tasks apart.

        Of what describes models, what differs between tasks (a probe's score) is worth most.

        Args:
            tasks: The descriptors of each past task.
            models: Of each past task the descriptors of its models.
        """
        n_described = sum(bool(t) for t in tasks)
        known: dict[str, Mapping[str, float]] = {}
        telling: set[str] = set()
        for own in models:
            for name, numbers in own.items():
                before = known.setdefault(name, numbers)
                telling |= {k for k, v in numbers.items() if before.get(k, v) != v}
        tables = [numbers for own in models for numbers in own.values()]
        limit = min(_MAX_MODEL_COLUMNS, len(known) - 1)
        return cls(
            task=Columns.fit(tasks, min(_MAX_TASK_COLUMNS, n_described // _TASKS_PER_COLUMN)),
            model=Columns.fit(tables, limit, telling),
            models=known,
        )

    def rows(
        self,
        raw: np.ndarray,
        codec: Codec,
        *,
        task: Mapping[str, float],
        models: Mapping[str, Mapping[str, float]],
    ) -> np.ndarray:
        """Context of each configuration.

        Args:
            raw: Configurations in ``codec``'s parameters, (n, p).
            codec: What the columns of ``raw`` mean.
            task: The task's descriptors.
            models: Descriptors by choice of the parameter ``model``; the history's are added.

        Returns:
            (n, width) float64.
        """
        out = np.zeros((len(raw), self.width))
        k = len(self.task.names)
        if k:
            out[:, :k] = self.task.row(task)
        j = codec.position.get(MODEL_PARAM)
        if j is not None and self.model.names:
            known = {**self.models, **models}
            for i, choice in enumerate(codec.params[j].choices):
                if str(choice) in known:
                    out[raw[:, j] == i, k:] = self.model.row(known[str(choice)])
        return out

    def similarity(
        self, task: Mapping[str, float], past: Sequence[Mapping[str, float]]
    ) -> np.ndarray | None:
        """How like each past task the described one is, (t,), sum 1; None where nothing is known.

        A Gaussian of the distance between standardised descriptors, as wide as the median one: no
        past task is left out for good.
        """
        if not self.task.names or not any(name in task for name in self.task.names):
            return None
        rows = np.stack([self.task.row(p) for p in past])
        squared = ((rows - self.task.row(task)) ** 2).sum(1)
        weight = np.exp(-0.5 * squared / max(float(np.median(squared)), 1e-9))
        return weight / weight.sum()
