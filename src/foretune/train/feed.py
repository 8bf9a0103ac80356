"""Batches of one split, on the device, with the outputs of frozen layers where they are cached."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from foretune.train.frozen import FrozenOutput, to_device
from foretune.train.ragged import Index, sorted_batches, training_batches
from foretune.train.units.base import Batch, TaskUnit


@dataclass(frozen=True)
class Feed:
    """Gives a split's batches.

    Attributes:
        unit: The kind of task.
        split: The unit's split.
        device: Where batches go.
        frozen: The frozen layers' output on this split, if cached.
    """

    unit: TaskUnit
    split: Any
    device: torch.device
    frozen: FrozenOutput | None = None

    def __len__(self) -> int:
        """Examples."""
        return len(self.split.lengths)

    def training(self, batch_size: int, rng: np.random.Generator) -> Iterator[Batch]:
        """One epoch: every example once, in random order, varied."""
        for index in self.order(batch_size, rng):
            yield self.to_learn(index)

    def order(self, batch_size: int, rng: np.random.Generator) -> Iterator[Index]:
        """One epoch's batches: every example once, in random order."""
        return training_batches(self.split.lengths, batch_size, rng)

    def to_learn(self, index: Index) -> Batch:
        """The examples of ``index``, varied."""
        batch = self.batch(index)
        return batch if self.frozen is not None else self.unit.augment(batch)

    def evaluation(self, batch_size: int) -> Iterator[tuple[Index, Batch]]:
        """Every example once, as it is, with its place."""
        for index in sorted_batches(self.split.lengths, batch_size):
            yield index, self.batch(index)

    def batch(self, index: Index) -> Batch:
        """The examples of ``index``."""
        batch = self.unit.collate(self.split, index, inputs=self.frozen is None)
        if self.frozen is not None:
            batch |= self.frozen.collate(index)
        return to_device(batch, self.device)
