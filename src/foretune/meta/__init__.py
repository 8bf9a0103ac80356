"""The meta-model: what a history of searches teaches about a new task.

May import core, history, numpy, torch and optuna's distributions and trial states; nothing above.
The names of its face that need torch are in the files that are named after them.
"""

from foretune.meta.settings import Ablation, MetaSettings

__all__ = ["Ablation", "MetaSettings"]
