"""Many processes on one study and one record, and others that read: nothing lost, no lock error."""

import contextlib
import json
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter

import optuna
import pytest
from optuna.trial import TrialState

from foretune.history.store import open_storage
from foretune.search.study import counted
from foretune.space import point_key
from foretune.testing.browser import served_ui
from foretune.testing.postgres import create_database
from foretune.tracking.database import open_database

SEARCH = """
import sys
from pathlib import Path
from foretune.config.schema.search import SearchConfig
from foretune.config.schema.tracking import TrackingConfig
from foretune.history.store import open_storage
from foretune.testing.planted import Run
from foretune.tracking import build_tracker

url, folder, method, n_trials, record = sys.argv[1:]
run = Run(SearchConfig(method=method, n_trials=int(n_trials)), Path(folder) / "study")
run.storage = open_storage(url)
record = TrackingConfig(enabled=record == "mlflow", folder=f"{folder}/mlruns", log_model=False)
with build_tracker(record) as tracker:
    run.observers = (tracker,)
    tracker.search_ended(run())
"""


@contextlib.contextmanager
def hammered(*reads):
    """Read over and over beside what is done meanwhile; how often, and what went wrong."""
    over, seen = threading.Event(), {"n": Counter(), "errors": []}

    def hammer(read):
        while not over.wait(0.05):
            try:
                read()
                seen["n"][read.__name__] += 1
            except Exception as error:
                seen["errors"].append(repr(error))

    threads = [threading.Thread(target=hammer, args=(read,)) for read in reads]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        over.set()
        for thread in threads:
            thread.join()


def reads_study(url):
    storage = open_storage(url)

    def study():
        for one in storage.get_all_studies():
            storage.get_all_trials(one._study_id)

    return study


def reads_ui(address, experiment):
    """What the page of an experiment asks for, and the page."""

    def ui():
        body = {"experiment_ids": [experiment], "max_results": 1000}
        asks = urllib.request.Request(
            f"{address}/ajax-api/2.0/mlflow/runs/search", json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )  # fmt: skip
        for what in (asks, address):
            with urllib.request.urlopen(what, timeout=60) as answer:
                answer.read()

    return ui


def search(url, folder, *, n_trials, n_processes, record):
    """Run the processes to their ends; what each wrote to stderr."""
    words = [sys.executable, "-c", SEARCH, url, str(folder), "random", str(n_trials), record]
    processes = [
        subprocess.Popen(words, stderr=subprocess.PIPE, text=True) for _ in range(n_processes)
    ]
    ended = [process.communicate(timeout=1200)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * n_processes, ended
    return "".join(ended)


def check(url, n_trials, n_processes):
    storage = open_storage(url)
    (name,) = optuna.get_all_study_names(storage)
    trials = optuna.load_study(study_name=name, storage=storage).trials
    done = counted(trials)
    assert len(done) == n_trials
    assert {t.state for t in trials} <= {TrialState.COMPLETE, TrialState.FAIL}, "none is running"
    assert max(Counter(point_key(t.params) for t in done).values()) == 1
    assert len(trials) - n_trials <= n_processes, "the last asks alone are in vain"
    return trials, done


def check_record(folder, done):
    """MLflow holds one finished search and each of its trials once."""
    database = open_database(folder / "mlruns", "foretune")
    runs, token = [], None
    while token != "":
        page = database.client.search_runs(
            [database.experiment_id], max_results=1000, page_token=token
        )
        runs, token = [*runs, *page], page.token or ""
    parents = [run for run in runs if run.data.tags["role"] == "search"]
    assert [run.info.status for run in parents] == ["FINISHED"]
    children = [run for run in runs if run.data.tags["role"] == "trial"]
    assert sorted(int(run.data.tags["trial"]) for run in children) == [t.number for t in done]
    assert {run.info.status for run in children} == {"FINISHED"}


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_four_processes_on_one_sqlite_file_with_mlflows_ui(tmp_path):
    n_trials = 400
    url, began = f"sqlite:///{tmp_path}/history.db", time.monotonic()
    experiment = open_database(tmp_path / "mlruns", "foretune").experiment_id
    with (
        served_ui(tmp_path / "mlruns", port=5300) as address,
        hammered(reads_study(url), reads_ui(address, experiment)) as seen,
    ):
        said = search(url, tmp_path, n_trials=n_trials, n_processes=4, record="mlflow")
    assert seen["errors"] == []
    assert set(seen["n"]) == {"study", "ui"}
    assert "lock" not in said
    trials, done = check(url, n_trials, 4)
    check_record(tmp_path, done)
    print(f"{len(trials)} asked for, {dict(seen['n'])} reads, {time.monotonic() - began:.0f} s")


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_eight_processes_on_one_postgresql(postgres_url, tmp_path):
    n_trials = 800
    url, began = create_database(postgres_url, f"many{n_trials}"), time.monotonic()
    with hammered(reads_study(url)) as seen:
        said = search(url, tmp_path, n_trials=n_trials, n_processes=8, record="none")
    assert seen["errors"] == []
    assert "lock" not in said
    trials, _ = check(url, n_trials, 8)
    print(f"{len(trials)} asked for, {dict(seen['n'])} reads, {time.monotonic() - began:.0f} s")
