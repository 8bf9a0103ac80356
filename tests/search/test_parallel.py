"""Several processes on one study: no lock error, no trial too many, none twice."""

import subprocess
import sys
import threading
import time
from collections import Counter

import optuna
import pytest
from optuna.trial import TrialState

from foretune.history.store import open_storage
from foretune.search.study import counted
from foretune.space import point_key
from foretune.testing.postgres import create_database

SEARCH = """
import sys
from pathlib import Path
from foretune.config.schema.search import GridConfig, SearchConfig
from foretune.history.store import open_storage
from foretune.space import Choice, Float, Int, Space
from foretune.testing.planted import Run

url, folder, method, n_trials = sys.argv[1:]
space = Space((Float("lr", 1e-5, 1e-2, log=True), Int("a", 1, 40), Int("b", 1, 40)))
run = Run(
    SearchConfig(method=method, n_trials=int(n_trials), grid=GridConfig(points=None)),
    Path(folder) / "study",
    space=Space((Int("a", 1, 40), Int("b", 1, 40))) if method == "grid" else space,
)
run.storage = open_storage(url)
run()
"""


def search(url, folder, method, *, n_trials, n_processes):
    """Run the processes to their ends; what each wrote to stderr."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SEARCH, url, str(folder), method, str(n_trials)],
            stderr=subprocess.PIPE, text=True,
        )
        for _ in range(n_processes)
    ]  # fmt: skip
    return [(process.communicate(timeout=900)[1], process.returncode) for process in processes]


def check(url, n_trials):
    storage = open_storage(url)
    (name,) = optuna.get_all_study_names(storage)
    trials = optuna.load_study(study_name=name, storage=storage).trials
    done = counted(trials)
    assert len(done) == n_trials, "not one too few or too many"
    assert {t.state for t in done} == {TrialState.COMPLETE}
    assert [t.number for t in trials] == list(range(len(trials)))
    twice = [key for key, n in Counter(point_key(t.params) for t in done).items() if n > 1]
    assert twice == []
    assert not [t for t in trials if t.state in (TrialState.RUNNING, TrialState.WAITING)]
    return trials


class Reader:
    """Reads all of the study over and over, as a dashboard would."""

    def __init__(self, url):
        self._url, self._stop, self.n, self.errors = url, threading.Event(), 0, []
        self._thread = threading.Thread(target=self._read)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._stop.set()
        self._thread.join()

    def _read(self):
        storage = open_storage(self._url)
        while not self._stop.wait(0.05):
            try:
                for study in storage.get_all_studies():
                    storage.get_all_trials(study._study_id)
                self.n += 1
            except Exception as error:
                self.errors.append(repr(error))


def few_dropped(trials, n_trials, n_processes):
    """Whoever suggests knows what the others have: only the last asks, one each, are in vain."""
    return len(trials) - n_trials <= n_processes


@pytest.mark.parametrize(
    ("method", "n_processes", "n_trials"),
    [("grid", 3, 60)],
)
def test_on_one_sqlite_file(tmp_path, method, n_processes, n_trials):
    url = f"sqlite:///{tmp_path}/history.db"
    began = time.monotonic()
    with Reader(url) as reader:
        ended = search(url, tmp_path, method, n_trials=n_trials, n_processes=n_processes)
    assert [code for _, code in ended] == [0] * n_processes, ended
    assert not [text for text, _ in ended if "locked" in text]
    assert reader.n > 0
    assert reader.errors == []
    trials = check(url, n_trials)
    assert few_dropped(trials, n_trials, n_processes)
    print(f"{n_trials} trials, {len(trials) - n_trials} dropped, {time.monotonic() - began:.0f} s")


@pytest.mark.parametrize(
    ("method", "n_processes", "n_trials"),
    [("grid", 3, 60)],
)
def test_on_one_postgresql(postgres_url, tmp_path, method, n_processes, n_trials):
    url = create_database(postgres_url, f"parallel{n_trials}")
    began = time.monotonic()
    with Reader(url) as reader:
        ended = search(url, tmp_path, method, n_trials=n_trials, n_processes=n_processes)
    assert [code for _, code in ended] == [0] * n_processes, ended
    assert reader.errors == []
    trials = check(url, n_trials)
    assert few_dropped(trials, n_trials, n_processes)
    print(f"{n_trials} trials, {len(trials) - n_trials} dropped, {time.monotonic() - began:.0f} s")
