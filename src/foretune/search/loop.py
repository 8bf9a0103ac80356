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
from optuna.trial import Trial
from sqlalchemy.exc import SQLAlchemyError

from foretune.core import (
    EpochReport,
    Executor,
    ForetuneError,
    HistoryError,
    Observer,
    SearchPlan,
    SearchSummary,
    Status,
    TrialResult,
    TrialSpec,
    derive_seed,
)
from foretune.history.attrs import FAILURE
from foretune.history.urls import reason
from foretune.search.best_model import best_model, checkpoint_file, tidy, trial_folder
from foretune.search.distributions import suggest
from foretune.search.lease import Lease
from foretune.search.study import (
    ISOLATED,
    Progress,
    counted,
    failed,
    progress,
    sign_of,
    take_over,
)
from foretune.search.tell import (
    TAKEN_OVER,
    all_failed,
    checked,
    describe,
    drop,
    give_up,
    keep_and_tell,
)
from foretune.search.turns import wait_for_earlier
from foretune.search.twins import known_result, surplus
from foretune.search.why import why
from foretune.space import Point, Space, point_key

logger = logging.getLogger(__name__)

WAIT_S = 0.1  # for another process's signature
N_HOPELESS = 5  # so many failures at the start, and nothing else, end a search


class SearchError(ForetuneError):
    """Every trial failed; says why they did."""


def run_search(
    study: Study,
    *,
    space: Space,
    executor: Executor,
    plan: SearchPlan,
    observers: Sequence[Observer] = (),
    seed: int = 0,
) -> SearchSummary:
    """Run trials until ``plan.budget`` is spent, counting what earlier runs of the study spent.

    A trial that fails is told and the search goes on, unless the first five of a run all fail and
    the study has no score yet. Ctrl-C ends the search as the budget would: running trials are
    told FAIL as interrupted (`open_study` queues them again), and the summary says so. A point
    that the study has completed before is not trained again; its value is told
    (``duplicate_of``). The same configuration gets the same seed in every trial. Trials that other
    processes of this study left behind when they died are taken over.

    Args:
        study: From `open_study`, with its sampler and pruner.
        space: What the study searches.
        executor: Runs trials (`foretune.execute`). What it raises ends the search, once the
            running trials are told FAIL.
        plan: From `plan_search`: the budget, and the folder for the best model.
        observers: Told of everything but `search_ended`, which is for the caller, once the best
            model is tested.
        seed: Seeds the trials (the sampler has its own).

    Returns:
        What the study holds now, over all its runs; ``test`` and ``artifacts`` are the caller's.

    Raises:
        SearchError: Every trial failed.
        HistoryError: The storage can no longer be written; what it holds is kept.
        ForetuneError: The executor cannot run trials.
    """
    try:
        return _Search(study, space, executor, plan, tuple(observers), seed).run()
    except (optuna.exceptions.StorageInternalError, SQLAlchemyError) as error:
        cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
        raise HistoryError(
            f"the study {study.study_name} {reason(cause)}; what was recorded is kept, and the"
            " same command goes on from there"
        ) from error


@dataclasses.dataclass
class _Running:
    """A trial that the executor has."""

    trial: Trial
    spec: TrialSpec
    lease: Lease
    since_s: float = dataclasses.field(default_factory=time.monotonic)
    epochs: list[EpochReport] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class _Search:
    study: Study
    space: Space
    executor: Executor
    plan: SearchPlan
    observers: tuple[Observer, ...]
    seed: int
    running: dict[int, _Running] = dataclasses.field(default_factory=dict)
    failures: list[str] = dataclasses.field(default_factory=list)

    def run(self) -> SearchSummary:
        """Trials until the budget is spent, Ctrl-C, or nothing but failures."""
        for observer in self.observers:
            observer.search_started(self.plan)
        interrupted = False
        try:
            while self._keep_busy():
                self._end(self.executor.next_result(self._on_report))
                self._stop_if_hopeless()
        except KeyboardInterrupt:
            logger.warning("interrupted; the same command goes on from here")
            interrupted = True
            self._cut_short()
        finally:
            for running in self.running.values():  # something was raised that is no trial's fault
                running.lease.release()
                with contextlib.suppress(optuna.exceptions.StorageInternalError, SQLAlchemyError):
                    give_up(self.study, running.trial)
        return self._summary(interrupted=interrupted)

    def _keep_busy(self) -> bool:
        """Start trials while there are workers and budget; whether any is running now."""
        while len(self.running) < self.executor.n_workers:
            take_over(self.study, self.space, self.running)
            so_far = progress(self.study, self.running)
            if not self.plan.budget.spent(so_far.n_done + so_far.n_running, so_far.seconds):
                self._start(so_far)
            elif self.running or not so_far.n_unsigned:
                break
            else:  # one that died at its beginning would be missing
                time.sleep(WAIT_S)
        return bool(self.running)

    def _start(self, so_far: Progress) -> None:
        """Ask for a trial and hand it to the executor, unless it need not or must not be run."""
        asked_s = time.monotonic()
        trial = self.study.ask()
        lease = Lease(trial)
        try:
            lease.take()
            params = suggest(trial, self.space)
            earlier = wait_for_earlier(self.study, trial.number, self.space)
            if (needless := surplus(trial, earlier, self.plan.budget, self.running)) is not None:
                lease.release()
                drop(self.study, trial, needless)
                return
            trial.set_user_attr(ISOLATED, self.executor.is_isolated)
            spec = self._spec(trial.number, params, so_far, time.monotonic() - asked_s)
            self.running[trial.number] = _Running(trial, spec, lease)
            text = why(
                self.study.get_trials(deepcopy=False)[trial.number],
                space=self.space,
                search=self.plan.search,
            )
            for observer in self.observers:
                observer.trial_started(spec, text)
            known = known_result(self.study, trial, spec, earlier)
            if known is None:
                self.executor.submit(spec)
                return
        except optuna.exceptions.UpdateFinishedTrialError:  # slept through: another has ended it
            lease.release()
            logger.warning("trial %d was %s", trial.number, TAKEN_OVER)
            self.running.pop(trial.number, None)
            return
        except BaseException:
            if trial.number not in self.running:
                lease.release()
                with contextlib.suppress(optuna.exceptions.StorageInternalError, SQLAlchemyError):
                    give_up(self.study, trial)
            raise
        self._end(known)

    def _spec(self, number: int, params: Point, so_far: Progress, asking_s: float) -> TrialSpec:
        limit, best = self.plan.budget.budget_s, so_far.best
        on_disk = best_model(self.plan.folder) is not None
        left = None if limit is None else max(limit - so_far.seconds - asking_s, 0.0)
        seed = derive_seed(self.seed, "trial", point_key(params))
        return TrialSpec(
            number=number,
            params=params,
            seed=seed,
            save_to=trial_folder(self.plan.folder, number) if self.plan.keeps_model else None,
            save_above=best if best is not None and on_disk else -math.inf,
            deadline_s=left,
            checkpoint=checkpoint_file(self.plan.folder, seed),
        )

    def _on_report(self, spec: TrialSpec, report: EpochReport) -> bool:
        """Pass an epoch on; whether its trial should stop. One heard before is not told again."""
        running = self.running[spec.number]
        seconds = time.monotonic() - running.since_s
        late = spec.deadline_s is not None and seconds >= spec.deadline_s
        if any(known.epoch == report.epoch for known in running.epochs):
            return late
        running.epochs.append(report)
        try:
            if math.isfinite(report.score):
                running.trial.report(sign_of(self.study) * report.score, report.epoch)
        except optuna.exceptions.UpdateFinishedTrialError:
            return True  # taken over; `describe` says so
        for observer in self.observers:
            observer.epoch_ended(spec, report)
        return late or running.trial.should_prune()

    def _end(self, result: TrialResult) -> None:
        """Write down what came of a trial, and tell the study and those who watch."""
        running = self.running[result.spec.number]
        result = describe(running.trial, checked(self.study, result))
        result, is_best = keep_and_tell(
            self.study, running.trial, result, self.plan.folder, self.running
        )
        del self.running[result.spec.number]
        running.lease.release()
        if result.status is Status.FAILED:
            self.failures.append(result.reason)
        logger.info(
            "trial %d %s: %s", result.spec.number, result.status, result.reason or result.score
        )
        for observer in self.observers:
            observer.trial_ended(result, is_best)
        if result.status is Status.INTERRUPTED and result.reason != TAKEN_OVER:
            raise KeyboardInterrupt

    def _cut_short(self) -> None:
        """Stop what runs, and say of each trial that it was interrupted."""
        self.executor.cancel()
        for running in list(self.running.values()):
            best = max(running.epochs, key=lambda report: report.score, default=None)
            result = TrialResult(
                running.spec,
                Status.INTERRUPTED,
                None if best is None else best.score,
                metrics={} if best is None else best.metrics,
                epochs=tuple(running.epochs),
                reason="interrupted",
            )
            try:
                self._end(result)
            except KeyboardInterrupt:  # its way of saying so
                continue

    def _stop_if_hopeless(self) -> None:
        if len(self.failures) < N_HOPELESS or progress(self.study).best is not None:
            return
        raise SearchError(all_failed(self.failures))

    def _summary(self, *, interrupted: bool) -> SearchSummary:
        trials = counted(self.study.get_trials(deepcopy=False))
        end = progress(self.study)
        if not end.n_running and not interrupted:
            tidy(self.plan.folder)
        if end.best_number is None and failed(trials) and not interrupted:
            reasons = [t.user_attrs.get(FAILURE, "") for t in failed(trials)]
            raise SearchError(all_failed(reasons))
        best = {} if end.best_number is None else self.study.trials[end.best_number].params
        return SearchSummary(
            n_trials=len(trials),
            n_failed=len(failed(trials)),
            seconds=end.seconds,
            interrupted=interrupted,
            best_number=end.best_number,
            best_score=end.best,
            best_params=best,
            model_dir=best_model(self.plan.folder),
        )
