"""Pretraining: from a recipe and the source tasks' rows to a local member of the pool.

May import what ``train`` may, and ``tokenizers``.
"""

from foretune.train.pretrain.build import Built, Watcher, build_pool

__all__ = ["Built", "Watcher", "build_pool"]
