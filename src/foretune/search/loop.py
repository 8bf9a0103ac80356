"""How does a search run: ask for a point, train it, tell the study, until the budget is spent?"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import math
import time
from collections.abc import Sequence

import optuna
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

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
from foretune.history.attrs import FAILURE, SECONDS, STATUS, STOPPED, trial_attributes
from foretune.search.best_model import best_model, discard, keep, trial_folder
from foretune.search.distributions import suggest
from foretune.search.lease import Lease
from foretune.search.study import Progress, counted, progress, score_of, sign_of
from foretune.search.why import why
from foretune.space import Point, Space, point_key

logger = logging.getLogger(__name__)

DUPLICATE_OF = "duplicate_of"  # trial attribute: whose value was told instead of training again
TAKEN_OVER = "taken over by another process"
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

    def run(self) -> SearchSummary:
        """Trials until the budget is spent, Ctrl-C, or nothing but failures."""
        for observer in self.observers:
            observer.search_started(self.plan)
        interrupted = False
        try:
            while not self._spent(so_far := progress(self.study)):
                self._next_trial(so_far)
                self._stop_if_hopeless()
        except KeyboardInterrupt:
            logger.warning("interrupted; the same command goes on from here")
            interrupted = True
        return self._summary(interrupted=interrupted)

    def _spent(self, so_far: Progress) -> bool:
        return self.plan.budget.spent(so_far.n_done + so_far.n_running, so_far.seconds)

    def _next_trial(self, so_far: Progress) -> None:
        asked = time.monotonic()
        trial = self.study.ask()
        try:
            with Lease(trial):
                params = suggest(trial, self.space)
                spec = self._spec(trial.number, params, so_far, time.monotonic() - asked)
                result = _describe(trial, self._run(trial, spec))
        except BaseException:
            self._give_up(trial)
            raise
        best = so_far.best if so_far.best is not None else -math.inf
        is_best = _scored(result) and result.score is not None and result.score > best
        result = self._keep_model(result, is_best=is_best)
        self._tell(trial, result)
        for observer in self.observers:
            observer.trial_ended(result, is_best)
        if result.status is Status.INTERRUPTED and result.reason != TAKEN_OVER:
            raise KeyboardInterrupt

    def _spec(self, number: int, params: Point, so_far: Progress, asking_s: float) -> TrialSpec:
        limit, best = self.plan.budget.budget_s, so_far.best
        on_disk = best_model(self.plan.folder) is not None
        left = None if limit is None else max(limit - so_far.seconds - asking_s, 0.0)
        return TrialSpec(
            number=number,
            params=params,
            seed=derive_seed(self.seed, "trial", point_key(params)),
            save_to=trial_folder(self.plan.folder, number),
            save_above=best if best is not None and on_disk else -math.inf,
            deadline_s=left,
        )

    def _run(self, trial: Trial, spec: TrialSpec) -> TrialResult:
        trials = self.study.get_trials(deepcopy=False)
        reason = why(trials[trial.number], space=self.space, search=self.plan.search)
        try:
            for observer in self.observers:
                observer.trial_started(spec, reason)
            return self._known(trial, spec, trials) or self._train(trial, spec)
        except KeyboardInterrupt:
            return TrialResult(spec, Status.INTERRUPTED, None, reason="interrupted")

    def _known(
        self, trial: Trial, spec: TrialSpec, others: Sequence[FrozenTrial]
    ) -> TrialResult | None:
        """The result of the completed trial that ``spec`` repeats, if it repeats one."""
        key = point_key(spec.params)
        for other in others:
            if other.state == TrialState.COMPLETE and point_key(other.params) == key:
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
        sign, started = sign_of(self.study), time.monotonic()

        def on_epoch(report: EpochReport) -> bool:
            if math.isfinite(report.score):
                trial.report(sign * report.score, report.epoch)
            for observer in self.observers:
                observer.epoch_ended(spec, report)
            seconds = time.monotonic() - started
            late = spec.deadline_s is not None and seconds >= spec.deadline_s
            return late or trial.should_prune()

        result = self.objective(spec, on_epoch)
        finite = result.score is not None and math.isfinite(result.score)
        if result.status is Status.COMPLETED and not finite:
            reason = f"expected a finite score, got {result.score}"
            return dataclasses.replace(result, status=Status.FAILED, score=None, reason=reason)
        if result.status is Status.PRUNED and (why_stopped := self._stopped(trial)):
            return dataclasses.replace(result, reason=why_stopped)
        return result

    def _stopped(self, trial: Trial) -> str:
        """What the pruner left with the trial, past the copy that the trial itself keeps."""
        stored = self.study.get_trials(deepcopy=False)[trial.number]
        return str(stored.user_attrs.get(STOPPED, ""))

    def _keep_model(self, result: TrialResult, *, is_best: bool) -> TrialResult:
        """Move the trial's model to its place if it is the best one, and clear up behind it."""
        folder, saved = self.plan.folder, result.model_dir
        if saved is not None and _scored(result) and (is_best or best_model(folder) is None):
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
        with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError):
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


def _describe(trial: Trial, result: TrialResult) -> TrialResult:
    """Write down what a later learner needs, and give the result back.

    Where this process slept past its lease, another one has ended the trial: nothing is written.
    """
    try:
        for key, value in trial_attributes(result).items():
            trial.set_user_attr(key, value)
    except optuna.exceptions.UpdateFinishedTrialError:
        logger.warning("trial %d was %s", trial.number, TAKEN_OVER)
        return TrialResult(result.spec, Status.INTERRUPTED, None, reason=TAKEN_OVER)
    return result


def _scored(result: TrialResult) -> bool:
    return result.status in (Status.COMPLETED, Status.PRUNED)


def _all_failed(reasons: Sequence[str]) -> str:
    """One message that names every different reason once, the frequent ones first."""
    counts = {reason: list(reasons).count(reason) for reason in dict.fromkeys(reasons)}
    lines = [f"{n} x {reason}" for reason, n in sorted(counts.items(), key=lambda c: -c[1])]
    return (
        f"all of the first {len(reasons)} trials failed, so the search stops: {'; '.join(lines)}. "
        "Mend the cause and run the same command again"
    )
