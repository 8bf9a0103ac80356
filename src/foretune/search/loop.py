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
from sqlalchemy.exc import SQLAlchemyError

from foretune.core import (
    Answer,
    EpochReport,
    Executor,
    HistoryError,
    Observer,
    SearchPlan,
    SearchSummary,
    Status,
    TrialResult,
    TrialSpec,
)
from foretune.core.interrupt import raise_lost_interrupt
from foretune.history.urls import reason
from foretune.search.allowance import has_time, left_s, may_begin
from foretune.search.best_model import locked, tidy
from foretune.search.distributions import suggest
from foretune.search.fidelity import Fidelity, Next, Pause, ToTheEnd
from foretune.search.lease import Lease
from foretune.search.pauses import paused, take_up
from foretune.search.running import Running, heard, spec_of
from foretune.search.study import ISOLATED, Progress, progress, sign_of, take_over
from foretune.search.summary import SearchError, all_failed, summarise
from foretune.search.tell import (
    TAKEN_OVER,
    checked,
    describe,
    drop,
    give_up,
    keep_and_tell,
    keep_paused,
    left_paused,
)
from foretune.search.turns import wait_for_earlier
from foretune.search.twins import known_result, surplus
from foretune.search.why import why
from foretune.space import Space

logger = logging.getLogger(__name__)

WAIT_S = 0.1  # for another process's signature
N_HOPELESS = 5  # so many failures at the start, and nothing else, end a search


def run_search(
    study: Study,
    *,
    space: Space,
    executor: Executor,
    plan: SearchPlan,
    fidelity: Fidelity | None = None,
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
        fidelity: Pauses trials and goes on with them; None: each runs to its end. What is paused
            when the search ends is told PRUNED.
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
        return _Search(
            study, space, executor, plan, fidelity or ToTheEnd(), tuple(observers), seed
        ).run()
    except (optuna.exceptions.StorageInternalError, SQLAlchemyError) as error:
        cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
        raise HistoryError(
            f"the study {study.study_name} {reason(cause)}; what was recorded is kept, and the"
            " same command goes on from there"
        ) from error


@dataclasses.dataclass
class _Search:
    study: Study
    space: Space
    executor: Executor
    plan: SearchPlan
    fidelity: Fidelity
    observers: tuple[Observer, ...]
    seed: int
    running: dict[int, Running] = dataclasses.field(default_factory=dict)
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
        end = progress(self.study)
        if not end.n_running and not interrupted:
            for result in left_paused(self.study):
                for observer in self.observers:
                    observer.trial_ended(result, False)
            tidy(self.plan.folder)
        return summarise(self.study, self.plan, interrupted=interrupted)

    def _keep_busy(self) -> bool:
        """Start trials while there are workers and budget; whether any is running now."""
        while len(self.running) < self.executor.n_workers:
            raise_lost_interrupt()
            take_over(self.study, self.space, self.running)
            so_far = progress(self.study, self.running)
            choice: Next | None = None
            if has_time(self.plan.budget, so_far):
                aside = paused(self.study, self.running)
                allowed = may_begin(self.plan.budget, so_far)
                choice = self.fidelity.choose(self.study, aside, may_begin=allowed)
            if choice is not None and choice.number is not None:
                self._resume(choice.number, choice.why, so_far)
            elif so_far.n_unsigned and not self.running:
                time.sleep(WAIT_S)  # one that died at its beginning would be missing, or come late
            elif choice is not None:
                self._start(so_far)
            else:
                break
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
            spec = spec_of(
                trial.number, params, seed=self.seed, folder=self.plan.folder, best=so_far.best,
                keeps_model=self.plan.keeps_model,
                deadline_s=left_s(self.plan.budget, so_far, time.monotonic() - asked_s),
            )  # fmt: skip
            self.running[trial.number] = Running(trial, spec, lease)
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

    def _resume(self, number: int, because: str, so_far: Progress) -> None:
        """Go on with a paused trial, unless another process was faster."""
        with locked(self.plan.folder):
            trial = take_up(self.study, number, because)
        if trial is None:
            return
        lease = Lease(trial).take()
        spec = spec_of(
            number, trial.params, seed=self.seed, folder=self.plan.folder, best=so_far.best,
            keeps_model=self.plan.keeps_model, deadline_s=left_s(self.plan.budget, so_far),
        )  # fmt: skip
        self.running[number] = Running(trial, spec, lease, epochs=heard(self.study, number))
        for observer in self.observers:
            observer.trial_resumed(spec, because)
        self.executor.submit(spec)

    def _on_report(self, spec: TrialSpec, report: EpochReport) -> Answer:
        """Pass an epoch on; what its trial should do. One heard before is not told again."""
        running = self.running[spec.number]
        if running.knows(report):
            return Answer.STOP if running.is_late else Answer.GO_ON
        running.epochs.append(report)
        try:
            if math.isfinite(report.score):
                running.trial.report(sign_of(self.study) * report.score, report.epoch)
        except optuna.exceptions.UpdateFinishedTrialError:
            return Answer.STOP  # taken over; `describe` says so
        for observer in self.observers:
            observer.epoch_ended(spec, report)
        if running.is_late or running.trial.should_prune():
            return Answer.STOP
        aside, so_far = paused(self.study, self.running), progress(self.study, self.running)
        allowed = may_begin(self.plan.budget, so_far)
        running.pause = self.fidelity.pause(self.study, spec.number, aside, may_begin=allowed)
        return Answer.GO_ON if running.pause is None else Answer.PAUSE

    def _end(self, result: TrialResult) -> None:
        """Write down what came of a trial, and tell the study and those who watch."""
        running = self.running[result.spec.number]
        if result.status is Status.PAUSED:
            self._put_aside(running, result)
            return
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

    def _put_aside(self, running: Running, result: TrialResult) -> None:
        """Write down that a trial is paused; it is nobody's then."""
        pause = running.pause or Pause(None, result.reason)
        result = describe(running.trial, dataclasses.replace(result, reason=pause.why))
        if result.status is Status.PAUSED:
            keep_paused(self.study, result, pause, self.plan.folder, self.running)
        del self.running[result.spec.number]
        running.lease.release()
        logger.info("trial %d %s: %s", result.spec.number, result.status, result.reason)
        for observer in self.observers:
            if result.status is Status.PAUSED:
                observer.trial_paused(result)
            else:  # taken over meanwhile
                observer.trial_ended(result, False)

    def _cut_short(self) -> None:
        """Stop what runs, and say of each trial that it was interrupted."""
        self.executor.cancel()
        for running in list(self.running.values()):
            try:
                self._end(running.cut_short())
            except KeyboardInterrupt:  # its way of saying so
                continue

    def _stop_if_hopeless(self) -> None:
        if len(self.failures) < N_HOPELESS or progress(self.study).best is not None:
            return
        raise SearchError(all_failed(self.failures))
