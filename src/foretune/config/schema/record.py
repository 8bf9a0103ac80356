"""Which trials shall a recorded history hold? Tasks, models, and how many points of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from foretune.core import parse_duration


@dataclass
class RecordedTask:
    """One task of the record.

    Attributes:
        task: A task of conf/task, whose rows are in ``data.dir`` or on the hub; or else
        packaged: packaged data, under its own name.
        name: What it is called in the record; empty: the task's own name.
        family: What tasks of one source share; empty: the name. A family is never split between
            what is learned from and what it is tried on.
        keep: Only rows of these classes; empty: all.
        train_rows: Rows to train on.
        validation_rows: Rows that trials are compared on.
        test_rows: Rows that they are measured on as well.
        max_length: Tokens an example, or a window of question and context.
    """

    task: str = ""
    packaged: str = ""
    name: str = ""
    family: str = ""
    keep: list[str] = field(default_factory=list)
    train_rows: int = 192
    validation_rows: int = 200
    test_rows: int = 200
    max_length: int = 32

    @property
    def called(self) -> str:
        """Its name in the record."""
        return self.name or self.task or self.packaged


@dataclass
class RecordConfig:
    """What ``job=record`` runs.

    Attributes:
        name: Names the record's database and file.
        points: Random configurations of each model, by modality; the same on every task of a
            modality. Each model's default comes on top.
        own_points: The same, after these: configurations that each task has for itself.
        tasks: On what they are run.
        only: Names of the tasks of this sitting; empty: all.
        rounds: Parts that the configurations come in: every task has its share of a part before
            the next part begins, so that the record is even whenever it is stopped.
        repeats: How often the first model's default is run again under other seeds.
        seed: Seeds the configurations and the trials.
        budget_s: Seconds of this sitting, also "1h"; null: no limit.
        file: The parquet file that it is exported to; null: beside the database.
    """

    name: str = "seed"
    points: dict[str, dict[str, int]] = field(default_factory=dict)
    own_points: dict[str, dict[str, int]] = field(default_factory=dict)
    tasks: list[RecordedTask] = field(default_factory=list)
    only: list[str] = field(default_factory=list)
    rounds: int = 3
    repeats: int = 3
    seed: int = 0
    budget_s: Any = None
    file: str | None = None

    def problems(self) -> list[str]:
        """Every problem of these options, one sentence each."""
        found = []
        names = [task.called for task in self.tasks]
        for task in self.tasks:
            if bool(task.task) == bool(task.packaged):
                found.append(
                    f"record.tasks: expected task or packaged for {task.called!r}, got "
                    f"{'both' if task.task else 'neither'}."
                )
        found += [
            f"record.tasks: expected each name once, got {name!r} {names.count(name)} times."
            for name in dict.fromkeys(names)
            if names.count(name) > 1
        ]
        found += [
            f"record.only: expected tasks of the plan ({', '.join(names)}), got {name!r}."
            for name in self.only
            if name not in names
        ]
        for name, least in (("rounds", 1), ("repeats", 0)):
            if getattr(self, name) < least:
                found.append(
                    f"record.{name}: expected at least {least}, got {getattr(self, name)}."
                )
        for name in ("points", "own_points"):
            by_modality = getattr(self, name)
            if any(n < 0 for counts in by_modality.values() for n in counts.values()):
                found.append(f"record.{name}: expected 0 or more, got {by_modality}.")
        for modality, counts in self.own_points.items():
            known = [model for model, n in self.points.get(modality, {}).items() if n]
            found += [
                f"record.own_points.{modality}: expected models of record.points "
                f"({', '.join(known) or 'none'}), got {model!r}."
                for model in counts
                if model not in known
            ]
        if self.budget_s is not None:
            try:
                parse_duration(self.budget_s)
            except (TypeError, ValueError) as error:
                found.append(f"record.budget_s: {error}.")
        return found
