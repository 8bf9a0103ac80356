"""What has a search come to when it ends?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from foretune.core import ForetuneError, Savings, SearchPlan, SearchSummary
from foretune.history.attrs import FAILURE, SECONDS
from foretune.search.best_model import best_model
from foretune.search.pauses import STOP_KEY, is_paused, pauses_of
from foretune.search.study import counted, failed, progress


class SearchError(ForetuneError):
    """Every trial failed; says why they did."""


def summarise(study: Study, plan: SearchPlan, *, interrupted: bool) -> SearchSummary:
    """What the study holds now, over all its runs.

    Raises:
        SearchError: Every trial failed.
    """
    trials = counted(study.get_trials(deepcopy=False))
    end = progress(study)
    if end.best_number is None and failed(trials) and not interrupted:
        raise SearchError(all_failed([t.user_attrs.get(FAILURE, "") for t in failed(trials)]))
    best = {} if end.best_number is None else study.trials[end.best_number].params
    return SearchSummary(
        n_trials=len(trials),
        n_failed=len(failed(trials)),
        seconds=end.seconds,
        interrupted=interrupted,
        best_number=end.best_number,
        best_score=end.best,
        best_params=best,
        model_dir=best_model(plan.folder),
        saved=savings(study.get_trials(deepcopy=False)),
    )


def savings(trials: Iterable[FrozenTrial]) -> Savings:
    """What stopping and pausing saved; what may go on yet counts as saved so far."""
    stopped = paused = resumed = epochs = 0
    seconds = 0.0
    for trial in trials:
        pauses = pauses_of(trial)
        paused += bool(pauses)
        resumed += any("resumed" in pause for pause in pauses)
        known = trial.system_attrs.get(STOP_KEY)
        if not isinstance(known, Mapping) or (pauses and "resumed" in pauses[-1]):
            continue
        if trial.state == TrialState.PRUNED or is_paused(trial):
            stopped += not pauses
            done, of = int(known.get("step") or 0), int(known.get("of") or 0)
            if of > done > 0:
                epochs += of - done
                seconds += float(trial.user_attrs.get(SECONDS) or 0.0) * (of - done) / done
    return Savings(stopped, paused, resumed, epochs, seconds)


def all_failed(reasons: Sequence[str]) -> str:
    """One message that names every different reason once, the frequent ones first."""
    counts = {reason: list(reasons).count(reason) for reason in dict.fromkeys(reasons)}
    lines = [f"{n} x {reason}" for reason, n in sorted(counts.items(), key=lambda c: -c[1])]
    return (
        f"all of the first {len(reasons)} trials failed, so the search stops: {'; '.join(lines)}. "
        "Mend the cause and run the same command again"
    )
