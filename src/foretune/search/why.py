"""Where does a trial's suggestion come from, in a few words?"""

from __future__ import annotations

from optuna.trial import FrozenTrial

from foretune.search.study import RETRIED_FROM
from foretune.space import Space, point_key


def why(trial: FrozenTrial, *, space: Space, search: str) -> str:
    """A short text on where ``trial``'s parameters come from.

    Args:
        trial: A trial with all its parameters.
        space: Knows the default configurations.
        search: The search method, where nothing more is known.
    """
    if (before := trial.user_attrs.get(RETRIED_FROM)) is not None:
        return f"trial {before} again"
    if "fixed_params" in trial.system_attrs:
        return "queued by hand"
    if point_key(trial.params) in map(point_key, space.defaults):
        return "default configuration"
    return search
