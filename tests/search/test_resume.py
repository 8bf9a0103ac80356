"""An interrupted search and the uninterrupted one give the same trials, whatever cut it short."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from optuna.trial import TrialState

from foretune.config.schema.search import BayesConfig, MetaConfig, SearchConfig
from foretune.core import Status
from foretune.execute import ProcessExecutor
from foretune.history.store import open_storage
from foretune.search.study import counted, take_over
from foretune.testing.faults import FaultyRecipe
from foretune.testing.planted import CONDITIONAL, Run, planted_history, train_planted

METHODS = {
    "random": SearchConfig(method="random"),
    "grid": SearchConfig(method="grid"),
    "tpe": SearchConfig(method="bayes"),
    "gp": SearchConfig(method="bayes", bayes=BayesConfig("gp")),
    "meta": SearchConfig(method="meta", meta=MetaConfig(meta_iterations=30)),
}


def sequence(run):
    """Parameters and values of the trials that count, in order."""
    return [(t.params, t.value, dict(t.intermediate_values)) for t in counted(run.trials)]


@pytest.mark.parametrize("pruner", ["none", "median"])
@pytest.mark.parametrize("method", METHODS)
def test_the_same_trials_with_and_without_interruption(tmp_path, method, pruner):
    if (method, pruner) in {("gp", "median"), ("meta", "median")}:
        pytest.skip("two of each are enough")
    config = replace(METHODS[method], n_trials=12, pruner=pruner)
    config.meta.cache_dir = str(tmp_path / "cache")
    history = planted_history() if method == "meta" else None
    whole = Run(config, tmp_path / "whole", history=history)
    whole()
    cuts = iter([0, 3, 3, 7, 10])
    cut_at = next(cuts)

    def cut(spec, on_epoch):
        nonlocal cut_at
        if len(counted(again.study.trials)) == cut_at:
            cut_at = next(cuts, None)
            raise KeyboardInterrupt
        return train_planted(spec, on_epoch)

    again = Run(config, tmp_path / "again", history=history, objective=cut)
    while again().interrupted:
        continue
    assert sequence(again) == sequence(whole)
    assert sum(t.state == TrialState.FAIL for t in again.trials) == 5


def test_a_trial_that_had_no_parameters_yet_is_asked_for_anew(tmp_path):
    config = SearchConfig(method="bayes", n_trials=14)
    whole = Run(config, tmp_path / "whole")
    whole()
    again = Run(replace(config, n_trials=12), tmp_path / "again")
    again()
    again.study.ask()  # and died before the first suggestion
    again.config = config
    again()
    assert sequence(again) == sequence(whole)
    assert len(again.trials) == 15


@pytest.mark.parametrize("queued", [False, True])
def test_a_process_that_ended_before_it_signed_its_trial_leaves_no_gap(tmp_path, queued):
    config = SearchConfig(method="random", n_trials=6)
    whole = Run(config, tmp_path / "whole")
    whole()

    def cut(spec, on_epoch):
        if len(counted(again.study.trials)) == 3:
            raise KeyboardInterrupt
        return train_planted(spec, on_epoch)

    again = Run(config, tmp_path / "again", objective=cut)
    assert again().interrupted  # its fourth trial waits to be run again
    study = again.study
    if not queued:
        again.objective = train_planted
        again.config = replace(config, n_trials=4)
        again()
        study._storage.create_new_trial(study._study_id)  # asked for, and died
    else:
        take_over(study, CONDITIONAL)  # it is queued,
        assert study._pop_waiting_trial_id() is not None  # taken from the queue, and died
    again.objective = train_planted
    again.config = config
    again()
    assert sequence(again) == sequence(whole)


SEARCH = """
import sys
from pathlib import Path
from foretune.config.schema.search import SearchConfig
from foretune.execute import ProcessExecutor, start_server
from foretune.history.store import open_storage
from foretune.testing.faults import FaultyRecipe
from foretune.testing.planted import Run

folder, n_trials, n_workers = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
start_server(["foretune.testing.faults"])
run = Run(SearchConfig(method="random", n_trials=n_trials), folder / "study")
run.storage = open_storage(f"sqlite:///{folder}/history.db")
with ProcessExecutor(FaultyRecipe(folder, epoch_s=0.02), n_workers=n_workers) as run.executor:
    summary = run()
print(summary.n_trials, summary.interrupted)
"""


def start(folder, n_trials, n_workers=1):
    return subprocess.Popen(
        [sys.executable, "-c", SEARCH, str(folder), str(n_trials), str(n_workers)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def wait_for_attempts(folder, n):
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline:
        file = folder / "attempts"
        if file.exists() and len(file.read_text().splitlines()) >= n:
            return
        time.sleep(0.01)
    raise AssertionError("no trials")


def opened(folder, n_trials):
    run = Run(SearchConfig(method="random", n_trials=n_trials), folder / "study")
    run.storage = open_storage(f"sqlite:///{folder}/history.db")
    return run


def test_killed_search_and_worker_leave_no_zombie_and_the_same_trials(tmp_path):
    """The search is killed, its worker with it, twice; the third run goes to the end."""
    whole = Run(SearchConfig(method="random", n_trials=10), tmp_path / "whole")
    whole()
    for n in (3, 7):
        process = start(tmp_path, 10)
        wait_for_attempts(tmp_path, n)
        process.kill()
        process.communicate()
    process = start(tmp_path, 10)
    out, err = process.communicate(timeout=200)
    assert out == "10 False\n", err
    run = opened(tmp_path, 10)
    run()
    assert {t.state for t in run.trials} <= {TrialState.COMPLETE, TrialState.FAIL}
    assert [s[:2] for s in sequence(run)] == [s[:2] for s in sequence(whole)]


def test_ctrl_c_reaches_the_search_alone_and_means_interrupted(tmp_path):
    process = start(tmp_path, 500, n_workers=2)
    wait_for_attempts(tmp_path, 4)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    out, err = process.communicate(timeout=200)
    assert out.endswith("True\n"), err
    assert "Traceback" not in err
    run = opened(tmp_path, 1)
    run()
    states = [t.state for t in run.trials]
    assert TrialState.RUNNING not in states
    cut = [t for t in run.trials if t.user_attrs.get("status") == Status.INTERRUPTED]
    assert 1 <= len(cut) <= 2, "those that were running"


def test_two_workers_run_each_trial_once_and_the_budget_exactly(tmp_path):
    out, err = start(tmp_path, 25, n_workers=2).communicate(timeout=200)
    assert out == "25 False\n", err
    lines = [line.split() for line in Path(tmp_path / "attempts").read_text().splitlines()]
    assert len(lines) == len({line[0] for line in lines}) == 25
    assert len({pid for _, pid, *_ in lines}) == 2
    best = json.loads((tmp_path / "study" / "best" / "model.json").read_text())
    run = opened(tmp_path, 25)
    assert best["score"] == run().best_score


def test_a_dead_workers_trial_is_failed_with_its_reason_and_the_search_goes_on(tmp_path):
    run = Run(SearchConfig(method="random", n_trials=5), tmp_path / "study")
    faults = {1: "segfault", 2: "hang", 3: "nan"}
    with ProcessExecutor(FaultyRecipe(tmp_path, faults), timeout_s=3.0) as run.executor:
        summary = run()
    assert (summary.n_trials, summary.n_failed) == (5, 2)
    states = [t.state.name for t in run.trials]
    assert states == ["COMPLETE", "FAIL", "PRUNED", "FAIL", "COMPLETE"]
    attrs = [t.user_attrs for t in run.trials]
    assert attrs[1]["failure"] == "the worker was killed by signal 11 (SIGSEGV)"
    assert attrs[2]["censored"] is True
    assert attrs[2]["failure"] == "timed out after 3.0 s"
    assert attrs[3]["failure"] == "expected a finite score, got nan"
    assert summary.best_number in (0, 4), "a censored trial has no model"
