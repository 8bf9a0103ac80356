"""Few-shot model selection on a task: what the models see, what was learnt, which one is taken.

May import select, train, history, meta.cache, core and config.schema; train only when it is called.
"""

from foretune.selection.choice import Member, ModelChoice, choose_model, describe
from foretune.selection.past import past_selections, selection_attribute
from foretune.selection.start import learned_start, parse_start

__all__ = [
    "Member",
    "ModelChoice",
    "choose_model",
    "describe",
    "learned_start",
    "parse_start",
    "past_selections",
    "selection_attribute",
]
