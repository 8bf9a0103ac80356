"""What has a running trial come to, and how is that put down and taken up again?"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from foretune.core import EpochReport
from foretune.train.loop import Training
from foretune.train.snapshot import Snapshot


@dataclass
class Progress:
    """A running trial so far.

    Attributes:
        epochs: The finished ones.
        examples: Training examples seen.
        training_s: Seconds spent on them.
        best: The best epoch.
        best_state: What training had changed by then, if the model is worth keeping.
        stale: Epochs since.
        stopped: Why it was stopped before its last epoch; empty: it was not.
        paused: Whether it was stopped to go on some day.
        before_s: Seconds that earlier processes spent on the trial.
        foreseen_s: Seconds that the trial would take, where it is but rehearsed.
    """

    epochs: list[EpochReport] = field(default_factory=list)
    examples: int = 0
    training_s: float = 0.0
    best: EpochReport | None = None
    best_state: dict[str, torch.Tensor] | None = None
    stale: int = 0
    stopped: str = ""
    paused: bool = False
    before_s: float = 0.0
    foreseen_s: float | None = None

    def snapshot(self, training: Training, seconds: float) -> Snapshot:
        """All of it, to go on from."""
        tensors, is_last = training.tensors(), self.best is self.epochs[-1]
        if self.best_state is not None and not is_last:
            tensors |= {f"best/{name}": value for name, value in self.best_state.items()}
        assert self.best is not None
        plain = {
            **training.plain(),
            "examples": self.examples,
            "training_s": self.training_s,
            "best": self.best.epoch,
            "has_model": self.best_state is not None,
            "stale": self.stale,
        }
        return Snapshot(tensors, plain, tuple(self.epochs), self.before_s + seconds)

    def restore(self, snapshot: Snapshot) -> None:
        """Take up what an earlier process left."""
        plain = snapshot.plain
        self.epochs, self.before_s = list(snapshot.epochs), snapshot.seconds
        self.examples, self.training_s = int(plain["examples"]), float(plain["training_s"])
        self.stale = int(plain["stale"])
        self.best = next(report for report in self.epochs if report.epoch == plain["best"])
        if plain["has_model"]:
            kept = snapshot.part("best") or snapshot.part("weights")
            self.best_state = {name: value.clone() for name, value in kept.items()}
