"""Task units: what differs between kinds of tasks, from rows to batches, losses and predictions.

May import core, config.schema, transformers, datasets, torch.
"""

from foretune.train.units.base import Batch, Output, Split, TaskUnit
from foretune.train.units.choose import build_unit, restore_unit

__all__ = ["Batch", "Output", "Split", "TaskUnit", "build_unit", "restore_unit"]
