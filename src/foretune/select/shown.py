"""What is a selector shown of a task and its models, and what does it answer?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from foretune.select.support import Support


class Tuner(Protocol):
    """Trains models where a selector asks for it; scores are higher-is-better."""

    def short(self, name: str, turn: int) -> float:
        """The score on held-out rows of the support set after a short fine-tune on the others.

        Args:
            name: The model.
            turn: Which division of the support set; the same rows for every model.
        """
        ...

    def full(self, name: str) -> float:
        """The validation score of the model's default configuration on all training rows."""
        ...


@dataclass(frozen=True, eq=False)
class Shown:
    """A task as a selector sees it; the models in the order of preference.

    Attributes:
        supports: The support set as each model embeds it.
        probes: Of each model each probe's score, higher is better, NaN where it has no meaning.
        models: Of each model numbers that describe it.
        kind: The kind of the task.
        n_rows: Rows of the support set.
        seed: Of everything random.
        tuner: Trains models; None: it cannot be asked.
    """

    supports: Mapping[str, Support]
    probes: Mapping[str, Mapping[str, float]]
    models: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    kind: str = ""
    n_rows: int = 32
    seed: int = 0
    tuner: Tuner | None = None

    def rng(self, *stream: int) -> np.random.Generator:
        """Random numbers of this selection's own."""
        return np.random.default_rng([self.seed, *stream])


@dataclass(frozen=True)
class Judged:
    """What a selector says of a model.

    Attributes:
        score: Higher is better, finite.
        low, high: 10 % and 90 % ends of its interval.
    """

    score: float
    low: float
    high: float


Selector = Callable[[Shown], Mapping[str, Judged]]
"""Judges every model that it is shown."""
