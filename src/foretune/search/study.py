"""Which study does a search belong to, and what does it take over from runs that died?"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from foretune.core import HistoryError, Status, TaskInfo
from foretune.history.attrs import CENSORED, FAILURE, SECONDS, STATUS
from foretune.search.decided import decided
from foretune.search.lease import is_lost, is_new, is_running, last_sign_of_life
from foretune.search.pauses import is_paused, stretches
from foretune.search.turns import InTurnSampler
from foretune.space import Space

logger = logging.getLogger(__name__)

RETRIED_FROM = "retried_from"  # trial attribute: the number of the trial that this one repeats
DROPPED = "dropped"  # trial attribute: another trial is the same, or fills the budget
ABANDONED = "its process ended without a word"
ISOLATED = "isolated"  # trial attribute: it ran in a worker, which cannot end its search
MAX_RETRIES = 2  # a configuration that ended its process this often is recorded as failed (taste)
MAX_ISOLATED = 9  # if it was in a worker: what ended the search was likely something else (taste)
ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


@dataclass(frozen=True)
class Progress:
    """How far a study is.

    Attributes:
        n_done: Trials that count: completed, pruned and failed ones, not those that were cut short.
        n_running: Trials that are running, in this process or in other live ones.
        n_paused: Trials that are put aside.
        n_unsigned: Those of them of which it is not known yet whose they are.
        seconds: Seconds in which any trial ran, suggestion included; of trials that ran at one
            time, once.
        best: The best trial's score (higher is better), if there is one.
        best_number: Its number.
    """

    n_done: int
    n_running: int
    n_paused: int
    n_unsigned: int
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
        sampler=InTurnSampler(sampler, space),
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
    take_over(study, space)
    return study


def take_over(study: Study, space: Space, mine: Collection[int] = ()) -> None:
    """End the trials whose process is gone, and queue again what was cut short.

    Args:
        study: The study.
        space: Decides whether what was left is a complete point.
        mine: Numbers of the trials that this process is running.
    """
    _end_orphans(study, mine)
    _queue_again(study, space)


def progress(study: Study, mine: Collection[int] = ()) -> Progress:
    """How far ``study`` is, from what is stored alone.

    Args:
        study: The study.
        mine: Numbers of the trials that this process is running; they count as running.
    """
    trials = study.get_trials(deepcopy=False)
    running = [t for t in trials if is_running(t, mine)]
    aside = [t for t in trials if t.number not in mine and is_paused(t)]
    ended = [t for t in trials if t.state in ENDED]
    told = (*ended, *aside)
    scored = [(score, -t.number) for t in told if (score := _own_score(study, t)) is not None]
    best = max(scored, default=None)
    return Progress(
        n_done=len(counted(ended)),
        n_running=len(running),
        n_paused=len(aside),
        n_unsigned=sum(is_new(t) for t in running),
        seconds=_covered(span for t in (*told, *running) for span in _spans(t)),
        best=best[0] if best else None,
        best_number=-best[1] if best else None,
    )


def counted(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """The trials that use up ``n_trials``: ended ones that were not cut short."""
    return [t for t in trials if t.state in ENDED and not cut_short(t)]


def failed(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """Those that failed."""
    return [t for t in trials if t.state == TrialState.FAIL]


def score_of(study: Study, trial: FrozenTrial) -> float | None:
    """The best score (higher is better) that ``trial`` reached; None: it has none.

    A pruned or paused one counts by its best epoch: one stopped at the budget's end may be best.
    """
    sign = sign_of(study)
    if trial.state == TrialState.COMPLETE and trial.value is not None:
        return sign * trial.value
    if trial.state == TrialState.PRUNED or is_paused(trial):
        scores = [sign * v for v in trial.intermediate_values.values() if math.isfinite(v)]
        return max(scores, default=None)
    return None


def sign_of(study: Study) -> float:
    """What turns a value of the study into a score, and back."""
    return 1.0 if study.direction == StudyDirection.MAXIMIZE else -1.0


def cut_short(trial: FrozenTrial) -> bool:
    """Whether ``trial`` came to nothing by no fault of its own: it neither counts nor teaches."""
    return bool(trial.user_attrs.get(STATUS) == Status.INTERRUPTED)


def place(study: Study, number: int) -> int:
    """How many trials before ``number`` were not cut short, nor lost as they began.

    What is seeded by it comes out in an interrupted search as it would have without interruption.
    """
    trials = study.get_trials(deepcopy=False)
    return sum(t.number < number and not cut_short(t) and not is_lost(t) for t in trials)


def _own_score(study: Study, trial: FrozenTrial) -> float | None:
    """The score of a trial whose model there is; one that was killed for its time left none."""
    return None if trial.user_attrs.get(CENSORED) else score_of(study, trial)


def _abandoned(trial: FrozenTrial) -> bool:
    return str(trial.user_attrs.get(FAILURE, "")).startswith(ABANDONED)


def _spans(trial: FrozenTrial) -> list[tuple[float, float]]:
    """From when to when a trial ran, until now if it runs, in seconds of the clock."""
    if trial.datetime_start is None:
        return []
    began = trial.datetime_start.timestamp()
    if _abandoned(trial):  # not the hours that it lay dead
        return stretches(trial, began, began + float(trial.user_attrs.get(SECONDS, 0.0)))
    ended = trial.datetime_complete
    return stretches(trial, began, time.time() if ended is None else ended.timestamp())


def _covered(spans: Iterable[tuple[float, float]]) -> float:
    """Seconds that lie in any of the spans.

    >>> _covered([(0.0, 2.0), (1.0, 3.0), (5.0, 6.0)])
    4.0
    """
    seconds, reached = 0.0, -math.inf
    for began, ended in sorted(spans):
        seconds += max(ended - max(began, reached), 0.0)
        reached = max(reached, ended)
    return seconds


def _end_orphans(study: Study, mine: Collection[int]) -> None:
    """Tell FAIL for every running trial whose process is gone."""
    storage, study_id = study._storage, study._study_id
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if is_paused(trial) or is_running(trial, mine):
            continue
        retries = _retries(study, trial)
        limit = MAX_ISOLATED if trial.user_attrs.get(ISOLATED) else MAX_RETRIES
        status = Status.INTERRUPTED if retries < limit else Status.FAILED
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
    """How many processes in a row ``trial``'s configuration has ended before.

    Ctrl-C does not count, and a process that got further than the one before it starts anew.
    """
    trials, n, reached = study.get_trials(deepcopy=False), 0, _reached(trial)
    while (before := trial.user_attrs.get(RETRIED_FROM)) is not None:
        trial = trials[before]
        if _reached(trial) < reached:
            break
        n, reached = n + _abandoned(trial), _reached(trial)
    return n


def _reached(trial: FrozenTrial) -> int:
    """The last epoch that a trial finished."""
    return max(trial.intermediate_values, default=0)


def _queue_again(study: Study, space: Space) -> None:
    """Queue the configuration of every trial that was cut short and has not been queued since."""
    trials = study.get_trials(deepcopy=False)
    queued = {t.user_attrs.get(RETRIED_FROM) for t in trials}
    for trial in trials:
        if not cut_short(trial) or trial.user_attrs.get(DROPPED) or trial.number in queued:
            continue
        point = decided(trial)
        if not space.problems(point):
            study.enqueue_trial(point, user_attrs={RETRIED_FROM: trial.number})
            logger.info("trial %d was cut short and is queued again", trial.number)
