"""How to choose among pretrained models from a few labelled examples (``job=select``)."""

from __future__ import annotations

from dataclasses import dataclass

from foretune.core import unknown_name

PROBES = ("logme", "h_score", "ncm", "ridge_loo", "knn_loo")
BASELINES = ("default", "largest", "random", "oracle")
SELECTORS = (*PROBES, "leep", "rank_average", "meta", "maml", "bandit", *BASELINES)


@dataclass
class SelectionConfig:
    """Choosing a model.

    Attributes:
        method: A probe, the ``rank_average`` of all, one that learns (``meta``, ``maml``), one that
            trains shortly (``bandit``), or one to compare with (``default``, ``largest``,
            ``random``, ``oracle``).
        support_size: Labelled training rows that every model is shown.
        threshold: Models within this of the best count as equal, and of these the fastest is
            chosen; in the metric's unit where a score is predicted (meta, bandit, oracle), else a
            share of the range of scores.
        keep: Models that ``search=meta model=auto`` goes on with: the chosen one and the next.
        before_search: Whether ``search=meta model=auto`` chooses before the first trial.
        max_s: Seconds for probing; null: 5 % of the search's budget of seconds, if it has one.
        meta_lr: Learning rate of the meta-training.
        meta_iterations: Its steps.
        bandit_pulls: Short fine-tunes that the bandit may spend.
        bandit_epochs: Epochs of each.
        shipped: Whether the selections that come with the package count where there are few.
        seed: Draws the support set.
    """

    method: str = "logme"
    support_size: int = 32
    threshold: float = 0.01
    keep: int = 3
    before_search: bool = True
    max_s: float | None = None
    meta_lr: float = 1e-3
    meta_iterations: int = 1000
    bandit_pulls: int = 24
    bandit_epochs: int = 4
    shipped: bool = True
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
        for key in ("keep", "meta_iterations", "bandit_pulls", "bandit_epochs"):
            if getattr(self, key) < 1:
                found.append(f"selection.{key}: expected at least 1, got {getattr(self, key)}")
        for key in ("meta_lr", "max_s"):
            value = getattr(self, key)
            if value is not None and not value > 0:
                found.append(f"selection.{key}: expected above 0, got {value}")
        if self.seed < 0:
            found.append(f"selection.seed: expected 0 or more, got {self.seed}")
        return found
