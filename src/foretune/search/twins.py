"""How do several processes search one study without a trial too many or the same trial twice?

They suggest one after another (`turns`), so the earlier trials are known: they decide.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from foretune.core import Budget, Resources, Status, TrialResult, TrialSpec
from foretune.history.attrs import SECONDS
from foretune.search.lease import is_running
from foretune.search.pauses import is_paused
from foretune.search.study import RETRIED_FROM, counted, cut_short, score_of
from foretune.space import point_key

DUPLICATE_OF = "duplicate_of"  # trial attribute: whose value was told instead of training again
MAX_DROPPED = 8  # in a row, for being the same: the space holds nothing else (taste)


def surplus(
    trial: Trial, earlier: Sequence[FrozenTrial], budget: Budget, mine: Collection[int]
) -> str | None:
    """Why ``trial`` must not be run: others fill the budget, or one is the same; None: run it."""
    running = [t for t in earlier if is_running(t, mine) or is_paused(t)]
    if budget.n_trials is not None and len(counted(earlier)) + len(running) >= budget.n_trials:
        return "others fill the budget"
    repeats = trial.user_attrs.get(RETRIED_FROM)
    if repeats is not None:
        same = [t for t in earlier if t.user_attrs.get(RETRIED_FROM) == repeats]
        return None if not same else f"trial {same[0].number} repeats the same one"
    key = point_key(trial.params)
    same = [t for t in running if point_key(t.params) == key]
    dropped = sum(cut_short(t) and point_key(t.params) == key for t in earlier)
    return f"the same as trial {same[0].number}" if same and dropped < MAX_DROPPED else None


def known_result(
    study: Study, trial: Trial, spec: TrialSpec, others: Sequence[FrozenTrial]
) -> TrialResult | None:
    """The result of the completed trial that ``spec`` repeats, if it repeats one."""
    key = point_key(spec.params)
    for other in others:
        if other.state == TrialState.COMPLETE and point_key(other.params) == key:
            trial.set_user_attr(DUPLICATE_OF, other.number)
            return TrialResult(
                spec=spec,
                status=Status.COMPLETED,
                score=score_of(study, other),
                resources=Resources(seconds=other.user_attrs.get(SECONDS, 0.0)),
                reason=f"same configuration as trial {other.number}",
            )
    return None
