"""What does a recorded table hold: of each task the same configurations, each really trained once?

Symbols: c configurations of a task.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

from foretune.core import HistoryError, ParamValue
from foretune.history import HistoryRecords, ParamColumn, StudyRecord, read_history
from foretune.history.attrs import (
    DEFAULT_PARAMS,
    FINGERPRINT,
    METRIC,
    METRIC_RANGE,
    MODALITY,
    MODEL_DESCRIPTORS,
    TASK,
    TASK_DESCRIPTORS,
    TEST_SCORE,
)
from foretune.history.seed import FAMILY, SHARED_POINTS
from foretune.space import point_key

MIN_FAMILIES = 3
Config = Mapping[str, ParamValue]


@dataclass(frozen=True)
class TableTask:
    """One task's rows.

    Attributes:
        name: The task.
        family: What tasks of one source share.
        record: The study, for those that learn from it.
        configs: What was trained, on every task; no configuration twice. What was trained on this
            task alone is in ``record``, for those that learn from it.
        score: (c,) validation score, higher is better; NaN: the trial failed.
        test: (c,) test score of the same models; NaN: not recorded.
        seconds: (c,) that training took.
        peak_mb: (c,) memory at its peak; NaN: not recorded.
        cpu_percent: (c,) of one core, used while training; NaN: not recorded.
        rows: (c,) rows of ``record``.
    """

    name: str
    family: str
    record: StudyRecord
    configs: tuple[Config, ...]
    score: np.ndarray
    test: np.ndarray
    seconds: np.ndarray
    peak_mb: np.ndarray
    cpu_percent: np.ndarray
    rows: np.ndarray

    @cached_property
    def index(self) -> dict[str, int]:
        """Place of each configuration by its key."""
        return {point_key(config): k for k, config in enumerate(self.configs)}

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        """Of each parameter, over the whole study."""
        return {column.name: column.distribution for column in self.record.columns}

    @property
    def modality(self) -> str:
        """``text`` or ``image``, as far as the study says."""
        return str(self.record.user_attrs.get(MODALITY, ""))

    @property
    def descriptors(self) -> Mapping[str, float]:
        """Numbers that describe the data."""
        found = self.record.user_attrs.get(TASK_DESCRIPTORS)
        return found if isinstance(found, Mapping) else {}

    @property
    def default(self) -> int | None:
        """The first known-good default among the configurations."""
        points = self.record.user_attrs.get(DEFAULT_PARAMS) or []
        points = [points] if isinstance(points, Mapping) else list(points)  # type: ignore[call-overload]
        return self.index.get(point_key(points[0])) if points else None

    @property
    def attributes(self) -> dict[str, object]:
        """What a new study on this task would say of itself."""
        names = (METRIC, METRIC_RANGE, TASK_DESCRIPTORS, MODEL_DESCRIPTORS, FINGERPRINT)
        attrs = self.record.user_attrs
        return {name: attrs[name] for name in names if attrs.get(name) is not None}

    def curve(self, k: int) -> list[tuple[int, float]]:
        """(epoch, score) of a configuration, as recorded."""
        curves = self.record.curves
        mine = curves.trial == self.rows[k]
        pairs = zip(curves.step[mine].tolist(), curves.value[mine].tolist(), strict=True)
        return [(step, value) for step, value in pairs if np.isfinite(value)]


@dataclass(frozen=True)
class Table:
    """The tasks, and what was left out."""

    tasks: tuple[TableTask, ...]
    notes: tuple[str, ...] = ()

    @property
    def families(self) -> tuple[str, ...]:
        """Of all tasks, each once."""
        return tuple(dict.fromkeys(t.family for t in self.tasks))

    def past(self, family: str) -> tuple[TableTask, ...]:
        """What may be learnt from for a task of ``family``: the other families' tasks."""
        return tuple(t for t in self.tasks if t.family != family)


def load_table(source: str | Path) -> Table:
    """Read a table from an exported history.

    Raises:
        HistoryError: It cannot be read, or holds too few families to hold one out.
    """
    records = read_history(str(source))
    table = table_of(records)
    if len(table.families) < MIN_FAMILIES:
        said = "; ".join((*records.notes, *table.notes)) or "nothing was left out"
        raise HistoryError(
            f"{source}: expected recorded tasks of at least {MIN_FAMILIES} families (study "
            f"attribute {FAMILY!r}), got {len(table.families)} ({said}); name another table by "
            "benchmark.table=FILE.parquet"
        )
    return table


def table_of(records: HistoryRecords) -> Table:
    """Studies as tasks; those on which no configuration is better than another are left out."""
    tasks, notes = [], list(records.notes)
    for record in records.studies:
        task = _task(record)
        scored = task.score[np.isfinite(task.score)]
        if len(scored) < 2 or not np.ptp(scored) > 0:
            notes.append(f"{task.name}: left out, for all its scores are equal")
        else:
            tasks.append(task)
    return Table(tuple(tasks), tuple(notes))


def records_of(tasks: Sequence[TableTask]) -> HistoryRecords:
    """Tasks as a history to learn from."""
    return HistoryRecords(tuple(task.record for task in tasks))


def _task(record: StudyRecord) -> TableTask:
    everything = [_config(record.columns, row) for row in range(len(record.values))]
    rows = list({point_key(c): r for r, c in reversed(list(enumerate(everything)))}.values())
    rows = sorted(r for r in rows if everything[r])
    shared = record.user_attrs.get(SHARED_POINTS)
    rows = rows[: shared if isinstance(shared, int) else None]
    score = np.where(record.scored, record.values if record.maximize else -record.values, np.nan)
    seconds = np.where(np.isfinite(record.seconds), record.seconds, np.nan)
    known = seconds[np.isfinite(seconds)]
    nothing = np.full(len(record.values), np.nan)
    name = str(record.user_attrs.get(TASK) or record.name)
    return TableTask(
        name=name,
        family=str(record.user_attrs.get(FAMILY) or name),
        record=record,
        configs=tuple(everything[r] for r in rows),
        score=score[rows],
        test=record.trial_attrs.get(TEST_SCORE, nothing)[rows],
        seconds=np.nan_to_num(seconds, nan=float(np.median(known)) if len(known) else 0.0)[rows],
        peak_mb=record.trial_attrs.get("peak_ram_mb", nothing)[rows],
        cpu_percent=record.trial_attrs.get("cpu_percent", nothing)[rows],
        rows=np.array(rows, int),
    )


def _config(columns: Sequence[ParamColumn], row: int) -> dict[str, ParamValue]:
    config: dict[str, ParamValue] = {}
    for column in columns:
        value = float(column.values[row])
        if np.isnan(value):
            continue
        if isinstance(column.distribution, CategoricalDistribution):
            config[column.name] = column.distribution.choices[int(value)]
        elif isinstance(column.distribution, IntDistribution):
            config[column.name] = round(value)
        else:
            config[column.name] = value
    return config
