"""Which model is taken, given predicted scores and seconds, and why?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from foretune.core import ConfigError, ModelError, format_duration

# 0.88 - 0.87 is above 0.01 in floating point.
_ROUNDING = 1e-9
_NAMED = 3  # of the models that may be as good, in the sentence; all of them in the table


@dataclass(frozen=True)
class Candidate:
    """A model as it is predicted to do.

    Attributes:
        name: Of the model.
        score: Predicted score, higher is better.
        low: Lower end of the score's interval.
        high: Upper end.
        seconds: Predicted seconds of its fine-tuning; None: not known.

    Raises:
        ModelError: The score is not finite, its interval is none, or the seconds are negative.
    """

    name: str
    score: float
    low: float
    high: float
    seconds: float | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.score) and self.low <= self.high):
            raise ModelError(
                f"model {self.name}: expected a finite predicted score and an interval, got "
                f"{self.score} ({self.low} to {self.high}): leave the model out"
            )
        if self.seconds is not None and not 0 <= self.seconds < math.inf:
            raise ModelError(
                f"model {self.name}: expected predicted seconds of at least 0, got {self.seconds}: "
                "give None where they are not known"
            )


@dataclass(frozen=True)
class Choice:
    """What was chosen.

    Attributes:
        name: Of the chosen model.
        tied: The other models within the threshold of the best, best first.
        unsure: Models beyond it whose interval overlaps the chosen one's, best first.
        reason: A sentence or two for a person.
    """

    name: str
    tied: tuple[str, ...]
    unsure: tuple[str, ...]
    reason: str

    @property
    def is_sure(self) -> bool:
        """Whether the scores tell the chosen model apart from every other one."""
        return not (self.tied or self.unsure)


def choose(candidates: Sequence[Candidate], threshold: float) -> Choice:
    """Of the candidates within ``threshold`` of the best predicted score, the fastest.

    Unknown seconds come last; of equally fast ones the better score, then the name decides.

    Raises:
        ModelError: There is no candidate.
        ConfigError: The threshold is negative or NaN.
    """
    if not candidates:
        raise ModelError("expected at least one model to choose from, got none: widen the pool")
    if not threshold >= 0:
        raise ConfigError(
            f"expected a selection threshold of at least 0, got {threshold}: 0 takes the best"
        )
    ranked = sorted(candidates, key=lambda c: (-c.score, c.name))
    near = [c for c in ranked if ranked[0].score - c.score <= threshold + _ROUNDING]
    # The first of equals: near is sorted by score and name.
    chosen = min(near, key=lambda c: math.inf if c.seconds is None else c.seconds)
    tied = [c for c in near if c is not chosen]
    unsure = [c for c in ranked if c not in near and c.high >= chosen.low]
    return Choice(
        chosen.name,
        tuple(c.name for c in tied),
        tuple(c.name for c in unsure),
        _reason(chosen, ranked[0], tied, threshold) + _doubt(chosen, unsure),
    )


def _reason(chosen: Candidate, best: Candidate, tied: list[Candidate], threshold: float) -> str:
    """One sentence that names what the chosen model is tied with."""
    text = f"{chosen.name} has a predicted score of {_scored(chosen)}, "
    text += "the best" if chosen is best else f"within {threshold:.2g} of the best"
    if not tied:
        return f"{text}, and no other model is within {threshold:.2g} of it."
    if chosen.seconds is None:
        text += ", and leads in score, since no time is predicted,"
    else:
        text += f", and is predicted to take the least time ({format_duration(chosen.seconds)})"
    return f"{text} among the models it is tied with: {', '.join(map(_described, tied))}."


def _doubt(chosen: Candidate, unsure: list[Candidate]) -> str:
    """What else may be as good, as far as the intervals tell; empty: nothing."""
    if not (math.isfinite(chosen.low) and math.isfinite(chosen.high)):
        return " How sure that is cannot be told: there is no interval."
    if not unsure:
        return ""
    named = ", ".join(f"{c.name} {_scored(c)}" for c in unsure[:_NAMED])
    more = f" and {len(unsure) - _NAMED} more" if len(unsure) > _NAMED else ""
    overlap = "interval overlaps" if len(unsure) == 1 else "intervals overlap"
    return (
        f" It is not sure: so few rows do not tell it apart from {named}{more}, whose {overlap} its"
        " own."
    )


def _scored(candidate: Candidate) -> str:
    if not (math.isfinite(candidate.low) and math.isfinite(candidate.high)):
        return f"{candidate.score:.3f}"
    return f"{candidate.score:.3f} ({candidate.low:.3f} to {candidate.high:.3f})"


def _described(candidate: Candidate) -> str:
    time = "time unknown" if candidate.seconds is None else format_duration(candidate.seconds)
    return f"{candidate.name} ({candidate.score:.3f}, {time})"
