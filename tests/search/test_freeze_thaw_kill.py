"""A freeze-thaw search that is killed while some trials are paused and another one trains."""

import json
import signal
import subprocess
import sys

import pytest
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState

from foretune.config.schema.search import SearchConfig
from foretune.history.store import open_storage
from foretune.search.pauses import is_paused
from foretune.search.study import counted
from foretune.testing.curves import BLOOMING, CurveObjective, InShifts
from foretune.testing.planted import Run

N_TRIALS = 10
KILLS = {  # while so many are paused, in this epoch of another trial
    "freeze_thaw": ((1, 1),),  # before its first checkpoint
    "shifts": ((2, 5),),  # one that was paused itself and had gone on
}
SEARCH = """
import json
import os
import signal
import sys
from pathlib import Path

from foretune.config.schema.search import SearchConfig
from foretune.core import NullObserver
from foretune.history.store import open_storage
from foretune.testing.curves import BLOOMING, CurveObjective, InShifts
from foretune.testing.planted import Run

folder, shifts = Path(sys.argv[1]), sys.argv[2] == "shifts"
n_trials, n_paused, epoch = map(int, sys.argv[3:])


class Killer(NullObserver):
    "Kills this process in another trial's epoch once so many are paused."

    paused = set()

    def trial_paused(self, result):
        self.paused.add(result.spec.number)

    def trial_resumed(self, spec, why):
        self.paused.discard(spec.number)

    def epoch_ended(self, spec, report):
        with (folder / "trained").open("a") as log:
            log.write(json.dumps([spec.params, report.epoch]) + chr(10))
        if len(self.paused) >= n_paused and report.epoch >= epoch:
            os.kill(os.getpid(), signal.SIGKILL)


Run(
    SearchConfig(method="random", n_trials=n_trials, seed=3, fidelity="freeze_thaw"),
    folder / "study", space=BLOOMING, objective=CurveObjective(), observers=(Killer(),),
    storage=open_storage(f"sqlite:///{folder}/history.db"), fidelity=InShifts() if shifts else None,
)()
"""


def search(folder, storage, mode):
    """The same search in this process."""
    fidelity = "full" if mode == "full" else "freeze_thaw"
    return Run(
        SearchConfig(method="random", n_trials=N_TRIALS, seed=3, fidelity=fidelity),
        folder / "study", space=BLOOMING, objective=CurveObjective(), storage=storage,
        fidelity=InShifts() if mode == "shifts" else None,
    )  # fmt: skip


def killed(folder, mode, n_paused, epoch):
    """Run the search until it kills itself."""
    command = [sys.executable, "-c", SEARCH, *map(str, (folder, mode, N_TRIALS, n_paused, epoch))]
    process = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert process.returncode == -signal.SIGKILL, process.stderr[-2000:]


def left(storage):
    """The running trials of the only study: those that are paused, and the others."""
    (study,) = storage.get_all_studies()
    running = storage.get_all_trials(study._study_id, states=(TrialState.RUNNING,))
    aside = [trial for trial in running if is_paused(trial)]
    return aside, [trial for trial in running if not is_paused(trial)]


@pytest.mark.parametrize("mode", KILLS)
def test_no_trial_is_lost_paused_or_not(tmp_path, mode):
    storage = open_storage(f"sqlite:///{tmp_path}/history.db")
    aside, cut = {}, []
    for n_paused, epoch in KILLS[mode]:
        killed(tmp_path, mode, n_paused, epoch)
        found, training = left(storage)
        assert found
        assert len(training) == 1, "it was killed while one trained"
        aside |= {trial.number: trial for trial in found}
        cut += training
    run = search(tmp_path, storage, mode)
    summary = run()
    assert (summary.n_trials, summary.interrupted) == (N_TRIALS, False)
    trials = run.trials
    assert all(trial.state.is_finished() for trial in trials)
    assert len(counted(trials)) == N_TRIALS
    assert len(trials) == N_TRIALS + len({trial.number for trial in cut})
    for trial in aside.values():  # what they had come to is there, under whichever number
        ended = [t for t in counted(trials) if t.params == trial.params]
        assert len(ended) == 1
        assert ended[0].state is TrialState.COMPLETE or mode == "freeze_thaw"
        assert trial.intermediate_values.items() <= ended[0].intermediate_values.items()
    for trial in cut:
        assert trials[trial.number].user_attrs["status"] == "interrupted"
        assert [t.params for t in counted(trials)].count(trial.params) == 1
    whole = search(tmp_path / "whole", InMemoryStorage(), "full")  # the same points, far quicker
    whole()
    points = [sorted(str(t.params) for t in counted(r.trials)) for r in (run, whole)]
    assert points[0] == points[1]
    log = [json.loads(line) for line in (tmp_path / "trained").read_text().splitlines()]
    log += [[trials[number].params, epoch] for number, epoch in run.objective.trained]
    told = [json.dumps(line, sort_keys=True) for line in log]
    assert len(told) - len(set(told)) <= len(cut), "the epoch of a kill is all that is repeated"
