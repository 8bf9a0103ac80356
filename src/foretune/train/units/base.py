"""What a task unit is: the few things that differ between kinds of tasks, and nothing more.

A unit turns rows into a split (arrays, once), a split's rows into batches, a network's output into
a loss and into predictions. The loop, the optimiser and the cache know no kinds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from foretune.train.ragged import Index, Ragged

if TYPE_CHECKING:
    from datasets import Dataset
    from torch import Tensor, nn

Batch = dict[str, "Tensor"]
Output = tuple[Index, npt.NDArray[np.float32]]
"""A batch's rows and what was kept of the network's output for them."""


class Split(Protocol):
    """Rows made ready for a network; ``sequences`` where the encoder reads tokens."""

    @property
    def lengths(self) -> Index:
        """Length of each example (n,), by which batches are formed."""
        ...

    @property
    def sequences(self) -> Ragged | None:
        """Token ids of every sequence, ``parts`` of them an example; None: images."""
        ...

    @property
    def parts(self) -> int:
        """Sequences an example: sequence p of example i is row ``i + p * n``."""
        ...


class TaskUnit(Protocol):
    """One kind of task."""

    def settings(self) -> dict[str, Any]:
        """All but the tokenizer that the unit was set up with, as plain values."""
        ...

    def prepare(self, rows: Dataset) -> Any:
        """Rows as a split of this unit; where labels are absent, so are the targets."""
        ...

    def collate(self, split: Any, index: Index, *, inputs: bool) -> Batch:
        """The rows of ``index`` as tensors on the CPU.

        Args:
            split: A split of this unit.
            index: Which examples (b,).
            inputs: Whether the encoder's inputs are wanted: not where its output is cached.
        """
        ...

    def augment(self, batch: Batch) -> Batch:
        """Vary the inputs of a training batch, on its device."""
        ...

    def loss(self, network: nn.Module, output: Tensor, batch: Batch) -> Tensor:
        """Mean loss of a batch, a scalar."""
        ...

    def keep(self, network: nn.Module, output: Tensor, batch: Batch) -> Tensor:
        """What predictions are made of later: small, on the output's device."""
        ...

    def predictions(self, outputs: Sequence[Output], split: Any) -> list[Any]:
        """A prediction for each row, in the rows' order, as the metrics expect it."""
        ...

    def references(self, rows: Dataset) -> list[Any]:
        """What the predictions are measured against."""
        ...
