"""What would a stopped trial have come to? A score with its uncertainty, never a measurement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from foretune.meta.curves import Curve, CurveSet, sound
from foretune.meta.own_curves import by_own_curves, most_telling
from foretune.search.meta_prune_budget import Budgets
from foretune.search.pauses import STOP_KEY, is_paused

_IN_INTERVAL = 2.0 * 1.2815515594600038  # standard deviations between the 10 and 90 % quantiles


def outlook(trials: Sequence[FrozenTrial], sign: float) -> tuple[np.ndarray, np.ndarray]:
    """Scores of trials, and how uncertain each is.

    A stopped or paused trial's is what was predicted after its last report and kept with the trial
    (as `foretune.MetaPruner` and freeze-thaw do), else what the study's own completed curves say of
    it; while these are too few, its last value, at most the completed trials' median, as uncertain
    as the completed trials differ. One that was taken up again counts as it was predicted.

    Args:
        trials: Trials in any state.
        sign: 1 to maximise, -1 to minimise.

    Returns:
        Scores (n,), higher is better, NaN where a trial has none (yet); and their standard
        deviations (n,), 0 where the score was measured.
    """
    score, sd = np.full(len(trials), np.nan), np.zeros(len(trials))
    for i, trial in enumerate(trials):
        if trial.state == TrialState.COMPLETE and trial.value is not None:
            score[i] = sign * trial.value if np.isfinite(trial.value) else np.nan
    measured = score[~np.isnan(score)]
    untold = []
    for i, trial in enumerate(trials):
        cut = _cut(trial)
        if cut or not trial.state.is_finished():
            told = _told(trial, sign, fresh=cut)
            if told is not None:
                score[i], sd[i] = told
            elif cut:
                untold.append(i)
    if not untold:
        return score, sd
    budgets, context = _own_curves(trials, sign)
    for i in untold:
        reports = {k: v for k, v in trials[i].intermediate_values.items() if sound(v)}
        if not reports:
            continue
        found = None
        if context is not None:
            last = max(budgets.last_step(trials[i].params, None), *reports)
            curve = Curve.of(reports, last=last, sign=sign, zero=budgets.zero)
            found = None if curve is None else by_own_curves(context, curve)
        if found is not None:
            score[i], sd[i] = found.score, (found.high - found.low) / _IN_INTERVAL
        else:
            value = sign * reports[max(reports)]
            score[i] = min(value, float(np.median(measured))) if len(measured) else value
            sd[i] = float(np.std(measured)) if len(measured) else 0.0
    return score, sd


def shares(trials: Sequence[FrozenTrial]) -> np.ndarray:
    """(n,) how much of its own budget each trial used: 1 of a completed one, NaN unknown."""
    share = np.full(len(trials), np.nan)
    budgets = Budgets.of([t for t in trials if t.state == TrialState.COMPLETE and _reported(t)])
    for i, trial in enumerate(trials):
        if trial.state == TrialState.COMPLETE:
            share[i] = 1.0
        elif _cut(trial) and trial.intermediate_values and budgets.longest:
            last = budgets.last_step(trial.params, None) + budgets.zero
            share[i] = min(1.0, (max(trial.intermediate_values) + budgets.zero) / max(1, last))
    return share


def _reported(trial: FrozenTrial) -> bool:
    return any(map(sound, trial.intermediate_values.values()))


def _cut(trial: FrozenTrial) -> bool:
    """Whether a trial was stopped, or is put aside, before its end."""
    return trial.state == TrialState.PRUNED or is_paused(trial)


def _told(trial: FrozenTrial, sign: float, *, fresh: bool) -> tuple[float, float] | None:
    """What the pruner predicted, if it left a sound prediction.

    Args:
        trial: A trial.
        sign: -1 where a lower value is better.
        fresh: Only if the trial has reported nothing since.
    """
    kept = trial.system_attrs.get(STOP_KEY)
    if not isinstance(kept, Mapping):
        return None
    step = kept.get("step")
    if fresh and isinstance(step, int) and step < max(trial.intermediate_values, default=step):
        return None
    numbers = [kept.get("score"), *(kept.get("interval") or ())]
    if len(numbers) != 3 or not all(isinstance(v, int | float) and sound(v) for v in numbers):
        return None
    score, low, high = numbers
    return sign * score, abs(high - low) / _IN_INTERVAL


def _own_curves(trials: Sequence[FrozenTrial], sign: float) -> tuple[Budgets, CurveSet | None]:
    """How long trials run, and the completed ones' curves where these say anything."""
    done = [
        t
        for t in trials
        if t.state == TrialState.COMPLETE
        and t.value is not None
        and sound(t.value)
        and _reported(t)
    ]
    budgets = Budgets.of(done)
    if not done:
        return budgets, None
    final = sign * np.array([t.value for t in done], float)
    rows = most_telling(final)
    curves = []
    for i in rows:
        reports = done[i].intermediate_values
        curve = Curve.of(reports, last=max(reports), sign=sign, zero=budgets.zero)
        assert curve is not None  # it has a sound report
        curves.append(curve)
    context = CurveSet.of(curves, final[rows])
    return budgets, context if context is not None and context.unit > 0 else None
