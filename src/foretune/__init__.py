"""Foretune: tune before you train, from every run ever recorded.

The library's public face. Importing it is cheap: torch and optuna are loaded on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from foretune.history import HistoryRecords, read_history, seed_history
    from foretune.search.meta_explain import explain
    from foretune.search.meta_pruner import MetaPruner
    from foretune.search.meta_recommend import recommend
    from foretune.search.meta_sampler import MetaSampler

__version__ = "0.1.0"

_HOMES = {
    "HistoryRecords": "foretune.history",
    "MetaPruner": "foretune.search.meta_pruner",
    "MetaSampler": "foretune.search.meta_sampler",
    "explain": "foretune.search.meta_explain",
    "read_history": "foretune.history",
    "recommend": "foretune.search.meta_recommend",
    "seed_history": "foretune.history",
}

__all__ = [
    "HistoryRecords",
    "MetaPruner",
    "MetaSampler",
    "__version__",
    "explain",
    "read_history",
    "recommend",
    "seed_history",
]


def __getattr__(name: str) -> object:
    """Load a public name from its home on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'foretune' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
