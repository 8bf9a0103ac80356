"""How does a trial end in the study: told its value, its model kept, or given up?"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import math
from collections.abc import Collection, Mapping
from pathlib import Path

import optuna
from optuna.study import Study
from optuna.trial import Trial, TrialState

from foretune.core import Resources, Status, TrialResult, TrialSpec
from foretune.history.attrs import (
    FAILURE,
    METRICS,
    SECONDS,
    STATUS,
    STOPPED,
    trial_attributes,
)
from foretune.search.best_model import best_model, discard, keep, locked
from foretune.search.fidelity import Pause
from foretune.search.pauses import end_paused, put_aside
from foretune.search.study import DROPPED, progress, score_of, sign_of

logger = logging.getLogger(__name__)

TAKEN_OVER = "taken over by another process"
STATES = {
    Status.COMPLETED: TrialState.COMPLETE,
    Status.PRUNED: TrialState.PRUNED,
    Status.FAILED: TrialState.FAIL,
    Status.INTERRUPTED: TrialState.FAIL,
}


def checked(study: Study, result: TrialResult) -> TrialResult:
    """The result, FAILED where it has no finite score to be told, with the pruner's own reason.

    What the pruner left with the trial is in the storage, past the copy that the trial keeps.
    """
    if result.status is Status.PRUNED:
        stored = study.get_trials(deepcopy=False)[result.spec.number]
        why_stopped = str(stored.user_attrs.get(STOPPED, ""))
        return dataclasses.replace(result, reason=why_stopped or result.reason)
    finite = result.score is not None and math.isfinite(result.score)
    if result.status is not Status.COMPLETED or finite:
        return result
    reason = f"expected a finite score, got {result.score}"
    return dataclasses.replace(result, status=Status.FAILED, score=None, reason=reason)


def describe(trial: Trial, result: TrialResult) -> TrialResult:
    """Write down what a later learner needs, and give the result back.

    Where this process slept past its lease, another one has ended the trial: nothing is written.
    """
    try:
        for key, value in trial_attributes(result).items():
            trial.set_user_attr(key, value)
    except optuna.exceptions.UpdateFinishedTrialError:
        logger.warning("trial %d was %s", trial.number, TAKEN_OVER)
        return TrialResult(result.spec, Status.INTERRUPTED, None, reason=TAKEN_OVER)
    return result


def keep_and_tell(
    study: Study, trial: Trial, result: TrialResult, folder: Path, mine: Collection[int]
) -> tuple[TrialResult, bool]:
    """Keep the trial's model if it is the best one, and tell the study.

    The model is moved before the study is told, both under a lock of the folder: whenever the
    process ends, and whoever else works on the study, the best trial's model is there.

    Returns:
        The result with its model's place, and whether it is the best so far.
    """
    with locked(folder):
        best = progress(study, mine).best
        scored = result.status in (Status.COMPLETED, Status.PRUNED) and not result.censored
        score = -math.inf if result.score is None or not scored else result.score
        is_best = score > (-math.inf if best is None else best)
        saved = result.model_dir
        if saved is not None and scored and (is_best or best_model(folder) is None):
            try:
                saved = keep(saved, folder)
            except OSError as error:
                logger.warning("the model of trial %d is not kept: %s", trial.number, error)
                saved = None
        else:
            saved = None
        _tell(study, trial, result)
    discard(folder, result.spec, resumes=result.status is Status.INTERRUPTED)
    return dataclasses.replace(result, model_dir=saved), is_best


def keep_paused(
    study: Study, result: TrialResult, pause: Pause, folder: Path, mine: Collection[int]
) -> None:
    """Put a trial aside: its checkpoint stays, and its model if it is the best one so far."""
    with locked(folder):
        best = progress(study, mine).best
        score = -math.inf if result.score is None else result.score
        if result.model_dir is not None and (best is None or score > best):
            try:
                keep(result.model_dir, folder)
            except OSError as error:
                logger.warning("the model of trial %d is not kept: %s", result.spec.number, error)
        epoch = max((report.epoch for report in result.epochs), default=0)
        with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError):
            put_aside(study, result.spec.number, epoch=epoch, pause=pause)
    discard(folder, result.spec, resumes=True)


def left_paused(study: Study) -> list[TrialResult]:
    """End what is still paused, and say of each what it had come to."""
    results = []
    for trial in end_paused(study):
        attrs = study.get_trials(deepcopy=False)[trial.number].user_attrs
        metrics = attrs.get(METRICS)
        results.append(
            TrialResult(
                TrialSpec(trial.number, trial.params, seed=0),
                Status.PRUNED,
                score_of(study, trial),
                metrics=metrics if isinstance(metrics, Mapping) else {},
                resources=Resources(seconds=float(attrs.get(SECONDS) or 0.0)),
                reason=str(attrs.get(STOPPED, "")),
            )
        )
    return results


def give_up(study: Study, trial: Trial) -> None:
    """Tell that ``trial`` was cut short by something outside the objective."""
    _cut_short(study, trial, "interrupted")


def drop(study: Study, trial: Trial, reason: str) -> None:
    """Tell that ``trial`` was not needed; it is not queued again."""
    logger.debug("trial %d is dropped: %s", trial.number, reason)
    with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError):
        trial.set_user_attr(DROPPED, True)
    _cut_short(study, trial, reason)


def _cut_short(study: Study, trial: Trial, reason: str) -> None:
    with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError):
        for key, value in {STATUS: str(Status.INTERRUPTED), FAILURE: reason}.items():
            trial.set_user_attr(key, value)
    study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)


def _tell(study: Study, trial: Trial, result: TrialResult) -> None:
    value, state = None, STATES[result.status]
    if state == TrialState.COMPLETE and result.score is not None:
        value = sign_of(study) * result.score
    study.tell(trial, value, state, skip_if_finished=True)
