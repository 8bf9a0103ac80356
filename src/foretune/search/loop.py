"""How does a search run: ask for a point, train it, tell the study, until the budget is spent?"""

from __future__ import annotations

import dataclasses
import logging
import math
import time
from collections.abc import Sequence

import optuna
from optuna.study import Study
from optuna.trial import Trial, TrialState

from foretune.core import (
    EpochReport,
    ForetuneError,
    Objective,
    Observer,
    Resources,
    SearchPlan,
    SearchSummary,
    Status,
    TrialResult,
    TrialSpec,
    derive_seed,
)
from foretune.history.attrs import FAILURE, SECONDS, STATUS, trial_attributes
from foretune.search.best_model import best_model, discard, keep, trial_folder
from foretune.search.distributions import suggest
from foretune.search.lease import Lease
from foretune.search.study import RETRIED_FROM, counted, progress, score_of, sign_of
from foretune.search.why import why
from foretune.space import Point, Space, point_key

logger = logging.getLogger(__name__)

DUPLICATE_OF = "duplicate_of"  # trial attribute: whose value was told instead of training again
N_HOPELESS = 5  # so many failures at the start, and nothing else, end a search
STATES = {
    Status.COMPLETED: TrialState.COMPLETE,
    Status.PRUNED: TrialState.PRUNED,
    Status.FAILED: TrialState.FAIL,
    Status.INTERRUPTED: TrialState.FAIL,
}


class SearchError(ForetuneError):
    """Every trial failed; says why they did."""


def run_search(
    study: Study,
    *,
    space: Space,
    objective: Objective,
    plan: SearchPlan,
    observers: Sequence[Observer] = (),
    seed: int = 0,
) -> SearchSummary:
    """Run trials until ``plan.budget`` is spent, counting what earlier runs of the study spent.

    A trial that fails is told and the search goes on, unless the first five of a run all fail and
    the study has no score yet. Ctrl-C ends the search as the budget would: the running trial is
    told FAIL as interrupted (`open_study` queues it again), and the summary says so. A point that
    the study has completed before is not trained again; its value is told (``duplicate_of``).
    The same configuration gets the same seed in every trial.

    Args:
        study: From `open_study`, with its sampler and pruner.
        space: What the study searches.
        objective: Trains. Wrap it in an executor (`foretune.execute`): what it raises besides
            KeyboardInterrupt ends the search, once the trial is told FAIL.
        plan: From `plan_search`: the budget, and the folder for the best model.
        observers: Told of everything but `search_ended`, which is for the caller, once the best
            model is tested.
        seed: Seeds the trials (the sampler has its own).

    Returns:
        What the study holds now, over all its runs; ``test`` and ``artifacts`` are the caller's.

    Raises:
        SearchError: Every trial failed.
    """
    return _Search(study, space, objective, plan, tuple(observers), seed).run()


@dataclasses.dataclass
class _Search:
    study: Study
    space: Space
    objective: Objective
    plan: SearchPlan
    observers: tuple[Observer, ...]
    seed: int
    failures: list[str] = dataclasses.field(default_factory=list)
    started: float = 0.0

    def run(self) -> SearchSummary:
        """Trials until the budget is spent, Ctrl-C, or nothing but failures."""
        for observer in self.observers:
            observer.search_started(self.plan)
        interrupted = False
        try:
            while not self._spent():
                self._next_trial()
                self._stop_if_hopeless()
        except KeyboardInterrupt:
            logger.warning("interrupted; the same command goes on from here")
            interrupted = True
        return self._summary(interrupted=interrupted)

    def _spent(self) -> bool:
        so_far = progress(self.study)
        return self.plan.budget.spent(so_far.n_done + so_far.n_running, so_far.seconds)

    def _next_trial(self) -> None:
        so_far = progress(self.study)
        trial = self.study.ask()
        self.started = time.monotonic()
        try:
            with Lease(trial):
                params = suggest(trial, self.space)
                spec = self._spec(trial.number, params, so_far.best, so_far.seconds)
                for observer in self.observers:
                    observer.trial_started(spec, self._why(trial))
                result = self._known(trial, spec) or self._train(trial, spec)
                _describe(trial, result)
        except optuna.exceptions.UpdateFinishedTrialError:
            logger.warning("trial %d was taken over by another process", trial.number)
            return
        except BaseException:
            self._give_up(trial)
            raise
        best = so_far.best if so_far.best is not None else -math.inf
        is_best = (
            result.status in (Status.COMPLETED, Status.PRUNED)
            and result.score is not None
            and result.score > best
        )
        result = self._keep_model(result, is_best=is_best)
        self._tell(trial, result)
        for observer in self.observers:
            observer.trial_ended(result, is_best)
        if result.status is Status.INTERRUPTED:
            raise KeyboardInterrupt

    def _spec(self, number: int, params: Point, best: float | None, seconds: float) -> TrialSpec:
        limit = self.plan.budget.budget_s
        on_disk = best_model(self.plan.folder) is not None
        return TrialSpec(
            number=number,
            params=params,
            seed=derive_seed(self.seed, "trial", point_key(params)),
            save_to=trial_folder(self.plan.folder, number),
            save_above=best if best is not None and on_disk else -math.inf,
            deadline_s=None if limit is None else max(limit - seconds - self._elapsed(), 0.0),
        )

    def _elapsed(self) -> float:
        return time.monotonic() - self.started

    def _why(self, trial: Trial) -> str:
        frozen = self.study.get_trials(deepcopy=False)[trial.number]
        return why(frozen, space=self.space, description=self.plan.search)

    def _known(self, trial: Trial, spec: TrialSpec) -> TrialResult | None:
        """The result of the completed trial that ``spec`` repeats, if it repeats one."""
        key = point_key(spec.params)
        for other in self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
            if RETRIED_FROM not in trial.user_attrs and point_key(other.params) == key:
                trial.set_user_attr(DUPLICATE_OF, other.number)
                return TrialResult(
                    spec=spec,
                    status=Status.COMPLETED,
                    score=score_of(self.study, other),
                    resources=Resources(seconds=other.user_attrs.get(SECONDS, 0.0)),
                    reason=f"same configuration as trial {other.number}",
                )
        return None

    def _train(self, trial: Trial, spec: TrialSpec) -> TrialResult:
        sign = sign_of(self.study)

        def on_epoch(report: EpochReport) -> bool:
            if math.isfinite(report.score):
                trial.report(sign * report.score, report.epoch)
            for observer in self.observers:
                observer.epoch_ended(spec, report)
            late = spec.deadline_s is not None and self._elapsed() >= spec.deadline_s
            return late or trial.should_prune()

        try:
            result = self.objective(spec, on_epoch)
        except KeyboardInterrupt:
            return TrialResult(spec, Status.INTERRUPTED, None, reason="interrupted")
        finite = result.score is not None and math.isfinite(result.score)
        if result.status is Status.COMPLETED and not finite:
            reason = f"expected a finite score, got {result.score}"
            return dataclasses.replace(result, status=Status.FAILED, score=None, reason=reason)
        return result

    def _keep_model(self, result: TrialResult, *, is_best: bool) -> TrialResult:
        """Move the trial's model to its place if it is the best one, and clear up behind it."""
        folder, saved = self.plan.folder, result.model_dir
        scored = result.status in (Status.COMPLETED, Status.PRUNED)
        if saved is not None and scored and (is_best or best_model(folder) is None):
            try:
                saved = keep(saved, folder)
            except OSError as error:
                logger.warning("the model of trial %d is not kept: %s", result.spec.number, error)
                saved = None
        else:
            saved = None
        discard(folder, result.spec.number)
        return dataclasses.replace(result, model_dir=saved)

    def _tell(self, trial: Trial, result: TrialResult) -> None:
        value, state = None, STATES[result.status]
        if state == TrialState.COMPLETE and result.score is not None:
            value = sign_of(self.study) * result.score
        self.study.tell(trial, value, state, skip_if_finished=True)
        if result.status is Status.FAILED:
            self.failures.append(result.reason)
        logger.info("trial %d %s: %s", trial.number, result.status, result.reason or result.score)

    def _give_up(self, trial: Trial) -> None:
        """Tell that ``trial`` was cut short by something outside the objective."""
        attributes = {STATUS: str(Status.INTERRUPTED), FAILURE: "interrupted"}
        for key, value in attributes.items():
            trial.set_user_attr(key, value)
        self.study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)

    def _stop_if_hopeless(self) -> None:
        if len(self.failures) >= N_HOPELESS and progress(self.study).best is None:
            raise SearchError(_all_failed(self.failures))

    def _summary(self, *, interrupted: bool) -> SearchSummary:
        trials = counted(self.study.get_trials(deepcopy=False))
        failed = [t for t in trials if t.state == TrialState.FAIL]
        end = progress(self.study)
        if end.best_number is None and failed and not interrupted:
            raise SearchError(_all_failed([t.user_attrs.get(FAILURE, "") for t in failed]))
        best = {} if end.best_number is None else self.study.trials[end.best_number].params
        return SearchSummary(
            n_trials=len(trials),
            n_failed=len(failed),
            seconds=end.seconds,
            interrupted=interrupted,
            best_number=end.best_number,
            best_score=end.best,
            best_params=best,
            model_dir=best_model(self.plan.folder),
        )


def _describe(trial: Trial, result: TrialResult) -> None:
    """Write down what a later learner needs."""
    for key, value in trial_attributes(result).items():
        trial.set_user_attr(key, value)


def _all_failed(reasons: Sequence[str]) -> str:
    """One message that names every different reason once, the frequent ones first."""
    counts = {reason: list(reasons).count(reason) for reason in dict.fromkeys(reasons)}
    lines = [f"{n} x {reason}" for reason, n in sorted(counts.items(), key=lambda c: -c[1])]
    return (
        f"all of the first {len(reasons)} trials failed, so the search stops: {'; '.join(lines)}. "
        "Mend the cause and run the same command again"
    )
