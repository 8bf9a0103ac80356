"""What must a model beat? The headline metric of a predictor that ignores its input."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from foretune.core import TaskInfo, TaskKind
from foretune.train.metrics import compute

if TYPE_CHECKING:
    from datasets import Dataset


def baseline(info: TaskInfo, train: Dataset, rows: Dataset) -> float:
    """``info.metric`` on ``rows`` of always saying what is commonest in ``train``.

    That is the majority class, the mean of the labels, no entity, or an empty answer.
    """
    if info.kind is TaskKind.QUESTION_ANSWERING:
        truths = [answers["text"] for answers in rows.select_columns(["answers"])[:]["answers"]]
        return compute(info, [""] * len(rows), truths)[info.metric]
    if info.kind is TaskKind.TOKEN_CLASSIFICATION:
        tags = np.concatenate(
            [np.asarray(row) for row in train.select_columns(["labels"])[:]["labels"]]
        )
        commonest = int(np.bincount(tags).argmax())
        wanted = rows.select_columns(["labels"])[:]["labels"]
        return compute(info, [[commonest] * len(row) for row in wanted], wanted)[info.metric]
    labels = np.asarray(train.select_columns(["label"])[:]["label"])
    if info.kind is TaskKind.TEXT_REGRESSION:
        constant: float = float(labels.mean())
    else:
        constant = int(np.bincount(labels).argmax())
    wanted = np.asarray(rows.select_columns(["label"])[:]["label"])
    return compute(info, np.full(len(rows), constant), wanted)[info.metric]
