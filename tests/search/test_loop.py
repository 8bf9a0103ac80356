"""The loop: models kept, observers told, duplicates and unforeseen ends."""

import math
import time
from dataclasses import replace

import pytest
from optuna.trial import TrialState

from foretune.config.schema.search import SearchConfig
from foretune.core import NullObserver, Status, TrialResult
from foretune.execute import InlineExecutor
from foretune.search import SearchError, open_study, progress, run_search
from foretune.search.best_model import best_model, keep
from foretune.search.distributions import suggest
from foretune.space import Choice, Float, Space
from foretune.testing.planted import TASK, Run, train_planted

FREE = Space((Float("lr", 1e-5, 1e-2, log=True), Choice("optimiser", ("adam", "sgd"))))


def saves(spec, on_epoch):
    """Trains as planted, and saves a model under the trainer's contract."""
    result = train_planted(spec, on_epoch)
    if result.score <= spec.save_above:
        return result
    spec.save_to.mkdir(parents=True)
    (spec.save_to / "weights").write_text(str(result.score))
    return replace(result, model_dir=spec.save_to)


@pytest.fixture
def run(tmp_path):
    config = SearchConfig(method="random", n_trials=8)
    return Run(config, tmp_path / "study", space=FREE, objective=saves)


def saved_score(run):
    return float((run.folder / "best" / "weights").read_text())


def test_the_best_trials_model_is_on_disk_and_nothing_else(run):
    summary = run()
    assert summary.model_dir == run.folder / "best"
    assert saved_score(run) == summary.best_score
    assert [path.name for path in run.folder.iterdir()] == ["best"]


def test_a_resumed_search_keeps_the_model_until_a_better_one(run):
    run.config = replace(run.config, n_trials=4)
    first = run()
    seen = []

    def watches(spec, on_epoch):
        seen.append(spec.save_above)
        return saves(spec, on_epoch)

    run.objective, run.config = watches, replace(run.config, n_trials=8)
    second = run()
    assert seen[0] == first.best_score
    assert saved_score(run) == second.best_score >= first.best_score


def test_a_model_that_was_deleted_is_replaced_by_the_next(run):
    run.config = replace(run.config, n_trials=4)
    run()
    (run.folder / "best" / "weights").unlink()
    (run.folder / "best").rmdir()
    run.config = replace(run.config, n_trials=5)
    run()
    assert best_model(run.folder) is not None


def test_a_failing_trial_leaves_the_best_model_alone(run):
    def breaks_later(spec, on_epoch):
        if spec.number >= 3:
            spec.save_to.mkdir(parents=True)
            (spec.save_to / "weights").write_text("half")
            raise RuntimeError("disk full")
        return saves(spec, on_epoch)

    run.objective = breaks_later
    summary = run()
    assert saved_score(run) == summary.best_score
    assert [path.name for path in run.folder.iterdir()] == ["best"]


def test_a_crash_between_the_two_renames_is_mended(tmp_path):
    (tmp_path / "best.old").mkdir()
    assert best_model(tmp_path) == tmp_path / "best"
    (new := tmp_path / "trials" / "0001").mkdir(parents=True)
    (new / "weights").touch()
    keep(new, tmp_path)
    assert [path.name for path in (tmp_path / "best").iterdir()] == ["weights"]
    assert not (tmp_path / "best.old").exists()
    with pytest.raises(FileNotFoundError):
        keep(tmp_path / "trials" / "0002", tmp_path)
    assert (tmp_path / "best" / "weights").exists(), "the old best is back in its place"


class Recorder(NullObserver):
    def __init__(self):
        self.calls = []

    def search_started(self, plan):
        self.calls.append(("plan", plan.n_done, plan.best))

    def trial_started(self, spec, why):
        self.calls.append(("start", spec.number, why))

    def epoch_ended(self, spec, report):
        self.calls.append(("epoch", spec.number, report.epoch))

    def trial_ended(self, result, is_best):
        self.calls.append(("end", result.spec.number, is_best))

    def search_ended(self, summary):
        raise AssertionError("the caller's, after the test")


def test_observers_see_everything_in_order(run):
    run.observers = (watcher := Recorder(),)
    run.config = replace(run.config, n_trials=2)
    summary = run()
    assert watcher.calls[0] == ("plan", 0, None)
    assert [call[:2] for call in watcher.calls[1:]] == [
        *(("start", 0), ("epoch", 0), ("end", 0)),
        *(("start", 1), ("epoch", 1), ("end", 1)),
    ]
    assert watcher.calls[1][2] == "random search"
    assert watcher.calls[3][2] is True, "the first score is the best so far"
    run.config = replace(run.config, n_trials=3)
    watcher.calls.clear()
    run()
    assert watcher.calls[0] == ("plan", 2, summary.best_score)


def test_a_point_completed_before_is_told_and_not_trained(run):
    trained = []

    def counts(spec, on_epoch):
        trained.append(spec.number)
        return train_planted(spec, on_epoch)

    run.objective, run.config = counts, replace(run.config, n_trials=2)
    run()
    run.study.enqueue_trial(run.points[0])
    run.config = replace(run.config, n_trials=3)
    assert run().n_trials == 3
    assert trained == [0, 1]
    assert run.trials[2].value == run.trials[0].value
    assert run.trials[2].user_attrs["duplicate_of"] == 0


def test_the_same_point_gets_the_same_seed_and_others_another(run):
    seeds = {}

    def watches(spec, on_epoch):
        seeds[spec.number] = spec.seed
        if spec.number == 1:
            raise KeyboardInterrupt
        return train_planted(spec, on_epoch)

    run.objective = watches
    run()
    run()
    assert run.trials[2].user_attrs["retried_from"] == 1
    assert seeds[2] == seeds[1] != seeds[0]


def test_the_deadline_is_what_is_left_of_the_budget(run):
    deadlines = []

    def watches(spec, on_epoch):
        deadlines.append(spec.deadline_s)
        time.sleep(0.01)
        return train_planted(spec, on_epoch)

    run.objective = watches
    run.config = replace(run.config, n_trials=3, budget_s="1h")
    run()
    assert 3600 > deadlines[0] > deadlines[1] > deadlines[2] > 3000


def test_on_epoch_says_stop_once_the_deadline_is_over(run):
    def endless(spec, on_epoch):
        result = train_planted(spec, on_epoch)
        for epoch in range(2, 10_000):
            time.sleep(0.001)
            if on_epoch(replace(result.epochs[0], epoch=epoch)):
                return replace(result, status=Status.PRUNED, reason="out of time")
        raise AssertionError("never stopped")

    run.objective = endless
    run.config = replace(run.config, n_trials=5, budget_s=0.05)
    summary = run()
    assert run.trials[-1].state == TrialState.PRUNED
    assert summary.best_number is not None


def test_what_the_objective_should_not_raise_leaves_no_running_trial(run):
    run()
    study, plan = run.study, replace(run.plan, budget=replace(run.plan.budget, n_trials=9))

    def exits(spec, on_epoch):
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        run_search(study, space=FREE, executor=InlineExecutor(exits), plan=plan)
    assert study.trials[-1].state == TrialState.FAIL
    assert progress(study).n_done == 8, "it is queued again by the next start"


def test_an_objective_without_executor_may_be_interrupted(run):
    run()
    plan = replace(run.plan, budget=replace(run.plan.budget, n_trials=9))

    def interrupted(spec, on_epoch):
        raise KeyboardInterrupt

    executor = InlineExecutor(interrupted)
    assert run_search(run.study, space=FREE, executor=executor, plan=plan).interrupted


def test_three_failures_of_three_are_an_error_with_its_reasons(run):
    def fails(spec, on_epoch):
        raise ValueError("no such layer" if spec.number else "no such file")

    run.objective, run.config = fails, replace(run.config, n_trials=3)
    with pytest.raises(SearchError, match="2 x ValueError: no such layer; 1 x ValueError: no such"):
        run()


def test_a_trial_taken_over_by_another_process_is_let_go(run):
    """As after a laptop slept past its lease."""

    def taken_over(spec, on_epoch):
        if spec.number == 1:
            run.study.tell(1, state=TrialState.FAIL)
        return train_planted(spec, on_epoch)

    run.objective, run.config = taken_over, replace(run.config, n_trials=4)
    assert run().n_trials == 4


def test_curves_costs_and_reasons_are_attributes(run):
    def costs(spec, on_epoch):
        result = train_planted(spec, on_epoch)
        used = replace(result.resources, seconds=2.5, peak_ram_mb=700.0)
        if spec.number == 1:
            return TrialResult(spec, Status.FAILED, None, reason="NaN loss", resources=used)
        return replace(result, resources=used)

    run.objective, run.config = costs, replace(run.config, n_trials=2)
    run()
    done, failed = run.trials
    assert done.user_attrs["seconds"] == failed.user_attrs["seconds"] == 2.5
    assert done.user_attrs["peak_ram_mb"] == 700.0
    assert failed.user_attrs["failure"] == "NaN loss"
    assert list(done.intermediate_values) == [1]


def test_minimised_metrics_are_stored_as_they_are(run):
    run.task = replace(TASK, higher_is_better=False)
    summary = run()
    assert run.study.best_value == -summary.best_score
    assert math.isclose(saved_score(run), summary.best_score)


def test_two_processes_share_the_budget(run):
    """Trials that others run count, so that together they run what was asked for."""
    run.config = replace(run.config, n_trials=4)
    run()
    other = open_study(
        run.storage,
        name=run.study.study_name,
        higher_is_better=True,
        attributes={},
        sampler=run.study.sampler,
        pruner=run.study.pruner,
        space=FREE,
    )
    ran = []

    def while_another_runs(spec, on_epoch):
        ran.append(spec.number)
        return train_planted(spec, on_epoch)

    plan = replace(run.plan, budget=replace(run.plan.budget, n_trials=6))
    theirs = other.ask()
    suggest(theirs, FREE)
    theirs.set_user_attr("lease", {"pid": 1, "host": "elsewhere", "until": time.time() + 60})
    run_search(run.study, space=FREE, executor=InlineExecutor(while_another_runs), plan=plan)
    assert ran == [5]
