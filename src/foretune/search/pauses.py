"""Which trials were put aside, when and why? Kept with each trial, so that any process goes on.

A paused trial is RUNNING for Optuna, and nobody's: no process has to live for it. Whoever works on
its study may take it up, which signs it (`lease`).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any, cast

import optuna
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from foretune.core import Status
from foretune.history.attrs import PAUSES, STATUS, STOPPED
from foretune.search.fidelity import Pause

STOP_KEY = "foretune:stop"
NEVER_RESUMED = "not resumed before the search ended"


def pauses_of(trial: FrozenTrial) -> list[Mapping[str, Any]]:
    """A trial's pauses in order; the last lacks ``resumed`` while it lasts."""
    pauses = trial.user_attrs.get(PAUSES)
    if not isinstance(pauses, Sequence) or isinstance(pauses, str):
        return []
    return [pause for pause in pauses if isinstance(pause, Mapping)]


def is_paused(trial: FrozenTrial) -> bool:
    """Whether a trial is put aside now.

    >>> is_paused(optuna.trial.create_trial(state=TrialState.RUNNING, user_attrs={"pauses": [{}]}))
    True
    """
    pauses = pauses_of(trial) if trial.state == TrialState.RUNNING else []
    return bool(pauses) and "resumed" not in pauses[-1]


def paused(study: Study, mine: Collection[int] = ()) -> list[FrozenTrial]:
    """The trials that are put aside now, but for those that this process is running."""
    trials = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    return [trial for trial in trials if trial.number not in mine and is_paused(trial)]


def put_aside(study: Study, number: int, *, epoch: int, pause: Pause) -> None:
    """Write down that a running trial was paused after ``epoch``.

    Raises:
        optuna.exceptions.UpdateFinishedTrialError: Another process has ended it.
    """
    last = {"epoch": epoch, "of": pause.of, "why": pause.why, "at": time.time()}
    study._storage.set_trial_system_attr(_id(study, number), STOP_KEY, cast(Any, pause.expected))
    _write(study, number, [*pauses_of(_stored(study, number)), last])


def take_up(study: Study, number: int, why: str) -> Trial | None:
    """The paused trial as one that this process runs, signed by it; None: others were faster."""
    stored = _stored(study, number)
    if not is_paused(stored):
        return None
    try:
        trial = Trial(study, _id(study, number))  # tells the sampler, which signs it (`lease`)
        *before, last = pauses_of(stored)
        _write(study, number, [*before, {**last, "resumed": time.time(), "because": why}])
    except optuna.exceptions.UpdateFinishedTrialError:
        return None
    return trial


def end_paused(study: Study) -> list[FrozenTrial]:
    """Tell PRUNED for every trial that is still put aside; a value is never made up for it.

    Returns:
        These trials, as they were.
    """
    ended = []
    for trial in paused(study):
        last = pauses_of(trial)[-1]
        text = f"{last.get('why', 'paused')}; {NEVER_RESUMED}"
        with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError, ValueError):
            for key, value in {STATUS: str(Status.PRUNED), STOPPED: text}.items():
                study._storage.set_trial_user_attr(_id(study, trial.number), key, value)
            study.tell(trial.number, state=TrialState.PRUNED)
            ended.append(trial)
    return ended


def stretches(trial: FrozenTrial, began: float, ended: float) -> list[tuple[float, float]]:
    """From when to when a trial ran, pauses left out.

    Args:
        trial: A trial.
        began: Seconds of the clock at its start.
        ended: At its end, or now.
    """
    out = []
    for pause in pauses_of(trial):
        out.append((began, float(pause.get("at", began))))
        if "resumed" not in pause:
            return out
        began = float(pause["resumed"])
    return [*out, (began, ended)]


def _stored(study: Study, number: int) -> FrozenTrial:
    return study.get_trials(deepcopy=False)[number]


def _id(study: Study, number: int) -> int:
    return study._storage.get_trial_id_from_study_id_trial_number(study._study_id, number)


def _write(study: Study, number: int, pauses: list[Mapping[str, Any]]) -> None:
    study._storage.set_trial_user_attr(_id(study, number), PAUSES, [dict(p) for p in pauses])
