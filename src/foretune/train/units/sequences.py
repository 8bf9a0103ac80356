"""Texts and pairs of texts: one class or one number each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from foretune.config.schema.trainer import Truncation
from foretune.train.ragged import Index, Ragged
from foretune.train.units.base import Batch, Output
from foretune.train.units.text_arrays import Tokens, plain_settings, tokenise

if TYPE_CHECKING:
    from datasets import Dataset
    from torch import Tensor, nn
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class SequenceSplit:
    """Tokens and targets: (n,) class ids or numbers; empty where labels are absent."""

    tokens: Tokens
    targets: npt.NDArray[np.int64] | npt.NDArray[np.float32]

    @property
    def lengths(self) -> Index:
        """Length of each example in tokens."""
        return self.tokens.lengths

    @property
    def sequences(self) -> Ragged:
        """Token ids of every sequence."""
        return self.tokens.ids

    @property
    def parts(self) -> int:
        """Sequences an example."""
        return self.tokens.parts


@dataclass(frozen=True)
class SequenceUnit:
    """Text classification and regression.

    Attributes:
        tokenizer: The model's tokenizer.
        max_length: Tokens a sequence.
        truncation: What is kept of a longer text.
        separate: Whether the two texts of a pair are read alone.
        classes: How many classes; 0: a number is to be predicted.
        centre: Mean of the training targets; a network's output 0 means this number.
        scale: Their standard deviation; a network's output 1 is this much above it.
    """

    tokenizer: PreTrainedTokenizerBase
    max_length: int
    truncation: Truncation
    separate: bool
    classes: int
    centre: float = 0.0
    scale: float = 1.0

    def settings(self) -> dict[str, Any]:
        """All but the tokenizer, as plain values."""
        return plain_settings(self)

    def prepare(self, rows: Dataset) -> SequenceSplit:
        """Tokenise ``text`` (and ``text_pair``) and take ``label``."""
        pairs = rows[:]["text_pair"] if "text_pair" in rows.column_names else None
        tokens = tokenise(
            rows[:]["text"],
            pairs,
            tokenizer=self.tokenizer,
            max_length=self.max_length,
            truncation=self.truncation,
            separate=self.separate,
        )
        labels = rows[:]["label"] if "label" in rows.column_names else []
        if self.classes:
            return SequenceSplit(tokens, np.asarray(labels, dtype=np.int64))
        return SequenceSplit(tokens, np.asarray(labels, dtype=np.float32))

    def collate(self, split: SequenceSplit, index: Index, *, inputs: bool) -> Batch:
        """Tokens, and ``targets`` (b,)."""
        import torch

        batch = split.tokens.collate(index, inputs=inputs)
        if len(split.targets):
            batch["targets"] = torch.from_numpy(split.targets[index])
        return batch

    def augment(self, batch: Batch) -> Batch:
        """Texts stay as they are."""
        return batch

    def loss(self, network: nn.Module, output: Tensor, batch: Batch) -> Tensor:
        """Cross-entropy, or the squared error in standard deviations of the target."""
        from torch.nn import functional

        if self.classes:
            return functional.cross_entropy(output, batch["targets"])
        return functional.mse_loss(output[:, 0], (batch["targets"] - self.centre) / self.scale)

    def keep(self, network: nn.Module, output: Tensor, batch: Batch) -> Tensor:
        """The outputs (b, classes or 1)."""
        return output

    def predictions(self, outputs: Sequence[Output], split: SequenceSplit) -> list[int | float]:
        """Class ids, or numbers in the target's own units."""
        values = in_order(outputs)
        if self.classes:
            return [int(value) for value in values.argmax(1)]
        return [float(value) for value in values[:, 0] * self.scale + self.centre]

    def references(self, rows: Dataset) -> list[int | float]:
        """The labels."""
        return list(rows[:]["label"])


def in_order(outputs: Sequence[Output]) -> npt.NDArray[np.float32]:
    """Batches' outputs of the same width as one array (n, ...), in the rows' order."""
    index = np.concatenate([which for which, _ in outputs])
    values = np.concatenate([kept for _, kept in outputs])
    ordered = np.empty_like(values)
    ordered[index] = values
    return ordered
