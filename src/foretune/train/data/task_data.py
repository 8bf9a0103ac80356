"""What does a trainer get? A task's rows, under the same column names wherever they came from.

Columns, by the kind of the task:

- text-classification, text-regression: ``text``, ``text_pair`` (pair tasks only), ``label`` (class
  id or float);
- token-classification: ``tokens`` (list of str), ``labels`` (list of tag ids, one a token);
- question-answering: ``id``, ``question``, ``context``, ``answers`` (``text`` and
  ``answer_start``, a list each);
- image-classification: ``image`` (decoded to PIL), ``label``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from foretune.config.schema.task import ColumnsConfig
from foretune.core import TaskInfo

if TYPE_CHECKING:
    from datasets import Dataset


@dataclass(frozen=True)
class RawTask:
    """A task's rows as a source gives them, before the columns get their names.

    Attributes:
        name: The task's name, or a stand-in's own.
        source: ``hub``, ``local`` or ``packaged``.
        origin: Where the rows came from, for a person.
        columns: What the columns are called in these rows.
        classes: Names of the classes in the order of their ids; empty: to be found.
        train: Rows to train on.
        validation: Rows to select on; None: to be cut from ``train``.
        test: Rows to report; None: to be cut from ``train``.
        extra: More rows to report.
        stand_in: Whether these rows stand in for the data set that was asked for.
    """

    name: str
    source: str
    origin: str
    columns: ColumnsConfig
    classes: tuple[str, ...]
    train: Dataset
    validation: Dataset | None = None
    test: Dataset | None = None
    extra: Mapping[str, Dataset] = field(default_factory=dict)
    stand_in: bool = False


@dataclass(frozen=True)
class TaskData:
    """A task and its rows, ready for a trainer.

    Attributes:
        info: The task.
        train: Rows to train on.
        validation: Rows to select on, disjoint from the others.
        test: Rows to report.
        extra: More rows to report, by name (mnli's ``mismatched``).
        notes: What a person should know about these rows: cuts, caps, rows in two splits.
    """

    info: TaskInfo
    train: Dataset
    validation: Dataset
    test: Dataset
    extra: Mapping[str, Dataset] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """The one line that tells which data is really used."""
        rows = ", ".join(f"{n} {split}" for split, n in self.info.rows.items())
        if self.info.stand_in:
            what = f"{self.info.name} STANDS IN for {self.info.asked}"
        else:
            what = self.info.name
        return f"data: {what} ({self.info.source}: {self.info.origin}); {rows} rows"
