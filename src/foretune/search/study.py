"""Which study does a search belong to, and what does it take over from runs that died?"""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from foretune.core import HistoryError, Status, TaskInfo
from foretune.history.attrs import FAILURE, SECONDS, STATUS
from foretune.search.lease import holder_lives, last_sign_of_life
from foretune.space import Space

logger = logging.getLogger(__name__)

RETRIED_FROM = "retried_from"  # trial attribute: the number of the trial that this one repeats
ABANDONED = "its process ended without a word"
MAX_RETRIES = 2  # a configuration that ended its process this often is recorded as failed (taste)
ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


@dataclass(frozen=True)
class Progress:
    """How far a study is.

    Attributes:
        n_done: Trials that count: completed, pruned and failed ones, not those that were cut short.
        n_running: Trials that other live processes are running.
        seconds: Seconds that ended trials took, suggestion included.
        best: The best trial's score (higher is better), if there is one.
        best_number: Its number.
    """

    n_done: int
    n_running: int
    seconds: float
    best: float | None
    best_number: int | None


def study_name(task: TaskInfo, method: str, identity: Mapping[str, object]) -> str:
    """A readable name that is the same whenever ``identity`` is.

    Args:
        task: The task; its fingerprint is part of the identity.
        method: The search method.
        identity: What else makes it another study: the space's fingerprint, the models, settings of
            the trainer and of the search, the seed.
    """
    content = {"fingerprint": task.fingerprint, "task": task.name, "method": method, **identity}
    text = json.dumps(content, sort_keys=True, default=str)
    digest = hashlib.blake2b(text.encode(), digest_size=5).hexdigest()
    return f"{task.name.replace('/', '-')}-{method}-{digest}"


def open_study(
    storage: BaseStorage,
    *,
    name: str,
    higher_is_better: bool,
    attributes: Mapping[str, object],
    sampler: BaseSampler,
    pruner: BasePruner,
    space: Space,
) -> Study:
    """Create the study, or take up the one of that name with what its last run left undone.

    Trials that a dead process left running are told FAIL, and they and those cut short by Ctrl-C
    are queued again with their parameters (`RETRIED_FROM`), so that the study ends with exactly as
    many trials as asked for. A trial whose process lives (`lease`) is left alone.

    Args:
        storage: Where the study is kept.
        name: From `study_name`.
        higher_is_better: The direction of the task's metric, and so of the study.
        attributes: Study attributes for later learners (`history.attrs.study_attributes`).
        sampler: Suggests.
        pruner: Stops.
        space: Decides whether what was left is a complete point.

    Raises:
        HistoryError: A study of that name has another direction or several objectives.
    """
    direction = StudyDirection.MAXIMIZE if higher_is_better else StudyDirection.MINIMIZE
    study = optuna.create_study(
        storage=storage,
        study_name=name,
        direction=direction,
        sampler=sampler,
        pruner=pruner,
        load_if_exists=True,
    )
    if study.directions != [direction]:  # load_if_exists passes over it in silence
        raise HistoryError(
            f"study {name!r}: expected the direction {direction.name.lower()}, the storage holds "
            f"{[d.name.lower() for d in study.directions]}; rename or delete that study"
        )
    stored = study.user_attrs
    for key, value in attributes.items():
        if key not in stored or stored[key] != value:
            study.set_user_attr(key, value)
    _end_orphans(study, storage)
    _queue_again(study, space)
    return study


def progress(study: Study) -> Progress:
    """How far ``study`` is, from what is stored alone."""
    trials = study.get_trials(deepcopy=False)
    scored = [(score, -t.number) for t in trials if (score := score_of(study, t)) is not None]
    best = max(scored, default=None)
    return Progress(
        n_done=len(counted(trials)),
        n_running=sum(t.state == TrialState.RUNNING and holder_lives(t.user_attrs) for t in trials),
        seconds=sum(_seconds(t) for t in trials if t.state in ENDED),
        best=best[0] if best else None,
        best_number=-best[1] if best else None,
    )


def counted(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """The trials that use up ``n_trials``: ended ones that were not cut short."""
    return [t for t in trials if t.state in ENDED and not _cut_short(t)]


def score_of(study: Study, trial: FrozenTrial) -> float | None:
    """The best score (higher is better) that ``trial`` reached; None: it has none.

    A pruned trial counts by its best epoch: one stopped at the end of the budget may be the best.
    """
    sign = sign_of(study)
    if trial.state == TrialState.COMPLETE and trial.value is not None:
        return sign * trial.value
    if trial.state == TrialState.PRUNED:
        scores = [sign * v for v in trial.intermediate_values.values() if math.isfinite(v)]
        return max(scores, default=None)
    return None


def sign_of(study: Study) -> float:
    """What turns a value of the study into a score, and back."""
    return 1.0 if study.direction == StudyDirection.MAXIMIZE else -1.0


def _cut_short(trial: FrozenTrial) -> bool:
    return bool(trial.user_attrs.get(STATUS) == Status.INTERRUPTED)


def _abandoned(trial: FrozenTrial) -> bool:
    return str(trial.user_attrs.get(FAILURE, "")).startswith(ABANDONED)


def _seconds(trial: FrozenTrial) -> float:
    if _abandoned(trial):
        return float(trial.user_attrs.get(SECONDS, 0.0))  # not the hours that it lay dead
    if trial.datetime_start is None or trial.datetime_complete is None:
        return 0.0
    return (trial.datetime_complete - trial.datetime_start).total_seconds()


def _end_orphans(study: Study, storage: BaseStorage) -> None:
    """Tell FAIL for every running trial whose process is gone."""
    study_id = storage.get_study_id_from_name(study.study_name)
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if holder_lives(trial.user_attrs):
            continue
        retries = _retries(study, trial)
        status = Status.INTERRUPTED if retries < MAX_RETRIES else Status.FAILED
        attributes = {
            STATUS: str(status),
            FAILURE: ABANDONED + (f", {retries + 1} times in a row" if retries else ""),
            SECONDS: last_sign_of_life(trial),
        }
        trial_id = storage.get_trial_id_from_study_id_trial_number(study_id, trial.number)
        try:
            for key, value in attributes.items():
                storage.set_trial_user_attr(trial_id, key, value)
            study.tell(trial.number, state=TrialState.FAIL)
        except (optuna.exceptions.UpdateFinishedTrialError, ValueError):
            continue  # another process was faster
        logger.info("trial %d was left running by a process that is gone", trial.number)


def _retries(study: Study, trial: FrozenTrial) -> int:
    """How many processes the configuration of ``trial`` has ended before; Ctrl-C does not count."""
    trials, n = study.get_trials(deepcopy=False), 0
    while (before := trial.user_attrs.get(RETRIED_FROM)) is not None:
        trial = trials[before]
        n += _abandoned(trial)
    return n


def _queue_again(study: Study, space: Space) -> None:
    """Queue the configuration of every trial that was cut short and has not been queued since."""
    trials = study.get_trials(deepcopy=False)
    queued = {t.user_attrs.get(RETRIED_FROM) for t in trials}
    for trial in trials:
        if _cut_short(trial) and trial.number not in queued and not space.problems(trial.params):
            study.enqueue_trial(trial.params, user_attrs={RETRIED_FROM: trial.number})
            logger.info("trial %d was cut short and is queued again", trial.number)
