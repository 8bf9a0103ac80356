"""Where does a trial's suggestion come from, in a few words?"""

from __future__ import annotations

from collections.abc import Mapping

from optuna.trial import FrozenTrial

from foretune.search.meta_observe import WHY_KEY
from foretune.search.study import RETRIED_FROM
from foretune.space import Space, point_key

EXPERTS = {
    "default": "default configuration",
    "portfolio": "best of past tasks",
    "start": "start without a history",
    "history": "history expects",
    "target": "this study expects",
    "repeat": "all points tried: a repeat",
}

PAST = ("portfolio", "history")  # experts that speak for past studies


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
    reasons = trial.system_attrs.get(WHY_KEY)
    return _of_meta_sampler(reasons, search) if isinstance(reasons, Mapping) else search


def _of_meta_sampler(reasons: Mapping[str, object], search: str) -> str:
    """What MetaSampler noted; `foretune.explain` tells all of it."""
    said = EXPERTS.get(str(reasons.get("expert")), search)
    score = reasons.get("score")
    past = reasons.get("learned_from")
    if reasons.get("expert") in PAST and isinstance(past, Mapping) and not past.get("own"):
        said = f"shipped {said}"
    return f"{said} {score:.4g}" if said.endswith("expects") and isinstance(score, float) else said
