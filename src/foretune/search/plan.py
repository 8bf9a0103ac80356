"""What is a search about to do, said before its first trial?"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from optuna.study import Study

from foretune.core import Budget, SearchPlan, TaskInfo
from foretune.search.method import Method
from foretune.search.study import progress


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
) -> SearchPlan:
    """What `run_search` is about to do, for those who watch it.

    ``n_trials`` is cut to the number of different points that the method can suggest.
    """
    so_far = progress(study)
    if method.n_points is not None and method.n_points < (budget.n_trials or math.inf):
        budget = dataclasses.replace(budget, n_trials=method.n_points)
        notes = [*notes, f"the space holds {method.n_points:,} points: the search ends after them"]
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
        notes=(*notes, *method.notes),
        folder=folder,
    )
