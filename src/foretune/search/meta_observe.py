"""What does the new study know so far? Its trials as arrays, its space as far as it is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from foretune.history.attrs import ONCE
from foretune.meta.codec import Codec
from foretune.search.decided import decided
from foretune.search.meta_stopped import outlook, shares
from foretune.search.pauses import is_paused, pauses_of, stretches
from foretune.search.study import RETRIED_FROM, cut_short

PLAN_KEY = "foretune:plan"
WHY_KEY = "foretune:why"
_NO_TIME = 1e-3  # seconds: a trial that took less was added, not run


@dataclass(frozen=True)
class StudyView:
    """The trials of a study at one moment, without the one being suggested.

    Without those that were cut short, too: they are queued again.

    Attributes:
        trials: Every other trial that has parameters or a plan.
        sign: 1 to maximise, -1 to minimise.
        reasons: Why trials were suggested, by their number.
    """

    trials: tuple[FrozenTrial, ...]
    sign: float
    reasons: Mapping[int, Mapping[str, Any]]

    @classmethod
    def of(cls, trials: Sequence[FrozenTrial], direction: StudyDirection, number: int) -> StudyView:
        """Look at a study from trial ``number``."""
        others = tuple(
            t for t in trials if t.number != number and configuration(t) and not cut_short(t)
        )
        sign = 1.0 if direction == StudyDirection.MAXIMIZE else -1.0
        return cls(others, sign, _all_reasons(trials))

    @cached_property
    def distributions(self) -> dict[str, BaseDistribution]:
        """The latest distribution of every parameter that a trial has suggested."""
        found: dict[str, BaseDistribution] = {}
        for trial in self.trials:
            found.update(trial.distributions)
        return found

    @cached_property
    def _outlook(self) -> tuple[np.ndarray, np.ndarray]:
        return outlook(self.trials, self.sign)

    @property
    def scores(self) -> np.ndarray:
        """(n,) score of each trial, higher is better; NaN where it has none (yet).

        That of a stopped trial is what it was expected to come to.
        """
        return self._outlook[0]

    @property
    def doubt(self) -> np.ndarray:
        """(n,) standard deviation of each score, 0 where it was measured."""
        return self._outlook[1]

    @cached_property
    def running(self) -> np.ndarray:
        """(n,) whether each trial is running (or waiting with its parameters set)."""
        return np.array([not t.state.is_finished() and not is_paused(t) for t in self.trials], bool)

    @cached_property
    def failed(self) -> np.ndarray:
        """(n,) whether each trial failed, or told a value that is no number."""
        return ~self.running & np.isnan(self.scores)

    def since(self, verdict: str, number: int) -> int:
        """The first trial of the unbroken run of trials up to ``number`` with this verdict."""
        for why in self._reasons(number):
            if "verdict" in why:
                return int(why.get("since", number)) if why["verdict"] == verdict else number
        return number

    def votes(self, number: int, n: int) -> list[float]:
        """The guard's votes of the last ``n`` trials before ``number`` that it judged.

        Only those on the way in which the history is read now.
        """
        turned = self.turned(number)
        votes = [
            float(why["vote"])
            for why in self._reasons(number)
            if "vote" in why and bool(why.get("turned")) == turned
        ]
        return votes[:n]

    def turned(self, number: int) -> bool:
        """Whether the history was read with its scores' signs turned, when last it was asked."""
        latest = next(self._reasons(number), None)
        return latest is not None and bool(latest.get("turned"))

    def _reasons(self, number: int) -> Iterator[Mapping[str, Any]]:
        """Why the trials before ``number`` were suggested, the latest first."""
        for trial in sorted(self.trials, key=lambda t: -t.number):
            if trial.number < number and trial.number in self.reasons:
                yield self.reasons[trial.number]

    @cached_property
    def started(self) -> np.ndarray:
        """(n,) whether each trial was one of a search without (or after) its history's start."""
        reasons = [self.reasons.get(t.number, {}) for t in self.trials]
        return np.array([why.get("expert") == "start" for why in reasons], bool)

    @cached_property
    def log_seconds(self) -> np.ndarray:
        """(n,) log seconds of each whole trial, NaN unknown; of one cut short by its share.

        What made things that later trials find ready (attribute ``once_s``) does not count.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            once = np.array([_once(t) for t in self.trials], float)
            seconds = (self._seconds - once) / shares(self.trials)
            return np.log(np.where(seconds > 0, seconds, np.nan))

    @cached_property
    def _seconds(self) -> np.ndarray:
        return np.array([_seconds(t) for t in self.trials], float)

    @property
    def spent_s(self) -> float:
        """Seconds that the trials have taken so far."""
        return float(self._seconds[np.isfinite(self._seconds) & (self._seconds > 0)].sum())

    @property
    def untimed(self) -> np.ndarray:
        """Numbers of the trials that came to an end in no sound number of seconds."""
        ended = np.array([t.state.is_finished() for t in self.trials], bool)
        wrong = ended & ~(np.isfinite(self._seconds) & (self._seconds > 0))
        return np.array([t.number for t in self.trials], int)[wrong]

    def raw(self, codec: Codec) -> np.ndarray:
        """(n, p) the trials' configurations; a running trial's plan fills what it lacks."""
        return codec.to_raw([configuration(t) for t in self.trials])


def _all_reasons(trials: Sequence[FrozenTrial]) -> dict[int, Mapping[str, Any]]:
    """Why each trial was suggested; one that repeats a trial that was cut short: as that one."""
    found: dict[int, Mapping[str, Any]] = {}
    for trial in trials:
        why = trial.system_attrs.get(WHY_KEY)
        if not isinstance(why, Mapping):
            why = found.get(trial.user_attrs.get(RETRIED_FROM, -1))
        if why is not None:
            found[trial.number] = why
    return found


def asked_all(trial: FrozenTrial) -> bool:
    """Whether a trial has asked for every parameter that it has: it ran, to its end or not."""
    return trial.state in (TrialState.COMPLETE, TrialState.PRUNED) or is_paused(trial)


def configuration(trial: FrozenTrial) -> dict[str, object]:
    """A trial's parameters; where it did not come to ask for all, also what was planned for it."""
    if asked_all(trial):
        return trial.params
    plan = trial.system_attrs.get(PLAN_KEY)
    return {**(plan if isinstance(plan, Mapping) else {}), **decided(trial)}


def _once(trial: FrozenTrial) -> float:
    """Seconds that made things which later trials find ready; 0 where the trial does not say."""
    once = _number(trial.user_attrs.get(ONCE))
    return once if once > 0 else 0.0


def _number(told: object) -> float:
    """A user attribute that should be a number; NaN where it is none."""
    number = isinstance(told, int | float) and not isinstance(told, bool)
    return float(told) if number else float("nan")  # type: ignore[arg-type]


def _seconds(trial: FrozenTrial) -> float:
    """What the trial says, else what the clock says; NaN where neither does."""
    told = trial.user_attrs.get("seconds")
    if told is not None:
        return _number(told)
    seconds = float("nan") if trial.duration is None else trial.duration.total_seconds()
    if pauses_of(trial) and trial.datetime_start is not None:  # not the time put aside
        began, end = trial.datetime_start.timestamp(), trial.datetime_complete
        if end is not None or is_paused(trial):
            ended = began if end is None else end.timestamp()
            seconds = sum(b - a for a, b in stretches(trial, began, ended))
    return seconds if seconds >= _NO_TIME else float("nan")
