"""Which search methods are compared, and what are they called?"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Method:
    """One line of every figure and table.

    Attributes:
        key: Its short name.
        label: Its name for a person.
        colour: Of its line.
        learns: Whether it knows other tasks.
        about: What exactly it does.
        drawn: Whether the headline figure shows it.
        seeded: Whether a seed makes a difference.
    """

    key: str
    label: str
    colour: str
    learns: bool
    about: str
    drawn: bool = True
    seeded: bool = True


META = "meta"
_ALL = (
    Method(
        META, "meta", "#c1440e", True,
        "foretune.MetaSampler with the other families' tasks as its history, as search=meta calls "
        "it: told the first model's known-good default, which it leaves to the past tasks to judge "
        "where three of them tried it; it chooses among the recorded configurations "
        "(candidates=...)",
    ),
    Method(
        "meta_default", "meta, default first", "#e08a5c", True,
        "the same, but the default is its first trial, whatever past tasks say of it (fewer "
        "searches)",
        drawn=False,
    ),
    Method(
        "meta_moved", "meta, moved", "#b98a6e", True,
        "the same sampler in the open space, its suggestions moved to the nearest recorded "
        "configuration just as those of TPE and GP are (fewer searches)",
        drawn=False,
    ),
    Method(
        "mean_rank", "mean rank", "#7b5ea7", True,
        "configurations in the order of their mean rank on the other families' tasks",
        seeded=False,
    ),
    Method(
        "portfolio", "portfolio", "#b07aa1", True,
        "greedy cover of the other families' tasks by their recorded scores, ten configurations, "
        "then the mean rank",
        drawn=False, seeded=False,
    ),
    Method(
        "nearest", "nearest task", "#9c9ede", True,
        "configurations in the order of their scores on the task with the nearest descriptors",
        drawn=False, seeded=False,
    ),
    Method(
        "default", "default", "#8c8c8c", False,
        "the first model's known-good configuration, once", drawn=False, seeded=False,
    ),
    Method(
        "grid", "grid", "#2a6f97", False,
        "a grid around the default in practical ranges, in shuffled order, each point moved to the "
        "nearest recorded configuration",
    ),
    Method(
        "grid_small", "small grid", "#61a5c2", False,
        "the same with fewer values", drawn=False,
    ),
    Method(
        "grid_729", "grid of 729", "#2a6f97", False,
        "three values of six parameters, in shuffled order",
    ),
    Method("random", "random", "#6c757d", False, "configurations in random order"),
    Method(
        "tpe", "TPE", "#2d6a4f", False,
        "Optuna's TPESampler (multivariate), moved to the nearest recorded configuration",
    ),
    Method(
        "tpe_default", "TPE, default first", "#52936d", False,
        "the same, but its first trial is the default configuration", drawn=False,
    ),
    Method(
        "gp", "GP", "#74a57f", False,
        "Optuna's GPSampler, moved to the nearest recorded configuration (fewer searches)",
    ),
    Method(
        "cold", "meta, no history", "#a3b18a", False,
        "foretune.MetaSampler without a history: a Gaussian process that starts with the default "
        "and chooses among the recorded configurations, as meta does (fewer searches)",
        drawn=False,
    ),
)  # fmt: skip
METHODS = {method.key: method for method in _ALL}
"""By key, in the order in which they are listed."""
