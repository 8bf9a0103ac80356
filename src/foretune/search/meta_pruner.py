"""When is a trial not worth finishing? What past and present learning curves say."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, cast

from optuna.pruners import BasePruner
from optuna.study import Study
from optuna.trial import FrozenTrial

from foretune.history.attrs import STOPPED
from foretune.meta.curve_model import CurveModel
from foretune.search.meta_limits import Limits
from foretune.search.meta_outlook import CurveReader, Outlook
from foretune.search.meta_threads import one_thread
from foretune.search.pauses import STOP_KEY


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
        self._limits = Limits(stop_below, patience)
        self._curves = CurveReader(
            history, seed=seed, max_steps=max_steps, meta_iterations=meta_iterations,
            cache_dir=cache_dir, include_same_data=include_same_data,
        )  # fmt: skip
        self._lock = threading.RLock()

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Whether to stop ``trial`` after its latest report; the reasons stay with the trial."""
        with self._lock, one_thread():
            return self._prune(study, trial)

    def model(self, study: Study) -> CurveModel | None:
        """What was learnt from the history for ``study``; None where there is nothing to learn."""
        with self._lock, one_thread():
            return self._curves.model(study)

    def _prune(self, study: Study, trial: FrozenTrial) -> bool:
        trials = study.get_trials(deepcopy=False)
        outlook = self._curves.outlook(study, trial, trials)
        if outlook is None:
            return False
        done = self._curves.completed(study)
        if not self._limits.let_go(outlook, trial.number, trials, done):
            return False
        _explain(study, trial, outlook)
        return True


def _explain(study: Study, trial: FrozenTrial, outlook: Outlook) -> None:
    """Keep why with the trial: numbers for programs, a sentence for people."""
    storage, trial_id = study._storage, trial._trial_id
    storage.set_trial_system_attr(trial_id, STOP_KEY, cast(Any, outlook.numbers))
    storage.set_trial_user_attr(trial_id, STOPPED, f"stopped at {outlook.text}")
