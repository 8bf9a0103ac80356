"""Trials whose curves are known, with checkpoints: what is paused, resumed and stopped in tests.

Some configurations bloom late: they are behind the others for half of the way and end above them,
which only a history knows.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import optuna
from optuna.study import Study
from optuna.trial import FrozenTrial

from foretune.core import Answer, EpochReport, OnEpoch, Status, TrialResult, TrialSpec
from foretune.history import HistoryRecords, read_history
from foretune.search.fidelity import Next, Pause
from foretune.space import Choice, Float, Space

EPOCHS = 12
BLOOMING = Space((Float("quality", 0.0, 1.0), Choice("slow", (False, True))))


def planted_curve(
    quality: float, slow: bool, *, epochs: int = EPOCHS, floor: float = 0.2
) -> list[float]:
    """Climbs to a ceiling; a slow one is behind the others for half of the way and ends above."""
    t = np.arange(1, epochs + 1) / epochs
    pace = 2.0 if slow else 12.0
    ceiling = 0.5 + 0.3 * quality + (0.15 if slow else 0.0)
    return (floor + (ceiling - floor) * (1 - np.exp(-pace * t)) / (1 - math.exp(-pace))).tolist()


def past_curves(*, n_tasks: int = 8, n_trials: int = 40, sign: float = 1.0) -> HistoryRecords:
    """Studies of such trials, each on its own scale."""
    storage = optuna.storages.InMemoryStorage()
    space = {
        "quality": optuna.distributions.FloatDistribution(0.0, 1.0),
        "slow": optuna.distributions.CategoricalDistribution([False, True]),
    }
    for k in range(n_tasks):
        rng = np.random.default_rng(k)
        spread, floor = math.exp(0.5 * rng.normal()), 0.2 + 0.1 * rng.random()
        study = optuna.create_study(storage=storage, study_name=f"past-{k}", direction="maximize")
        trials = []
        for _ in range(n_trials):
            quality, slow = float(rng.random()), bool(rng.random() < 0.4)
            values = sign * spread * np.array(planted_curve(quality, slow, floor=floor))
            values += 0.003 * rng.normal(size=EPOCHS)
            reports = {e: float(v) for e, v in enumerate(values, 1)}
            trials.append(
                optuna.trial.create_trial(
                    params={"quality": quality, "slow": slow}, distributions=space,
                    value=reports[EPOCHS], intermediate_values=reports,
                )
            )  # fmt: skip
        study.add_trials(trials)
    return read_history(storage)


def mixed_up(records: HistoryRecords, *, what: str) -> HistoryRecords:
    """The same with the values of each step (``curves``) or the configurations dealt out anew.

    Args:
        records: From `past_curves`.
        what: ``curves``: a curve's beginning says nothing of its end; ``configurations``: it does,
            and its configuration says nothing.
    """
    rng, studies = np.random.default_rng(0), []
    for study in records.studies:
        n = len(study.values)
        if what == "configurations":
            dealt = rng.permutation(n)
            columns = tuple(replace(c, values=c.values[dealt]) for c in study.columns)
            studies.append(replace(study, columns=columns))
        else:
            V = rng.permuted(study.curves.value.reshape(n, -1), axis=0)
            curves = replace(study.curves, value=V.reshape(-1))
            studies.append(replace(study, curves=curves, values=V[:, -1].copy()))
    return replace(records, studies=tuple(studies))


@dataclass(frozen=True)
class InShifts:
    """A fidelity that pauses and resumes without end: some epochs each, some trials at a time."""

    epochs: int = 3
    n_open: int = 3

    def choose(
        self, study: Study, paused: Sequence[FrozenTrial], *, may_begin: bool
    ) -> Next | None:
        """The one that was trained the least, once there are enough of them."""
        if may_begin and len(paused) < self.n_open:
            return Next(None)
        first = min(paused, key=lambda t: (len(t.intermediate_values), t.number), default=None)
        return None if first is None else Next(first.number, "its shift")

    def pause(
        self, study: Study, number: int, paused: Sequence[FrozenTrial], *, may_begin: bool
    ) -> Pause | None:
        """At the end of the shift."""
        done = len(study.get_trials(deepcopy=False)[number].intermediate_values)
        if done % self.epochs:
            return None
        return Pause(EPOCHS, f"paused at {done} of {EPOCHS}", {"step": done, "of": EPOCHS})


@dataclass
class CurveObjective:
    """Trains a planted curve, and keeps its state as the trainer does.

    Attributes:
        epochs: Of a trial.
        trained: (trial, epoch) of every epoch that was trained, not read from a checkpoint.
        dies_after: After so many trained epochs the search ends as by Ctrl-C, once each.
        odd: Values in place of the planted ones, by trial and epoch.
    """

    epochs: int = EPOCHS
    trained: list[tuple[int, int]] = field(default_factory=list)
    dies_after: list[int] = field(default_factory=list)
    odd: dict[tuple[int, int], float] = field(default_factory=dict)

    def __call__(self, spec: TrialSpec, on_epoch: OnEpoch) -> TrialResult:
        """Go on from the checkpoint, if there is one, to the end or to a stop."""
        quality, slow = spec.params["quality"], spec.params["slow"]
        assert isinstance(quality, float)
        assert spec.checkpoint is not None
        values = planted_curve(quality, bool(slow), epochs=self.epochs)
        done = json.loads(spec.checkpoint.read_text()) if spec.checkpoint.is_file() else 0
        reports = []
        for epoch in range(1, self.epochs + 1):
            value = self.odd.get((spec.number, epoch), values[epoch - 1])
            reports.append(EpochReport(epoch, value, {"eval_loss": -value}, seconds=1.0))
            if epoch > done:
                if len(self.trained) in self.dies_after:
                    self.dies_after.remove(len(self.trained))
                    raise KeyboardInterrupt
                self.trained.append((spec.number, epoch))
            answer = Answer(on_epoch(reports[-1]))
            if epoch == self.epochs or epoch < done:
                continue
            spec.checkpoint.parent.mkdir(parents=True, exist_ok=True)
            spec.checkpoint.write_text(json.dumps(epoch))
            if answer is not Answer.GO_ON:
                status = Status.PAUSED if answer is Answer.PAUSE else Status.PRUNED
                return TrialResult(spec, status, value, epochs=tuple(reports))
        return TrialResult(spec, Status.COMPLETED, reports[-1].score, epochs=tuple(reports))
