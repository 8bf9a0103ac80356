"""Which numbers describe a task's rows, so that a learner can tell one task from another?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from foretune.core import TaskKind

if TYPE_CHECKING:
    from datasets import Dataset

SAMPLE_ROWS = 5000
"""Lengths and words are taken on at most this many training rows, evenly apart."""
SAMPLE_IMAGES = 200


def describe(kind: TaskKind, splits: Mapping[str, Dataset], n_classes: int) -> dict[str, float]:
    """Descriptors of canonical rows: the same keys for every kind, all finite; 0 where none fits.

    Args:
        kind: The kind of the task.
        splits: Rows by split: train, validation, test.
        n_classes: Number of classes or tags; 0 for the others.

    Returns:
        Natural logarithms of the rows a split; classes, their entropy as a share of the most, the
        majority's share, log ratio of the largest to the smallest class; whitespace tokens and
        characters a row; distinct tokens per token; whether rows are pairs; mean image size in
        pixels and channels; the kind as one-hot.
    """
    train = splits["train"]
    found = {f"log_{name}_rows": math.log(len(rows)) for name, rows in splits.items()}
    found["n_classes"] = float(n_classes)
    found |= _classes(train, n_classes)
    found |= _text(_sample(train, SAMPLE_ROWS)) if kind.modality == "text" else _text(None)
    pair = "text_pair" in train.column_names or kind is TaskKind.QUESTION_ANSWERING
    found["pair_share"] = float(pair)
    found |= _images(_sample(train, SAMPLE_IMAGES) if kind.modality == "image" else None)
    found |= {f"kind_{other.name.lower()}": float(other is kind) for other in TaskKind}
    found["modality_image"] = float(kind.modality == "image")
    return found


def _sample(rows: Dataset, n_rows: int) -> Dataset:
    if len(rows) <= n_rows:
        return rows
    return rows.select(np.linspace(0, len(rows) - 1, n_rows).astype(int))


def _classes(train: Dataset, n_classes: int) -> dict[str, float]:
    found = {"class_entropy": 0.0, "majority_share": 0.0, "log_imbalance": 0.0}
    if n_classes < 2:
        return found
    if "labels" in train.column_names:
        ids = np.concatenate([np.asarray(row) for row in train[:]["labels"]])
    else:
        ids = np.asarray(train.select_columns(["label"])[:]["label"])
    counts = np.bincount(ids, minlength=n_classes)
    shares = counts[counts > 0] / counts.sum()
    found["class_entropy"] = float(-(shares * np.log(shares)).sum() / math.log(n_classes))
    found["majority_share"] = float(shares.max())
    found["log_imbalance"] = float(np.log(shares.max() / shares.min()))
    return found


def _text(rows: Dataset | None) -> dict[str, float]:
    names = ("tokens_mean", "tokens_std", "tokens_max", "chars_mean", "chars_std", "chars_max")
    if rows is None:
        return dict.fromkeys((*names, "type_token_ratio"), 0.0)
    columns = rows[:]
    if "tokens" in columns:
        words = list(columns["tokens"])
        texts = [" ".join(row) for row in words]
    else:
        parts = [
            columns[name]
            for name in ("question", "text", "text_pair", "context")
            if name in columns
        ]
        texts = [" ".join(row) for row in zip(*parts, strict=True)]
        words = [text.split() for text in texts]
    found = {}
    for name, lengths in (("tokens", [len(w) for w in words]), ("chars", [len(t) for t in texts])):
        found[f"{name}_mean"] = float(np.mean(lengths))
        found[f"{name}_std"] = float(np.std(lengths))
        found[f"{name}_max"] = float(np.max(lengths))
    flat = [word.lower() for row in words for word in row]
    found["type_token_ratio"] = len(set(flat)) / max(len(flat), 1)
    return found


def _images(rows: Dataset | None) -> dict[str, float]:
    if rows is None:
        return {"image_height": 0.0, "image_width": 0.0, "image_channels": 0.0}
    sizes = [(*row["image"].size, len(row["image"].getbands())) for row in rows]
    width, height, channels = np.mean(sizes, axis=0)
    return {
        "image_height": float(height),
        "image_width": float(width),
        "image_channels": float(channels),
    }
