"""What makes rows useless or dubious? Found before any training."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from foretune.core import ConfigError, DataError, TaskKind
from foretune.train.data.fingerprint import input_hashes

if TYPE_CHECKING:
    from datasets import Dataset

DECODED_IMAGES = 2000
"""Of at most this many images a split every pixel is decoded; of the others only the header is."""


def check_metrics(
    kind: TaskKind, metrics: Sequence[str], classes: Sequence[str], name: str
) -> None:
    """Check that the metrics fit the classes.

    Raises:
        ConfigError: F1 of one class is asked for and there are not two.
    """
    one_class = kind in (TaskKind.TEXT_CLASSIFICATION, TaskKind.IMAGE_CLASSIFICATION)
    if one_class and "f1" in metrics and len(classes) != 2:
        raise ConfigError(
            f"task.metrics: expected two classes for f1, got the {len(classes)} of {name}; use "
            "macro_f1"
        )


def check_targets(kind: TaskKind, train: Dataset, classes: Sequence[str], name: str) -> None:
    """Check that there is something to learn.

    Raises:
        DataError: The training rows show one class only, one number only, or no entity.
    """
    where = f"the training rows of {name}"
    if kind is TaskKind.QUESTION_ANSWERING:
        return
    if kind is TaskKind.TOKEN_CLASSIFICATION:
        tags = {tag for row in train.select_columns(["labels"])[:]["labels"] for tag in row}
        if len(tags) < 2:
            raise DataError(f"expected at least two tags in {where}, got {_names(tags, classes)}")
        return
    labels = np.unique(np.asarray(train.select_columns(["label"])[:]["label"]))
    if kind is TaskKind.TEXT_REGRESSION and len(labels) < 2:
        raise DataError(f"expected labels that differ in {where}, got {labels[0]} in every row")
    if kind is not TaskKind.TEXT_REGRESSION and len(labels) < 2:
        got = _names({int(label) for label in labels}, classes)
        raise DataError(f"expected at least two classes in {where}, got {got}")


def check_images(rows: Dataset, where: str) -> None:
    """Check that the images can be read; rows without images pass.

    Raises:
        DataError: An image cannot be read; says which.
    """
    if "image" not in rows.column_names:
        return
    import io

    from datasets import Image
    from PIL import Image as PilImage

    encoded = rows.select_columns(["image"]).cast_column("image", Image(decode=False))
    for row, image in enumerate(found["image"] for found in encoded):
        try:
            if image is None:
                raise ValueError("no image")
            source = image["path"] if image["bytes"] is None else io.BytesIO(image["bytes"])
            with warnings.catch_warnings():
                warnings.simplefilter("error", PilImage.DecompressionBombWarning)
                with PilImage.open(source) as opened:
                    if row < DECODED_IMAGES:
                        opened.load()
        except Exception as error:  # Pillow's formats raise what they like
            name = (image or {}).get("path") or f"row {row}"
            raise DataError(
                f"expected images in {where}, got one that cannot be read ({name}): {error}; mend "
                "or remove it"
            ) from error


def shared_rows(splits: Mapping[str, Dataset]) -> list[str]:
    """A line for each pair of splits that have inputs in common: a score may flatter there."""
    seen = {split: input_hashes(rows) for split, rows in splits.items()}
    notes = []
    for held_out, others in (("test", ("train", "validation")), ("validation", ("train",))):
        for other in others:
            known = set(seen[other])
            n_rows = sum(mark in known for mark in seen[held_out])
            if n_rows:
                notes.append(
                    f"{n_rows} of {len(seen[held_out])} {held_out} rows are also {other} rows"
                )
    return notes


def _names(ids: set[int], classes: Sequence[str]) -> str:
    return ", ".join(f"only {classes[k]!r}" for k in sorted(ids)) or "none"
