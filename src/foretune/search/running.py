"""A trial that the executor has: what is known of it until it ends or is put aside."""

from __future__ import annotations

import dataclasses
import math
import time
from pathlib import Path

from optuna.study import Study
from optuna.trial import Trial

from foretune.core import EpochReport, Status, TrialResult, TrialSpec, derive_seed
from foretune.search.best_model import best_model, checkpoint_file, trial_folder
from foretune.search.fidelity import Pause
from foretune.search.lease import Lease
from foretune.search.study import sign_of
from foretune.space import Point, point_key


@dataclasses.dataclass
class Running:
    """A trial that the executor has.

    Attributes:
        trial: Optuna's.
        spec: What the executor was given.
        lease: Says that this process runs it.
        since_s: When it was handed over.
        epochs: Those that were reported.
        pause: The last answer to it, where that was to pause.
    """

    trial: Trial
    spec: TrialSpec
    lease: Lease
    since_s: float = dataclasses.field(default_factory=time.monotonic)
    epochs: list[EpochReport] = dataclasses.field(default_factory=list)
    pause: Pause | None = None

    @property
    def is_late(self) -> bool:
        """Whether the search's time is over."""
        seconds = time.monotonic() - self.since_s
        return self.spec.deadline_s is not None and seconds >= self.spec.deadline_s

    def knows(self, report: EpochReport) -> bool:
        """Whether this epoch was reported before: a trial that goes on says all of them again."""
        return any(known.epoch == report.epoch for known in self.epochs)

    def cut_short(self) -> TrialResult:
        """What came of it when the search was interrupted."""
        best = max(self.epochs, key=lambda report: report.score, default=None)
        return TrialResult(
            self.spec,
            Status.INTERRUPTED,
            None if best is None else best.score,
            metrics={} if best is None else best.metrics,
            epochs=tuple(self.epochs),
            reason="interrupted",
        )


def heard(study: Study, number: int) -> list[EpochReport]:
    """The epochs that the study holds of a trial, without their metrics."""
    sign = sign_of(study)
    curve = sorted(study.get_trials(deepcopy=False)[number].intermediate_values.items())
    return [EpochReport(epoch, sign * value, {}, 0.0) for epoch, value in curve]


def spec_of(
    number: int,
    params: Point,
    *,
    seed: int,
    folder: Path,
    best: float | None,
    keeps_model: bool,
    deadline_s: float | None,
) -> TrialSpec:
    """What to train for a trial.

    Args:
        number: The trial's.
        params: Its point.
        seed: The search's; the same configuration gets the same seed in every trial.
        folder: The study's own.
        best: The best score so far; None: there is none.
        keeps_model: Whether its model is kept if it is the best.
        deadline_s: Seconds that the search has left; None: no limit.
    """
    own = derive_seed(seed, "trial", point_key(params))
    on_disk = best_model(folder) is not None
    return TrialSpec(
        number=number,
        params=params,
        seed=own,
        save_to=trial_folder(folder, number) if keeps_model else None,
        save_above=best if best is not None and on_disk else -math.inf,
        deadline_s=deadline_s,
        checkpoint=checkpoint_file(folder, own),
    )
