"""The outputs of frozen layers, computed once and kept across epochs and trials."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from foretune.train.cache import ByteCache
from foretune.train.models.network import Frozen, Network
from foretune.train.ragged import Index, Ragged, sorted_batches
from foretune.train.units.base import Batch, Split, TaskUnit

BYTES = 4  # float32
LARGEST_SHARE = 0.5  # of the cache, for one split: training and validation rows both find room


@dataclass(frozen=True)
class FrozenOutput:
    """Vectors by example (n, width), or by token (all tokens, width) in the sequences' order."""

    values: Tensor
    sequences: Ragged | None
    parts: int

    def collate(self, index: Index) -> Batch:
        """``features`` (b, width) or ``hidden`` (parts x b, longest, width) of some examples."""
        if self.sequences is None:
            return {"features": self.values[torch.from_numpy(index)]}
        n = len(self.sequences) // self.parts
        rows = np.concatenate([index + part * n for part in range(self.parts)])
        places, _ = self.sequences.places(rows)
        return {"hidden": self.values[torch.from_numpy(places)]}


def frozen_output(
    network: Network,
    unit: TaskUnit,
    split: Split,
    *,
    key: Hashable,
    cache: ByteCache,
    batch_size: int,
    device: torch.device,
) -> FrozenOutput | None:
    """What the network's frozen part makes of a split, from the cache where it is there.

    Args:
        network: The network, on its device.
        unit: The kind of task.
        split: The rows.
        key: Names the checkpoint, the rows and how they were prepared.
        cache: Where outputs are kept.
        batch_size: Examples a batch.
        device: Where the network is.

    Returns:
        None where nothing is frozen, or where the output is too large to keep.
    """
    frozen = network.frozen
    if frozen is None:
        return None
    sequences = split.sequences if frozen.per_token else None
    rows = len(split.lengths) if sequences is None else len(sequences.values)
    limit = cache.limit_bytes
    if limit is not None and rows * frozen.width * BYTES > limit * LARGEST_SHARE:
        return None
    return cache.get(
        (key, frozen.key),
        lambda: _compute(
            network, unit, split, frozen=frozen, rows=rows, batch_size=batch_size, device=device
        ),
        lambda output: output.values.numel() * BYTES,
    )


@torch.no_grad()
def _compute(
    network: Network,
    unit: TaskUnit,
    split: Any,
    *,
    frozen: Frozen,
    rows: int,
    batch_size: int,
    device: torch.device,
) -> FrozenOutput:
    was_training = network.training
    network.eval()
    values = torch.empty(rows, frozen.width)
    output = FrozenOutput(values, split.sequences if frozen.per_token else None, split.parts)
    for index in sorted_batches(split.lengths, batch_size):
        batch = to_device(unit.collate(split, index, inputs=True), device)
        found = network.run_frozen(batch).float().cpu()
        if output.sequences is None:
            values[torch.from_numpy(index)] = found
        else:
            n = len(output.sequences) // output.parts
            sequences = np.concatenate([index + part * n for part in range(output.parts)])
            places, real = output.sequences.places(sequences)
            values[torch.from_numpy(places[real])] = found[torch.from_numpy(real)]
    network.train(was_training)
    return output


def to_device(batch: Batch, device: torch.device) -> Batch:
    """The batch on ``device``; to a GPU from pinned memory, without waiting."""
    if device.type == "cpu":
        return batch
    if device.type == "cuda":
        return {
            name: value.pin_memory().to(device, non_blocking=True) for name, value in batch.items()
        }
    return {name: value.to(device) for name, value in batch.items()}
