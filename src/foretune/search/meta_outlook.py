"""What will an unfinished trial come to? By its curve, its study's other curves, and past ones."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from foretune.core import ConfigError
from foretune.history.attrs import METRIC_RANGE
from foretune.meta.cache import cache_folder
from foretune.meta.curve_model import CurveModel
from foretune.meta.curves import Curve, CurveSet, sound
from foretune.meta.own_curves import Prediction, by_own_curves, most_telling
from foretune.search.meta_history import recorded
from foretune.search.meta_prune_budget import Budgets
from foretune.search.meta_values import bounds
from foretune.search.study import sign_of

_log = logging.getLogger(__name__)

_IGNORED = 3.0  # errors so much larger than predicted: the history's curves are no help here
_JUMP = 0.5  # of the unit, from one report to the next: wait for another report
_EARLIEST = math.log(0.1)  # of its budget; before, own curves alone do not judge a trial
_STUDIES_KEPT = 64


@dataclass(frozen=True)
class Outlook:
    """What a trial will come to, seen from its latest report.

    Attributes:
        prediction: In the study's better direction: higher is better.
        step: The latest report's.
        last: The step at which the trial's budget ends.
        share: The part of its budget that is spent.
        incumbent: Number of the best completed trial.
        best: What that trial told.
        n_completed: Completed trials that it is judged by.
        sign: -1 where a lower value is better.
    """

    prediction: Prediction
    step: int
    last: int
    share: float
    incumbent: int
    best: float
    n_completed: int
    sign: float

    @property
    def numbers(self) -> dict[str, object]:
        """The same for programs, in the study's own direction."""
        p = self.prediction
        return {
            "step": self.step, "of": self.last, "chance": p.chance, "score": self.sign * p.score,
            "interval": sorted((self.sign * p.low, self.sign * p.high)),
            "incumbent": self.incumbent, "by": p.by,
        }  # fmt: skip

    @property
    def text(self) -> str:
        """The same for people."""
        p = self.prediction
        low, high = sorted((self.sign * p.low, self.sign * p.high))
        whose = "past" if p.by == "history" else "own"
        return (
            f"{self.step} of {self.last}: {p.chance:.1%} to beat trial {self.incumbent} "
            f"({self.best:.4g}); {self.sign * p.score:.4g} expected by {whose} curves, 80 % between"
            f" {low:.4g} and {high:.4g}"
        )


@dataclass
class _Known:
    """What is kept of a study between two reports."""

    model: CurveModel | None
    numbers: tuple[int, ...] = ()
    context: CurveSet | None = None
    X: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    incumbent: int = -1
    best: float = float("nan")
    doubt: float = 1.0
    bounds: tuple[float, float] = (-math.inf, math.inf)
    budgets: Budgets = field(default_factory=Budgets)
    said: set[str] = field(default_factory=set)
    outlooks: dict[tuple[object, ...], Outlook | None] = field(default_factory=dict)


class CurveReader:
    """Predicts unfinished trials of any study; learns from a history once a study.

    Args:
        history: As `foretune.MetaSampler` takes it.
        seed: Of the predictor's training.
        max_steps: The last step of a trial's budget; None: found out (`Budgets`).
        meta_iterations: Steps of the predictor's training.
        cache_dir: Where the trained predictor is kept; None: the user's cache.
        include_same_data: Also learn from studies of the same data.

    Raises:
        ConfigError: A number is out of its range.
    """

    def __init__(
        self,
        history: Any,
        *,
        seed: int,
        max_steps: int | None,
        meta_iterations: int,
        cache_dir: str | Path | None,
        include_same_data: bool,
    ) -> None:
        checks = (
            (
                meta_iterations >= 1,
                f"expected meta_iterations of at least 1, got {meta_iterations!r}",
            ),
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
        self._max_steps = max_steps
        self._iterations = meta_iterations
        self._cache_dir = cache_folder(cache_dir)
        self._include_same_data = include_same_data
        self._known: dict[str, _Known] = {}

    def model(self, study: Study) -> CurveModel | None:
        """What was learnt from the history for ``study``; None where there is nothing to learn."""
        return self._of(study).model

    def outlook(
        self, study: Study, trial: FrozenTrial, trials: Sequence[FrozenTrial]
    ) -> Outlook | None:
        """What ``trial`` will come to; None where nothing can be said, or none should be judged.

        Args:
            study: Its study.
            trial: An unfinished trial.
            trials: All trials of the study.
        """
        if not trial.intermediate_values:
            return None
        known = self._of(study)
        self._look(study, known, trials)
        key = trial.number, tuple(trial.intermediate_values.items())
        if key not in known.outlooks:  # a paused trial is looked at again and again
            known.outlooks[key] = self._outlook(study, known, trial)
        return known.outlooks[key]

    def _outlook(self, study: Study, known: _Known, trial: FrozenTrial) -> Outlook | None:
        context = known.context
        if context is None:
            return None
        latest = max(trial.intermediate_values)
        last = known.budgets.last_step(trial.params, self._max_steps)
        if latest >= last:
            if latest > last:
                self._say(known, study, f"a trial is longer than expected ({latest} > {last})")
            return None
        if not sound(trial.intermediate_values[latest]):
            self._say(known, study, "a reported value is no finite number: not judged by")
            return None
        sign, zero = sign_of(study), known.budgets.zero
        curve = Curve.of(trial.intermediate_values, last=last, sign=sign, zero=zero)
        if curve is None:
            return None
        if _jumps(curve, context.unit):
            self._say(known, study, "a value left its curve's course: another report is awaited")
            return None
        prediction = self._predict(known, context, trial, curve)
        if prediction is None:
            return None
        return Outlook(
            prediction=prediction.within(*known.bounds), step=latest, last=last,
            share=(latest + zero) / (last + zero),
            incumbent=known.incumbent, best=known.best, n_completed=len(context.final), sign=sign,
        )  # fmt: skip

    def completed(self, study: Study) -> tuple[int, ...]:
        """Numbers of the completed trials at the last look."""
        return self._of(study).numbers

    def _predict(
        self, known: _Known, context: CurveSet, trial: FrozenTrial, curve: Curve
    ) -> Prediction | None:
        if known.model is None or known.doubt >= _IGNORED:
            return by_own_curves(context, curve) if curve.x[-1] >= _EARLIEST else None
        codec = known.model.codec
        query = codec.encode(codec.to_raw([trial.params]))[0]
        return known.model.predict(context, known.X, curve, query, doubt=known.doubt)

    def _look(self, study: Study, known: _Known, trials: Sequence[FrozenTrial]) -> None:
        """Take in what was completed since the last report."""
        done = [t for t in trials if t.state == TrialState.COMPLETE]
        numbers = tuple(t.number for t in done)
        if numbers == known.numbers:
            return
        known.numbers, known.context, known.incumbent = numbers, None, -1
        known.outlooks.clear()
        sign = sign_of(study)
        low, high = sorted(sign * bound for bound in bounds(study.user_attrs.get(METRIC_RANGE)))
        known.bounds = low, high
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
        known.best = sign * float(context.final.max())
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
        records = recorded(self._history, fingerprint=same, name=study.study_name)
        model = CurveModel.fit(
            records, iterations=self._iterations, seed=self._seed, cache_dir=self._cache_dir
        )
        if model is None:
            _log.info("The history holds no curves to learn from: the study's own will decide.")
            return None
        if model.transfer.none:
            _log.warning(
                "The curves of the history's %d studies say nothing of each other's ends (rank"
                " correlation %.2f, at most %.2f): the study's own will decide.", model.n_studies,
                model.transfer.correlation, model.transfer.upper,
            )  # fmt: skip
            return None
        how = "from cache" if model.from_cache else "trained"
        _log.info("Curves of %d past studies; predictor %s.", model.n_studies, how)
        return model

    def _say(self, known: _Known, study: Study, text: str) -> None:
        """One line a study and cause."""
        if text not in known.said:
            known.said.add(text)
            _log.warning("Study %s: %s.", study.study_name, text)


def _jumps(curve: Curve, unit: float) -> bool:
    """Whether the latest value alone left its curve's course."""
    value = curve.value
    return len(value) > 3 and abs(value[-1] - value[-2]) > _JUMP * unit
