"""Which configuration gets the next epochs: the one that runs, a paused one, or a new one?

The choice itself (`promise`, `FreezeThaw.choose`) knows neither executors nor checkpoints.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial

from foretune.search.fidelity import Next, Pause
from foretune.search.meta_limits import Limits
from foretune.search.meta_outlook import CurveReader, Outlook
from foretune.search.meta_threads import one_thread

_LOOK = 1.0  # a loser shows itself once it was trained as long again
_FIRST_LOOK = 0.1  # of its budget, if it was not trained at all
_HOLD = 4.0  # how much more another one must promise: putting aside and taking up take time
_NEW = 2.0  # winners that are believed to have been seen before the first trial, of as many
_WORTHWHILE = 0.1  # the least chance to go on with where nothing new may be begun


@dataclass(frozen=True)
class Offer:
    """A configuration that could get the next epochs.

    Attributes:
        number: Its trial's; None: a new one.
        chance: That it ends above the incumbent.
        share: The part of its own budget that it has had.
        text: How far it is, and why its chance is what it is; empty: a new one.
        of: The last step of its budget; None: it is not known.
        expected: What it is expected to come to, for programs.
    """

    number: int | None
    chance: float
    share: float
    text: str = ""
    of: int | None = None
    expected: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def from_outlook(cls, number: int, seen: Outlook) -> Offer:
        """What an unfinished trial promises, by what is predicted of it."""
        return cls(number, seen.prediction.chance, seen.share, seen.text, seen.last, seen.numbers)


def promise(chance: float, share: float) -> float:
    """Chance to win by the budget that it is expected to cost, in shares of a trial.

    A winner is trained to its end, a loser until it shows itself.

    >>> promise(0.5, 0.75) > promise(0.5, 0.25) > promise(0.2, 0.25)
    True
    """
    rest = 1.0 - share
    look = min(rest, max(_FIRST_LOOK, _LOOK * share))
    return chance / max(chance * rest + (1.0 - chance) * look, 1e-9)


def chance_of_new(n_begun: int) -> float:
    """That one more configuration beats all ``n_begun`` earlier ones.

    Of n configurations that are as good as each other the last is the best with chance 1/n; a
    sampler that learns does better.

    >>> chance_of_new(2)
    0.5
    """
    return _NEW / (_NEW + n_begun)


class FreezeThaw:
    """Gives each next epoch to the configuration that promises the most for what it will cost.

    A running trial goes on until another one, paused or new, promises clearly more. Chances are
    `foretune.MetaPruner`'s: from partial curves, configurations and the curves of a history; where
    no trial is completed yet, the first one runs to its end.

    Args:
        history: As `foretune.MetaSampler` takes it.
        seed: Of the predictor's training. Decisions themselves draw nothing.
        max_steps: The last step of a trial's budget; None: found out, as MetaPruner does.
        meta_iterations: Steps of the predictor's training.
        cache_dir: Where the trained predictor is kept; None: the user's cache.
        include_same_data: Also learn from studies of the same data.

    Raises:
        ConfigError: A number is out of its range.
    """

    def __init__(
        self,
        history: Any = None,
        *,
        seed: int = 0,
        max_steps: int | None = None,
        meta_iterations: int = 1200,
        cache_dir: str | Path | None = None,
        include_same_data: bool = False,
    ) -> None:
        self._limits = Limits()
        self._curves = CurveReader(
            history, seed=seed, max_steps=max_steps, meta_iterations=meta_iterations,
            cache_dir=cache_dir, include_same_data=include_same_data,
        )  # fmt: skip
        self._lock = threading.RLock()

    def choose(
        self, study: Study, paused: Sequence[FrozenTrial], *, may_begin: bool
    ) -> Next | None:
        """Which paused trial to go on with, or a new one; None: none is worth it."""
        with self._lock, one_thread():
            best = self._best(study, paused, may_begin=may_begin)
        if best is None or (not may_begin and best.chance < _WORTHWHILE):
            return None
        return Next(best.number, "" if best.number is None else f"resumed at {best.text}")

    def pause(
        self, study: Study, number: int, paused: Sequence[FrozenTrial], *, may_begin: bool
    ) -> Pause | None:
        """Whether another one promises clearly more than the running trial ``number``."""
        with self._lock, one_thread():
            trials = study.get_trials(deepcopy=False)
            seen = self._curves.outlook(study, trials[number], trials)
            if seen is None or not self._limits.let_go(
                seen, number, trials, self._curves.completed(study)
            ):
                return None
            own = Offer.from_outlook(number, seen)
            best = self._best(study, paused, may_begin=may_begin)
        if best is None:
            return Pause(own.of, f"paused at {own.text}", own.expected)
        if promise(best.chance, best.share) <= _HOLD * promise(own.chance, own.share):
            return None
        whose = "a new one" if best.number is None else f"trial {best.number}"
        return Pause(own.of, f"paused at {own.text}; {whose} promises more", own.expected)

    def offer(self, study: Study, trial: FrozenTrial) -> Offer | None:
        """What an unfinished trial promises; None where nothing can be said of it."""
        with self._lock, one_thread():
            return self._offer(study, trial, study.get_trials(deepcopy=False))

    def _offer(
        self, study: Study, trial: FrozenTrial, trials: Sequence[FrozenTrial]
    ) -> Offer | None:
        seen = self._curves.outlook(study, trial, trials)
        return None if seen is None else Offer.from_outlook(trial.number, seen)

    def _best(
        self, study: Study, paused: Sequence[FrozenTrial], *, may_begin: bool
    ) -> Offer | None:
        """What promises the most of all that does not run."""
        trials = study.get_trials(deepcopy=False)
        new = chance_of_new(sum(bool(t.intermediate_values) for t in trials))
        offers = [Offer(None, new, 0.0)] if may_begin else []
        for trial in paused:
            known = self._offer(study, trial, trials)
            unknown = Offer(
                trial.number, new, 0.0, "an unknown chance"
            )  # nothing speaks against it
            offers.append(known or unknown)
        return max(offers, key=lambda o: promise(o.chance, o.share), default=None)
