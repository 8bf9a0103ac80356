"""How to choose among pretrained models from a few labelled examples (``job=select``)."""

from __future__ import annotations

from dataclasses import dataclass

from foretune.core import unknown_name

PROBES = ("logme", "h_score", "ncm", "ridge_loo", "knn_loo")
SELECTORS = ("rank_average", *PROBES)


@dataclass
class SelectionConfig:
    """Choosing a model.

    Attributes:
        method: One of the probes, or the ``rank_average`` of all.
        support_size: Labelled training rows that every model is shown.
        threshold: Models whose score is within this share of the range of scores from the best
            count as equal; of these the fastest is chosen.
        seed: Draws the support set.
    """

    method: str = "ridge_loo"
    support_size: int = 32
    threshold: float = 0.01
    seed: int = 0

    def problems(self) -> list[str]:
        """Every problem, one sentence each."""
        found = []
        if self.method not in SELECTORS:
            name = unknown_name("selector", self.method, SELECTORS)
            found.append(f"selection.method: {name}")
        if self.support_size < 2:
            found.append(f"selection.support_size: expected at least 2, got {self.support_size}")
        if not 0 <= self.threshold < 1:
            found.append(f"selection.threshold: expected from 0 to below 1, got {self.threshold}")
        if self.seed < 0:
            found.append(f"selection.seed: expected 0 or more, got {self.seed}")
        return found
