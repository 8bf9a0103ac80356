"""Which numbers steer the meta-model, and which of its parts can be switched off?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from foretune.core.errors import ConfigError


@dataclass(frozen=True)
class Ablation:
    """Which parts work; all do unless an experiment asks what one of them is worth.

    Attributes:
        history: Learn from the history at all.
        model: Use the meta-model after the portfolio; without it the target-only process follows.
        guard: Let the new task's own trials overrule the history.
        placing: Find the new task's location and scale by MAP; without: median and spread.
        descriptors: Use descriptors of tasks and models.
        training: ``mixed`` (the two others in turn), ``marginal`` (likelihood of batches) or
            ``episodes`` (queries given a context).
    """

    history: bool = True
    model: bool = True
    guard: bool = True
    placing: bool = True
    descriptors: bool = True
    training: Literal["marginal", "episodes", "mixed"] = "mixed"


@dataclass(frozen=True)
class MetaSettings:
    """The meta-model's numbers.

    Attributes:
        meta_lr: Peak learning rate of meta-training (AdamW, cosine).
        meta_iterations: Meta-training steps of each member of the ensemble.
        support_size: How many labelled trials of a task an episode is built around: contexts hold
            1 to ``2 * support_size`` points (log-uniform), their queries ``2 * support_size``.
        selection_threshold: Candidates whose expected improvement (in a recommendation: predicted
            score, in units of the task's spread) is within this share of the best count as equal;
            of these the one with the least predicted seconds is taken.
        ablation: Parts switched off.
    """

    meta_lr: float = 1e-3
    meta_iterations: int = 1000
    support_size: int = 32
    selection_threshold: float = 0.01
    ablation: Ablation = field(default_factory=Ablation)

    @property
    def of_training(self) -> tuple[object, ...]:
        """What of these numbers steers the training."""
        numbers = (self.meta_lr, self.meta_iterations, self.support_size)
        return (*numbers, self.ablation.training, self.ablation.descriptors)

    def __post_init__(self) -> None:
        checks = (
            ("meta_lr", 0 < self.meta_lr < 1, "between 0 and 1"),
            ("meta_iterations", self.meta_iterations >= 1, "of at least 1"),
            ("support_size", self.support_size >= 2, "of at least 2"),
            ("selection_threshold", 0 <= self.selection_threshold < 1, "in [0, 1)"),
        )
        problems = [
            f"expected {name} {wanted}, got {getattr(self, name)!r}"
            for name, fine, wanted in checks
            if not fine
        ]
        if problems:
            raise ConfigError(problems)
