"""Which unit a task needs, set up for a model's tokenizer or images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from foretune.config.schema.model import ModelCard, Pair
from foretune.config.schema.trainer import TrainerConfig, Truncation
from foretune.core import ModelError, TaskInfo, TaskKind
from foretune.train.units.answers import AnswerUnit
from foretune.train.units.base import TaskUnit
from foretune.train.units.images import ImageUnit, flips
from foretune.train.units.sequences import SequenceUnit
from foretune.train.units.tags import TagUnit

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase


def build_unit(
    info: TaskInfo,
    card: ModelCard,
    config: TrainerConfig,
    *,
    tokenizer: PreTrainedTokenizerBase | None,
    train: Dataset,
) -> TaskUnit:
    """The unit of a task, for one model.

    Args:
        info: The task.
        card: The model.
        config: Lengths, truncation, augmentation.
        tokenizer: The model's tokenizer; None for one that reads images.
        train: The training rows, from which a number's scale and images' colours are read.

    Raises:
        ModelError: The model does not read what the task has.
    """
    if (tokenizer is None) != (info.kind.modality == "image"):
        raise ModelError(
            f"model {card.name} reads {card.modality.value}s, the task {info.name} has"
            f" {info.kind.modality}s"
        )
    if tokenizer is None:
        crop, flip = flips(config.augmentation, train)
        return ImageUnit(card.input_size, tuple(card.mean), tuple(card.std), crop, flip)
    if info.kind is TaskKind.TOKEN_CLASSIFICATION:
        outside = info.classes.index("O") if "O" in info.classes else 0
        return TagUnit(tokenizer, config.max_length, outside)
    if info.kind is TaskKind.QUESTION_ANSWERING:
        return AnswerUnit(tokenizer, config.answer_max_length, config.answer_stride)
    centre, scale = 0.0, 1.0
    if info.kind is TaskKind.TEXT_REGRESSION:
        labels = np.asarray(train[:]["label"], dtype=np.float64)
        centre, scale = float(labels.mean()), float(labels.std()) or 1.0
    return SequenceUnit(
        tokenizer=tokenizer,
        max_length=config.max_length,
        truncation=config.truncation,
        separate=card.pair is Pair.separate,
        classes=len(info.classes),
        centre=centre,
        scale=scale,
    )


def restore_unit(
    kind: TaskKind, settings: Mapping[str, Any], *, tokenizer: PreTrainedTokenizerBase | None
) -> TaskUnit:
    """The unit that once gave ``settings``.

    Raises:
        ModelError: There is no tokenizer for a task of texts.
    """
    values = dict(settings)
    if kind is TaskKind.IMAGE_CLASSIFICATION:
        return ImageUnit(**{**values, "mean": tuple(values["mean"]), "std": tuple(values["std"])})
    if tokenizer is None:
        raise ModelError(f"expected a tokenizer for {kind.value}, got none")
    if kind is TaskKind.TOKEN_CLASSIFICATION:
        return TagUnit(tokenizer, **values)
    if kind is TaskKind.QUESTION_ANSWERING:
        return AnswerUnit(tokenizer, **values)
    return SequenceUnit(tokenizer, **{**values, "truncation": Truncation[values["truncation"]]})
