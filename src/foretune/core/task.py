"""What is to be learnt: a task is a data set with a metric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class TaskKind(StrEnum):
    """What goes in and what comes out."""

    TEXT_CLASSIFICATION = "text-classification"
    TEXT_REGRESSION = "text-regression"
    TOKEN_CLASSIFICATION = "token-classification"
    QUESTION_ANSWERING = "question-answering"
    IMAGE_CLASSIFICATION = "image-classification"

    @property
    def modality(self) -> str:
        """``text`` or ``image``."""
        return "image" if self is TaskKind.IMAGE_CLASSIFICATION else "text"


_CORRELATIONS = frozenset({"pearson", "spearman", "matthews"})


@dataclass(frozen=True)
class TaskInfo:
    """A task as every room knows it.

    Attributes:
        name: The task's name; a stand-in's own name where packaged data stands in for it.
        asked: The name that the user asked for (``imdb``), equal to ``name`` unless a stand-in.
        kind: What goes in and what comes out.
        metric: The headline metric, by which trials are compared.
        metrics: Every metric of the task, ``metric`` first.
        higher_is_better: The direction of ``metric``; scores inside are always higher-is-better.
        classes: Names of the classes, or of the tags; empty for regression and QA.
        source: ``hub``, ``local`` or ``packaged``.
        origin: Where the rows came from, for a person: repository and revision, or folder.
        stand_in: Whether packaged data stands in for the data set that was asked for.
        fingerprint: Hash of the rows' content, the same under any name.
        rows: Rows a split that are used: train, validation, test.
        descriptors: Numbers that describe the data, for a learner (rows, classes, entropy, ...).
        baseline: The headline metric of the majority class (or of the mean) a split:
            validation, test.
    """

    name: str
    asked: str
    kind: TaskKind
    metric: str
    metrics: tuple[str, ...]
    higher_is_better: bool
    classes: tuple[str, ...]
    source: str
    origin: str
    stand_in: bool
    fingerprint: str
    rows: Mapping[str, int] = field(default_factory=dict)
    descriptors: Mapping[str, float] = field(default_factory=dict)
    baseline: Mapping[str, float] = field(default_factory=dict)

    @property
    def metric_range(self) -> tuple[float, float | None]:
        """The least and the greatest that ``metric`` can be; None: no bound."""
        if self.metric == "mse":
            return 0.0, None
        return (-1.0 if self.metric in _CORRELATIONS else 0.0), 1.0

    def score(self, metrics: Mapping[str, float]) -> float:
        """The score (higher is better) that ``metrics`` mean on this task."""
        value = float(metrics[self.metric])
        return value if self.higher_is_better else -value
