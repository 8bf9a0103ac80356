"""Rows of different lengths in one flat array, and batches of rows that are about as long.

n rows, row i is ``values[offsets[i]:offsets[i + 1]]``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Index = npt.NDArray[np.int64]
POOL_BATCHES = 16  # batches that are sorted by length together: little padding, still random


@dataclass(frozen=True)
class Ragged:
    """Rows of integers; values: (total,), offsets: (n + 1,)."""

    values: npt.NDArray[np.int64]
    offsets: Index

    @classmethod
    def of(cls, rows: Iterable[Sequence[int]]) -> Ragged:
        """From rows.

        >>> Ragged.of([[1, 2, 3], [4]]).pad(np.array([0, 1]), fill=0).tolist()
        [[1, 2, 3], [4, 0, 0]]
        """
        held = [np.asarray(row, dtype=np.int64) for row in rows]
        offsets = np.zeros(len(held) + 1, dtype=np.int64)
        np.cumsum([len(row) for row in held], out=offsets[1:])
        return cls(np.concatenate(held) if held else np.zeros(0, dtype=np.int64), offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Index:
        """Length of each row (n,)."""
        return np.diff(self.offsets)

    def places(self, index: Index) -> tuple[Index, npt.NDArray[np.bool_]]:
        """Where the rows' values are in the flat array (b, longest), and which places are real."""
        starts = self.offsets[index]
        lengths = self.offsets[index + 1] - starts
        steps = np.arange(max(1, lengths.max()))
        real = steps < lengths[:, None]
        return np.where(real, starts[:, None] + steps, 0), real

    def pad(self, index: Index, *, fill: int) -> npt.NDArray[np.int64]:
        """The rows of ``index`` (b,) as one array (b, longest), filled up with ``fill``."""
        places, real = self.places(index)
        return np.where(real, self.values[places], fill)


def training_batches(lengths: Index, batch_size: int, rng: np.random.Generator) -> Iterator[Index]:
    """All rows once, in random batches of similar length.

    Rows are shuffled, sorted by length within pools of ``POOL_BATCHES`` batches, cut into batches,
    and the batches are shuffled.
    """
    order = rng.permutation(len(lengths))
    if len(np.unique(lengths)) > 1:
        size = batch_size * POOL_BATCHES
        pools = [order[start : start + size] for start in range(0, len(order), size)]
        order = np.concatenate([pool[np.argsort(-lengths[pool], kind="stable")] for pool in pools])
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    for which in rng.permutation(len(batches)):
        yield batches[which]


def sorted_batches(lengths: Index, batch_size: int) -> Iterator[Index]:
    """All rows once, longest first: the least padding, and memory runs out at once or never."""
    order = np.argsort(-lengths, kind="stable")
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]
