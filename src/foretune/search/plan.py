"""What is a search about to do, said before its first trial?"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from foretune.core import (
    Budget,
    Resources,
    SearchPlan,
    Status,
    TaskInfo,
    TrialResult,
    TrialSpec,
)
from foretune.history import HistoryRecords
from foretune.history.attrs import CENSORED, FAILURE, METRICS, SECONDS
from foretune.search.forecast import TimeStep, forecast, past_trials
from foretune.search.method import Method
from foretune.search.pace import pace
from foretune.search.study import counted, progress, score_of
from foretune.space import Space

STATUS_OF = {TrialState.COMPLETE: Status.COMPLETED, TrialState.PRUNED: Status.PRUNED}


def plan_search(
    study: Study,
    *,
    method: Method,
    task: TaskInfo,
    models: Sequence[str],
    budget: Budget,
    config: Mapping[str, object],
    notes: Sequence[str],
    folder: Path,
    space: Space,
    history: HistoryRecords | None = None,
    n_workers: int = 1,
    time_step: TimeStep | None = None,
) -> SearchPlan:
    """What `run_search` is about to do, for those who watch it.

    ``n_trials`` is cut to the number of different points that the method can suggest. How many
    trials will fit is told by ``history`` and ``time_step`` (`forecast`).
    """
    seen_s, so_far = time.time(), progress(study)
    if method.n_points is not None and method.n_points < (budget.n_trials or math.inf):
        budget = dataclasses.replace(budget, n_trials=method.n_points)
        notes = [*notes, f"the space holds {method.n_points:,} points: the search ends after them"]
    ended = {t.number: _result(study, t) for t in counted(study.get_trials(deepcopy=False))}
    foreseen = forecast(
        budget,
        n_done=so_far.n_done,
        seconds_done=so_far.seconds,
        own_s=[result.resources.seconds for result in ended.values()],
        past=past_trials(history, task.name),
        space=space,
        n_workers=n_workers,
        time_step=time_step,
        pace=pace(history, space.first_default, task=task, models=models, picks=method.picks),
    )
    plan = () if foreseen is None else (f"plan: {foreseen.text}",)
    return SearchPlan(
        study=study.study_name,
        search=method.description,
        task=task,
        models=tuple(models),
        budget=budget,
        n_done=so_far.n_done,
        seconds_done=so_far.seconds,
        best=so_far.best,
        config=config,
        notes=(*notes, *method.notes, *plan),
        folder=folder,
        ended=ended,
        seen_s=seen_s,
        forecast=foreseen,
    )


def _result(study: Study, trial: FrozenTrial) -> TrialResult:
    """What the study holds of a trial that ended."""
    attrs = trial.user_attrs
    metrics = attrs.get(METRICS)
    return TrialResult(
        spec=TrialSpec(number=trial.number, params=trial.params, seed=0),
        status=STATUS_OF.get(trial.state, Status.FAILED),
        score=score_of(study, trial),
        metrics=metrics if isinstance(metrics, Mapping) else {},
        resources=Resources(seconds=float(attrs.get(SECONDS) or 0.0)),
        reason=str(attrs.get(FAILURE, "")),
        censored=bool(attrs.get(CENSORED)),
    )
