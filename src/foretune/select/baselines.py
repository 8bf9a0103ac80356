"""What do people do who do not look at the support set? The selectors to beat."""

from __future__ import annotations

import math
from collections.abc import Iterable

from foretune.core import ModelError
from foretune.select.shown import Judged, Shown


def default_member(shown: Shown) -> dict[str, Judged]:
    """The first model in the order of preference: 1, the others 0."""
    return _graded(shown, [-float(k > 0) for k in range(len(shown.supports))])


def largest(shown: Shown) -> dict[str, Judged]:
    """The logarithm of each model's parameters; of a model that does not say, of the least."""
    sizes = [shown.models.get(n, {}).get("log_parameters", math.nan) for n in shown.supports]
    least = min((s for s in sizes if math.isfinite(s)), default=0.0)
    return _graded(shown, [s if math.isfinite(s) else least for s in sizes])


def drawn(shown: Shown) -> dict[str, Judged]:
    """A number at random for each model."""
    return _graded(shown, shown.rng(17).random(len(shown.supports)).tolist())


def oracle(shown: Shown) -> dict[str, Judged]:
    """Every model's validation score after its full fine-tuning.

    Raises:
        ModelError: There is no tuner.
    """
    if shown.tuner is None:
        raise ModelError("expected a trainer for selection=oracle, got none: choose another one")
    return _graded(shown, [shown.tuner.full(name) for name in shown.supports])


def _graded(shown: Shown, scores: Iterable[float]) -> dict[str, Judged]:
    return {n: Judged(s, s, s) for n, s in zip(shown.supports, scores, strict=True)}
