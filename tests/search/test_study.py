"""Studies that died are taken up again; those that live are left alone."""

import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import replace

import optuna
import pytest
from optuna.trial import TrialState

from foretune.config.schema.search import SearchConfig
from foretune.core import HistoryError, Status, TrialResult
from foretune.history.store import open_storage
from foretune.search import open_study, progress, study_name
from foretune.search.lease import LASTS_S, LEASE, Lease, holder_lives
from foretune.testing.planted import CONDITIONAL, TASK, Run, train_planted

POINT = {"model": "small", "lr": 1e-3, "epochs": 1, "optimiser": "adam"}


@pytest.fixture
def storage(tmp_path):
    return open_storage(f"sqlite:///{tmp_path}/history.db")


def reopen(storage, name="s", *, higher_is_better=True, attributes=None):
    return open_study(
        storage,
        name=name,
        higher_is_better=higher_is_better,
        attributes=attributes or {},
        sampler=optuna.samplers.RandomSampler(0),
        pruner=optuna.pruners.NopPruner(),
        space=CONDITIONAL,
    )


def leave_running(study, *, lease=None, point=POINT):
    """A trial that nobody told the end of, as a killed process leaves it."""
    if not study.get_trials(states=(TrialState.WAITING,)):
        study.enqueue_trial(point)
    trial = study.ask()
    trial.suggest_categorical("model", ["small", "large"])
    if len(point) > 1:
        trial.suggest_float("lr", 1e-4, 1e-2, log=True)
        trial.suggest_int("epochs", 1, 3)
        trial.suggest_categorical("optimiser", ["adam", "sgd"])
    if lease is not None:
        trial.set_user_attr(LEASE, lease)
    return trial


def of(pid, *, host=None, until=None):
    until = time.time() + LASTS_S if until is None else until
    return {"pid": pid, "host": host or platform.node(), "until": until}


def test_the_name_is_readable_and_tells_studies_apart():
    name = study_name(replace(TASK, name="glue/sst2"), "meta", {"seed": 0})
    assert name.startswith("glue-sst2-meta-")
    assert name == study_name(replace(TASK, name="glue/sst2"), "meta", {"seed": 0})
    others = [
        study_name(replace(TASK, name="glue/sst2", fingerprint="other"), "meta", {"seed": 0}),
        study_name(replace(TASK, name="glue/sst2"), "grid", {"seed": 0}),
        study_name(replace(TASK, name="glue/sst2"), "meta", {"seed": 1}),
    ]
    assert len({name, *others}) == 4


def test_a_study_of_another_direction_is_refused(storage):
    reopen(storage)
    with pytest.raises(HistoryError, match="expected the direction minimize"):
        reopen(storage, higher_is_better=False)


def test_attributes_are_written_and_renewed(storage):
    reopen(storage, attributes={"task": "imdb", "device": "cpu"})
    study = reopen(storage, attributes={"task": "imdb", "device": "cuda"})
    assert study.user_attrs == {"task": "imdb", "device": "cuda"}


def test_a_dead_process_trial_is_told_and_queued_again(storage):
    leave_running(reopen(storage))
    study = reopen(storage)
    orphan, again = study.trials
    assert orphan.state == TrialState.FAIL
    assert orphan.user_attrs["failure"] == "its process ended without a word"
    assert again.state == TrialState.WAITING
    assert again.user_attrs["retried_from"] == 0
    assert again.system_attrs["fixed_params"] == POINT
    assert progress(study).n_done == 0, "it does not use up the budget"
    assert len(reopen(storage).trials) == 2, "and is queued once"


def test_a_point_that_was_never_complete_is_not_queued(storage):
    leave_running(reopen(storage), point={"model": "small"})
    assert [t.state for t in reopen(storage).trials] == [TrialState.FAIL]


def test_a_point_that_ends_every_process_is_given_up(storage):
    for _ in range(3):
        leave_running(study := reopen(storage))
    study = reopen(storage)
    assert [t.state for t in study.trials] == [TrialState.FAIL] * 3
    assert study.trials[-1].user_attrs["status"] == "failed"
    assert "3 times in a row" in study.trials[-1].user_attrs["failure"]
    assert progress(study).n_done == 1


def test_the_hours_that_a_trial_lay_dead_are_not_the_budgets(storage):
    """It signed for ten seconds; then nobody came for an hour."""
    trial = leave_running(reopen(storage))
    until = trial.datetime_start.timestamp() + 10 + LASTS_S
    trial.set_user_attr(LEASE, of(2**22 + 1, until=until))
    assert progress(reopen(storage)).seconds == pytest.approx(10, abs=0.01)


@pytest.mark.parametrize(
    ("lease", "lives"),
    [
        (lambda: None, False),
        (lambda: of(os.getppid()), True),
        (lambda: of(os.getppid(), until=time.time() - 1), False),
        (lambda: of(os.getpid()), False),  # an earlier search of this process
        (lambda: of(2**22 + 1), False),  # above the largest process number
        (lambda: of(1, host="elsewhere"), True),
        (lambda: of(1, host="elsewhere", until=time.time() - 1), False),
    ],
)
def test_who_lives(lease, lives):
    signed = lease()  # now, not when the tests were collected: a lease runs out
    assert holder_lives({} if signed is None else {LEASE: signed}) is lives


def test_a_live_process_trial_is_left_alone_and_counted_on(storage):
    leave_running(reopen(storage), lease=of(os.getppid()))
    study = reopen(storage)
    assert [t.state for t in study.trials] == [TrialState.RUNNING]
    assert progress(study).n_running == 1


def test_the_lease_is_renewed_while_the_trial_runs(storage, monkeypatch):
    monkeypatch.setattr("foretune.search.lease.RENEWED_S", 0.01)
    trial = reopen(storage).ask()
    with Lease(trial):
        first = trial.user_attrs[LEASE]["until"]
        for _ in range(6000):
            if trial.user_attrs[LEASE]["until"] > first:
                break
            time.sleep(0.01)
    assert trial.user_attrs[LEASE]["until"] > first
    assert trial.user_attrs[LEASE]["pid"] == os.getpid()


KILLED = """
import os, sys, optuna
from foretune.config.schema.search import SearchConfig
from foretune.history.store import open_storage
from foretune.testing.planted import Run, train_planted

def dies_in_the_third(spec, on_epoch):
    if spec.number == 2:
        os._exit(9)
    return train_planted(spec, on_epoch)

run = Run(SearchConfig(method=sys.argv[2], n_trials=6), sys.argv[1], objective=dies_in_the_third)
run.storage = open_storage(f"sqlite:///{sys.argv[1]}/history.db")
from pathlib import Path
run.folder = Path(sys.argv[1])
run()
"""


def test_killed_in_the_middle_the_search_ends_with_exactly_its_trials(tmp_path):
    """A process that is killed leaves a trial behind; the next one completes the study."""
    died = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), "random"], capture_output=True, check=False
    )
    assert died.returncode == 9, died.stderr.decode()
    run = Run(SearchConfig(method="random", n_trials=6), tmp_path)
    run.storage = open_storage(f"sqlite:///{tmp_path}/history.db")
    summary = run()
    states = [t.state.name for t in run.trials]
    assert summary.n_trials == 6
    assert states.count("COMPLETE") == 6
    assert states.count("FAIL") == 1
    assert run.trials[3].params == run.trials[2].params


SAME = """
import json, sys
from pathlib import Path
from foretune.config.schema.search import SearchConfig
from foretune.testing.planted import Run
for method in ("random", "grid", "bayes"):
    run = Run(SearchConfig(method=method, n_trials=14), Path(sys.argv[1]))
    run()
    print(json.dumps(run.points, sort_keys=True))
"""


def test_same_seed_same_trials_in_every_process(tmp_path):
    """Whatever order Python's hash gives to sets."""
    outputs = {
        subprocess.run(
            [sys.executable, "-c", SAME, str(tmp_path)],
            env={**os.environ, "PYTHONHASHSEED": seed, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
    assert len(json.loads(outputs.pop().splitlines()[2])) == 14


def test_seconds_of_ended_trials_count(tmp_path):
    def train(spec, on_epoch):
        time.sleep(0.02)
        return train_planted(spec, on_epoch)

    run = Run(SearchConfig(method="random", n_trials=3), tmp_path, objective=train)
    run()
    assert progress(run.study).seconds >= 0.06


def test_the_best_is_a_pruned_trial_where_it_scored_best(tmp_path):
    """The trial that the end of the budget stops may be the best one."""

    def stopped_at_the_end(spec, on_epoch):
        result = train_planted(spec, on_epoch)
        if spec.number == 2:
            report = replace(result.epochs[-1], epoch=9, score=5.0)
            on_epoch(report)
            return TrialResult(spec, Status.PRUNED, 5.0, epochs=(*result.epochs, report))
        return result

    run = Run(SearchConfig(method="random", n_trials=3), tmp_path, objective=stopped_at_the_end)
    summary = run()
    assert (summary.best_number, summary.best_score) == (2, 5.0)
