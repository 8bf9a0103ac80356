"""Which trials are worth their seconds? Those that no other beats in no more time."""

from __future__ import annotations

import numpy as np
from optuna.study import Study
from optuna.trial import TrialState

from foretune.core import FrontTrial
from foretune.history.attrs import SECONDS
from foretune.search.study import sign_of


def undominated(score: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """Rows, the fastest first, of which no other is better at no more seconds.

    >>> undominated(np.array([0.9, 0.7, 0.8, 0.7]), np.array([9.0, 1.0, 9.5, 2.0]))
    array([1, 0])
    """
    rows, best = [], -np.inf
    for i in np.lexsort((-score, seconds)):
        if score[i] > best:
            rows.append(int(i))
            best = float(score[i])
    return np.array(rows, int)


def pareto_front(study: Study) -> tuple[FrontTrial, ...]:
    """The completed trials of a study that no other beats in no more seconds, the fastest first.

    A trial without seconds above 0 is on no front.
    """
    done = [
        t
        for t in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if t.value is not None and _timed(t.user_attrs.get(SECONDS))
    ]
    score = sign_of(study) * np.array([t.value for t in done], float)
    seconds = np.array([t.user_attrs[SECONDS] for t in done], float)
    return tuple(
        FrontTrial(done[i].number, float(score[i]), float(seconds[i]), done[i].params)
        for i in undominated(score, seconds)
    )


def _timed(seconds: object) -> bool:
    return isinstance(seconds, int | float) and bool(np.isfinite(seconds)) and seconds > 0
