"""When is a trial not worth finishing? What past and present learning curves say."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
from optuna.pruners import BasePruner
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from foretune.core import ConfigError
from foretune.history.attrs import STOPPED
from foretune.meta.cache import cache_folder
from foretune.meta.curve_model import CurveModel, Prediction, by_own_curves, most_telling
from foretune.meta.curves import Curve, CurveSet, sound
from foretune.search.meta_history import recorded
from foretune.search.meta_prune_budget import Budgets
from foretune.search.meta_threads import one_thread

_log = logging.getLogger(__name__)

STOP_KEY = "foretune:stop"
_IGNORED = 3.0  # errors so much larger than predicted: the history's curves are no help here
_HOPELESS = 0.002  # so small a chance is taken whatever was stopped before
_CAREFUL_UNTIL = 4  # completed trials; with fewer, the two limits are as many quarters of theirs
_JUMP = 0.5  # of the unit, from one report to the next: wait for another report
_STUDIES_KEPT = 64


@dataclass
class _Known:
    """What is kept of a study between two reports."""

    model: CurveModel | None
    numbers: tuple[int, ...] = ()
    context: CurveSet | None = None
    X: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    incumbent: int = -1
    doubt: float = 1.0
    budgets: Budgets = field(default_factory=Budgets)
    said: set[str] = field(default_factory=set)


class MetaPruner(BasePruner):
    """Stops a trial whose chance to beat the best one is small, by what past curves came to.

    After each report it predicts the trial's final score from its curve so far, its configuration,
    the best completed trial's curve and the other completed ones. The predictor is trained on the
    curves of a history in episodes that look like a running search. On a study whose completed
    curves contradict it, and without a history, the study's own completed curves decide once there
    are four. It never stops a trial before one is completed. Goes with any sampler.

    Args:
        history: As `foretune.MetaSampler` takes it: a storage URL, an Optuna storage, an exported
            parquet file, a list of these, or what `foretune.read_history` made of them.
        seed: Of the predictor's training. Decisions themselves draw nothing.
        stop_below: A trial is stopped when its chance to beat the best one is smaller.
            Less while fewer than four are completed: the first ones decide the most.
        patience: The sum of the chances of the trials that were stopped since one was last
            completed stays below this: of many trials that are each unlikely to win, one is let
            through in the end.
        max_steps: The last step of a trial's budget. None: a parameter that the completed trials'
            last steps follow (such as ``epochs``), else the longest completed trial's.
        meta_iterations: Steps of the predictor's training.
        cache_dir: Where the trained predictor is kept for the next process; None: the user's cache.
        include_same_data: Also learn from studies of the same data (user attribute
            ``fingerprint``).

    Raises:
        ConfigError: A number is out of its range.
    """

    def __init__(
        self,
        history: Any = None,
        *,
        seed: int = 0,
        stop_below: float = 0.1,
        patience: float = 0.6,
        max_steps: int | None = None,
        meta_iterations: int = 1200,
        cache_dir: str | Path | None = None,
        include_same_data: bool = False,
    ) -> None:
        checks = (
            (0 < stop_below < 1, f"expected stop_below between 0 and 1, got {stop_below!r}"),
            (
                meta_iterations >= 1,
                f"expected meta_iterations of at least 1, got {meta_iterations!r}",
            ),
            (patience > 0, f"expected patience above 0, got {patience!r}"),
            (
                max_steps is None or max_steps >= 1,
                f"expected max_steps of at least 1, got {max_steps!r}",
            ),
        )
        problems = [text for fine, text in checks if not fine]
        if problems:
            raise ConfigError(problems)
        self._history = history
        self._seed = seed
        self._stop_below = stop_below
        self._patience = patience
        self._max_steps = max_steps
        self._iterations = meta_iterations
        self._cache_dir = cache_folder(cache_dir)
        self._include_same_data = include_same_data
        self._known: dict[str, _Known] = {}
        self._lock = threading.RLock()

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Whether to stop ``trial`` after its latest report; the reasons stay with the trial."""
        with self._lock, one_thread():
            return self._prune(study, trial)

    def model(self, study: Study) -> CurveModel | None:
        """What was learnt from the history for ``study``; None where there is nothing to learn."""
        with self._lock, one_thread():
            return self._of(study).model

    def _prune(self, study: Study, trial: FrozenTrial) -> bool:
        if not trial.intermediate_values:
            return False
        known = self._of(study)
        trials = study.get_trials(deepcopy=False)
        self._look(study, known, trials)
        context = known.context
        if context is None:
            return False
        latest = max(trial.intermediate_values)
        last = known.budgets.last_step(trial.params, self._max_steps)
        if latest >= last:
            if latest > last:
                self._say(known, study, f"a trial is longer than expected ({latest} > {last})")
            return False
        if not sound(trial.intermediate_values[latest]):
            self._say(known, study, "a reported value is no finite number: not judged by")
            return False
        curve = Curve.of(
            trial.intermediate_values, last=last, sign=_sign(study), zero=known.budgets.zero
        )
        if curve is None:
            return False
        if _jumps(curve, context.unit):
            self._say(known, study, "a value left its curve's course: another report is awaited")
            return False
        prediction = self._predict(known, context, trial, curve)
        if prediction is None:
            return False
        chance, care = prediction.chance, min(1.0, len(context.final) / _CAREFUL_UNTIL)
        if not chance < care * self._stop_below:  # nor where it is no number
            return False
        owed = _chances_since(trials, known.numbers)
        if chance >= _HOPELESS and owed + chance > care * self._patience:
            return False
        self._explain(study, trial, prediction, known=known, latest=latest, last=last)
        return True

    def _predict(
        self, known: _Known, context: CurveSet, trial: FrozenTrial, curve: Curve
    ) -> Prediction | None:
        if known.model is None or known.doubt >= _IGNORED:
            return by_own_curves(context, curve)
        codec = known.model.codec
        query = codec.encode(codec.to_raw([trial.params]))[0]
        return known.model.predict(context, known.X, curve, query, doubt=known.doubt)

    def _look(self, study: Study, known: _Known, trials: list[FrozenTrial]) -> None:
        """Take in what was completed since the last report."""
        done = [t for t in trials if t.state == TrialState.COMPLETE]
        numbers = tuple(t.number for t in done)
        if numbers == known.numbers:
            return
        known.numbers, known.context, known.incumbent = numbers, None, -1
        sign = _sign(study)
        fine = [
            t
            for t in done
            if t.value is not None
            and sound(t.value)
            and any(map(sound, t.intermediate_values.values()))
        ]
        known.budgets = Budgets.of(fine)
        if not fine:
            return
        final = sign * np.array([cast(float, t.value) for t in fine])
        rows = most_telling(final)
        curves = []
        for i in rows:
            reports = fine[i].intermediate_values
            curve = Curve.of(reports, last=max(reports), sign=sign, zero=known.budgets.zero)
            assert curve is not None  # it has a finite report
            curves.append(curve)
        context = CurveSet.of(curves, final[rows])
        if context is None:
            self._say(known, study, "what trials tell is not where their reports end: none stopped")
            return
        if context.unit <= 0:
            return
        known.context = context
        known.incumbent = fine[rows[int(np.argmax(context.final))]].number
        if known.model is not None:
            codec = known.model.codec
            known.X = codec.encode(codec.to_raw([fine[i].params for i in rows]))
            known.doubt = known.model.doubt(context, known.X)
            if known.doubt >= _IGNORED:
                self._say(known, study, "the history's curves are unlike this study's: ignored")

    def _of(self, study: Study) -> _Known:
        name = study.study_name
        if name not in self._known:
            self._known[name] = _Known(self._learn(study))
            while len(self._known) > _STUDIES_KEPT:
                del self._known[next(iter(self._known))]
        return self._known[name]

    def _learn(self, study: Study) -> CurveModel | None:
        if self._history is None:
            return None
        same = None if self._include_same_data else study.user_attrs.get("fingerprint")
        records = recorded(
            self._history, fingerprint=None if same is None else str(same), name=study.study_name
        )
        model = CurveModel.fit(
            records, iterations=self._iterations, seed=self._seed, cache_dir=self._cache_dir
        )
        if model is None:
            _log.info("The history holds no curves to learn from: the study's own will decide.")
        else:
            how = "from cache" if model.from_cache else "trained"
            _log.info("Curves of %d past studies; predictor %s.", model.n_studies, how)
        return model

    def _say(self, known: _Known, study: Study, text: str) -> None:
        """One line a study and cause."""
        if text not in known.said:
            known.said.add(text)
            _log.warning("Study %s: %s.", study.study_name, text)

    def _explain(
        self,
        study: Study,
        trial: FrozenTrial,
        prediction: Prediction,
        *,
        known: _Known,
        latest: int,
        last: int,
    ) -> None:
        """Keep why with the trial: numbers for programs, a sentence for people."""
        sign = _sign(study)
        low, high = sorted((sign * prediction.low, sign * prediction.high))
        score = sign * prediction.score
        best = study.get_trials(deepcopy=False)[known.incumbent].value
        numbers = {
            "step": latest, "of": last, "chance": prediction.chance, "score": score,
            "interval": [low, high], "incumbent": known.incumbent, "by": prediction.by,
        }  # fmt: skip
        whose = "past" if prediction.by == "history" else "own"
        text = (
            f"stopped at {latest} of {last}: {prediction.chance:.1%} to beat trial "
            f"{known.incumbent} ({best:.4g}); {score:.4g} expected by {whose} curves, 80 % between "
            f"{low:.4g} and {high:.4g}"
        )
        storage = study._storage
        storage.set_trial_system_attr(trial._trial_id, STOP_KEY, cast(Any, numbers))
        storage.set_trial_user_attr(trial._trial_id, STOPPED, text)


def _sign(study: Study) -> float:
    return 1.0 if study.direction == StudyDirection.MAXIMIZE else -1.0


def _jumps(curve: Curve, unit: float) -> bool:
    """Whether the latest value alone left its curve's course."""
    value = curve.value
    return len(value) > 3 and abs(value[-1] - value[-2]) > _JUMP * unit


def _chances_since(trials: list[FrozenTrial], done: tuple[int, ...]) -> float:
    """Sum of the chances that trials were stopped with since one was last completed."""
    after = max(done, default=-1)
    reasons = (t.system_attrs.get(STOP_KEY) for t in trials if t.number > after)
    return sum(float(why["chance"]) for why in reasons if isinstance(why, Mapping))
