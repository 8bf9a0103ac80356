"""Why was a trial suggested? The reasons that MetaSampler left with it, as short text."""

from __future__ import annotations

from collections.abc import Mapping

from optuna.trial import FrozenTrial

from foretune.history.wording import whose
from foretune.search.meta_observe import WHY_KEY

_SOURCES = {
    "default": "a known-good default configuration",
    "portfolio": "the configuration that served past tasks best",
    "start": "the start of a search without history: spread over the space",
    "history": "the meta-model of past tasks",
    "target": "this study's own trials",
    "repeat": "every configuration was tried: one of them again",
}


def explain(trial: FrozenTrial) -> str:
    """Say in a few lines where a trial's suggestion came from.

    Args:
        trial: A trial that MetaSampler suggested.

    Returns:
        One line a reason: the expert that spoke, the predicted score with its 80 % interval, the
        predicted seconds, what the guard thinks of the history, the nearest past tasks.
    """
    why = trial.system_attrs.get(WHY_KEY)
    if not isinstance(why, Mapping):
        return f"Trial {trial.number} was not suggested by MetaSampler."
    expert = str(why.get("expert"))
    lines = [f"Trial {trial.number}: {_SOURCES.get(expert, expert)}."]
    if "score" in why:
        low, high = why["interval"]
        lines.append(f"Predicted {why['score']:.4g}, 80 % between {low:.4g} and {high:.4g}.")
    if "seconds" in why:
        lines.append(f"Predicted to take {why['seconds']:.3g} s.")
    if "verdict" in why:
        since = f" since trial {why['since']}" if "since" in why else ""
        share = f"{100 * why['weight']:.0f} % of the vote"
        lines.append(f"History: {why['verdict']}{since} ({share}).")
    if why.get("learned_from"):
        lines.append(f"Learned from {whose(**why['learned_from'])}.")
    if why.get("turned"):
        lines.append("Its scores are read with their signs turned: they rank the wrong way round.")
    if why.get("nearest"):
        near = ", ".join(f"{name} ({share:.0%})" for name, share in why["nearest"].items())
        lines.append(f"Nearest past tasks: {near}.")
    return "\n".join(lines)
