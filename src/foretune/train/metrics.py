"""How good are predictions? Every task's own metrics, by scikit-learn, seqeval and scipy.

Predictions and references, by the kind of the task (N rows):

- classification: class ids, (N,) each;
- regression: numbers, (N,) each;
- token classification: N lists of tag ids, as long as the row's tokens, each;
- question answering: N answer texts; N lists of the texts that count as right.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import cast

import numpy as np

from foretune.core import DataError, TaskInfo, TaskKind
from foretune.train.metrics_qa import exact_match, f1

LOWER_IS_BETTER = frozenset({"mse", "top1_error"})

Labels = Sequence[int] | Sequence[float] | np.ndarray
Tags = Sequence[Sequence[int]]
Texts = Sequence[str]


def compute(
    info: TaskInfo,
    predictions: Labels | Tags | Texts,
    references: Labels | Tags | Sequence[Sequence[str]],
) -> dict[str, float]:
    """The task's metrics (``info.metrics``) of ``predictions``, each a finite float.

    Raises:
        DataError: There is nothing to measure, or the two differ in length.
    """
    if len(predictions) != len(references) or len(references) == 0:
        raise DataError(
            "expected one prediction for each of at least one reference, got "
            f"{len(predictions)} predictions and {len(references)} references"
        )
    if info.kind is TaskKind.QUESTION_ANSWERING:
        return _answers(info.metrics, cast(Texts, predictions), cast("Sequence[Texts]", references))
    if info.kind is TaskKind.TOKEN_CLASSIFICATION:
        return _tags(info, cast(Tags, predictions), cast(Tags, references))
    y_pred, y_true = np.asarray(predictions), np.asarray(references)
    by_name = _REGRESSION if info.kind is TaskKind.TEXT_REGRESSION else _CLASSIFICATION
    return {name: by_name[name](y_true, y_pred) for name in info.metrics}


def _accuracy(y_true: np.ndarray, y_pred: np.ndarray) -> float:
    return float(np.mean(y_true == y_pred))


def _f1(y_true: np.ndarray, y_pred: np.ndarray) -> float:
    """F1 of class 1, as GLUE reports it for its two-class tasks."""
    from sklearn.metrics import f1_score

    return float(f1_score(y_true == 1, y_pred == 1, zero_division=0))


def _macro_f1(y_true: np.ndarray, y_pred: np.ndarray) -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(y_true, y_pred, average="macro", zero_division=0))


def _matthews(y_true: np.ndarray, y_pred: np.ndarray) -> float:
    from sklearn.metrics import matthews_corrcoef

    return float(matthews_corrcoef(y_true, y_pred))


def _correlation(name: str) -> Callable[[np.ndarray, np.ndarray], float]:
    def measure(y_true: np.ndarray, y_pred: np.ndarray) -> float:
        from scipy import stats

        if len(y_true) < 2 or np.ptp(y_true) == 0 or np.ptp(y_pred) == 0:
            return 0.0  # undefined for a constant; a constant predicts nothing
        value = float(getattr(stats, name)(y_true, y_pred).statistic)
        return value if math.isfinite(value) else 0.0

    return measure


_CLASSIFICATION: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "accuracy": _accuracy,
    "top1_error": lambda y_true, y_pred: 1.0 - _accuracy(y_true, y_pred),
    "f1": _f1,
    "macro_f1": _macro_f1,
    "matthews": _matthews,
}
_REGRESSION: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "pearson": _correlation("pearsonr"),
    "spearman": _correlation("spearmanr"),
    "mse": lambda y_true, y_pred: float(np.mean((y_true - y_pred) ** 2)),
}


def _tags(info: TaskInfo, predictions: Tags, references: Tags) -> dict[str, float]:
    """Entity-level measures as the CoNLL script takes them (a span counts with its type)."""
    for row, (tags, wanted) in enumerate(zip(predictions, references, strict=True)):
        if len(tags) != len(wanted):
            raise DataError(f"expected {len(wanted)} predicted tags in row {row}, got {len(tags)}")
    from seqeval import metrics as entities

    y_true = [[info.classes[tag] for tag in tags] for tags in references]
    y_pred = [[info.classes[tag] for tag in tags] for tags in predictions]
    measures: dict[str, Callable[[], float]] = {
        "f1": lambda: entities.f1_score(y_true, y_pred, zero_division=0),
        "precision": lambda: entities.precision_score(y_true, y_pred, zero_division=0),
        "recall": lambda: entities.recall_score(y_true, y_pred, zero_division=0),
        "accuracy": lambda: entities.accuracy_score(y_true, y_pred),
    }
    return {name: float(measures[name]()) for name in info.metrics}


def _answers(
    metrics: Sequence[str], predictions: Texts, references: Sequence[Texts]
) -> dict[str, float]:
    """Mean over the questions of the best measure over each question's right answers."""
    measures = {"f1": f1, "exact_match": exact_match}
    return {
        name: float(
            np.mean(
                [
                    max(measures[name](prediction, truth) for truth in truths)
                    for prediction, truths in zip(predictions, references, strict=True)
                ]
            )
        )
        for name in metrics
    }
