"""In which order do several processes suggest, so that none suggests what another one has?

Optuna numbers trials in the order in which they are asked for. Whoever has asked waits until every
earlier trial has its parameters, which never waits for a later one, and suggests then.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from foretune.search.lease import LEASE, is_running, signature
from foretune.space import Space

WAITED_S = 30.0  # for another process's suggestion, before it is passed over (taste)
LOOKED_S = 0.01  # between two looks at it, at first
LONGER = 0.25  # by this share of the time waited: many that wait long must not look all the time


class InTurnSampler(BaseSampler):
    """Suggests as ``inner`` does, when it is the trial's turn.

    Each trial is signed before that, as waiting and suggesting may take seconds: without a
    signature it counts as alive for ``UNSIGNED_S`` alone.
    """

    def __init__(self, inner: BaseSampler, space: Space) -> None:
        self.inner = inner
        self._space = space

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Sign the trial and wait for its turn."""
        study._storage.set_trial_user_attr(trial._trial_id, LEASE, signature())
        wait_for_earlier(study, trial.number, self._space)
        self.inner.before_trial(study, trial)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Ask ``inner``."""
        return self.inner.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Ask ``inner``."""
        return self.inner.sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Ask ``inner``."""
        return self.inner.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Tell ``inner``."""
        self.inner.after_trial(study, trial, state, values)

    def reseed_rng(self) -> None:
        """Tell ``inner``."""
        self.inner.reseed_rng()


def wait_for_earlier(study: Study, number: int, space: Space) -> list[FrozenTrial]:
    """The trials before ``number``, once each has its parameters or its process is gone.

    Those of this process have them: it suggests for one trial at a time.
    """
    began = time.monotonic()
    while True:
        earlier = [t for t in study.get_trials(deepcopy=False) if t.number < number]
        unsettled = any(
            t.state == TrialState.RUNNING and space.problems(t.params) and is_running(t)
            for t in earlier
        )
        waited_s = time.monotonic() - began
        if not unsettled or waited_s > WAITED_S:
            return earlier
        time.sleep(min(LOOKED_S + LONGER * waited_s, 1.0))
