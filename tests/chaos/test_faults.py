"""What a machine does wrong: a full disk, a folder that cannot be written, a clock that jumps."""

import os
import shutil
import subprocess
import time
from datetime import timedelta

import optuna
import pytest
from optuna.trial import TrialState

from foretune.config.schema.search import SearchConfig
from foretune.core import HistoryError
from foretune.execute import ProcessExecutor
from foretune.history.store import open_storage
from foretune.search import progress
from foretune.search.lease import LEASE, holder_lives
from foretune.search.study import counted
from foretune.testing.faults import FaultyRecipe
from foretune.testing.planted import Run


@pytest.fixture
def small_disk(tmp_path):
    """A folder with a disk of 2 MiB under it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    mounts = shutil.which("mount") and not subprocess.run(command, check=False).returncode
    if not mounts:
        pytest.skip("needs the right to mount a tmpfs")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=False)


def fill(file):
    """Write until the disk is full."""
    handle = os.open(file, os.O_CREAT | os.O_WRONLY)
    try:
        while os.write(handle, bytes(4096)):
            continue
    except OSError:
        os.close(handle)


def search(folder, n_trials):
    run = Run(SearchConfig(method="random", n_trials=n_trials), folder / "study")
    run.storage = open_storage(f"sqlite:///{folder}/history.db")
    return run


def test_a_full_disk_ends_the_search_with_a_message_and_nothing_recorded_is_lost(small_disk):
    run = search(small_disk, 4)
    run()
    before = [(t.params, t.value) for t in run.trials]
    fill(small_disk / "other")
    with pytest.raises(HistoryError, match="disk is full"):
        search(small_disk, 2000)()
    (small_disk / "other").unlink()
    again = search(small_disk, 6)
    again()
    done = counted(again.trials)
    assert len(done) >= 6
    assert [(t.params, t.value) for t in done][:4] == before
    assert TrialState.RUNNING not in {t.state for t in again.trials}


def test_a_full_disk_under_the_models_fails_trials_with_that_reason(small_disk, tmp_path):
    fill(small_disk / "other")
    run = search(tmp_path, 2)
    run.folder = small_disk / "study"
    with (
        ProcessExecutor(FaultyRecipe(tmp_path)) as run.executor,
        pytest.raises(Exception, match=r"No space left on device"),
    ):
        run()


def test_no_clock_has_a_say_on_this_machine(tmp_path, monkeypatch):
    """Whether a search lives does not depend on the time, before or after a jump by a day."""
    process = subprocess.Popen(["sleep", "60"])
    try:
        from foretune.search import lease

        with monkeypatch.context() as patch:
            patch.setattr(lease.os, "getpid", lambda: process.pid)
            signed = {LEASE: lease.signature()}
        for jump in (0, 86400, -86400):
            with monkeypatch.context() as patch:
                moved = time.time() + jump
                patch.setattr(lease.time, "time", lambda moved=moved: moved)
                assert holder_lives(signed)
    finally:
        process.kill()
        process.wait()
    for jump in (0, -86400):
        with monkeypatch.context() as patch:
            moved = time.time() + jump
            patch.setattr(lease.time, "time", lambda moved=moved: moved)
            assert not holder_lives(signed)


def test_a_process_number_that_is_used_again_is_not_the_old_process():
    from foretune.search import lease

    signed = lease.signature()
    signed |= {
        "pid": 1,
        "began": signed["began"],
    }  # process 1 lives, and is not the one that signed
    assert not holder_lives({LEASE: signed})


def test_a_trial_that_ended_before_it_began_costs_nothing(tmp_path):
    run = search(tmp_path, 2)
    run()
    trial = optuna.trial.create_trial(
        params={}, distributions={}, value=0.1, state=TrialState.COMPLETE
    )
    trial.datetime_complete = trial.datetime_start - timedelta(days=1)
    before = progress(run.study).seconds
    run.study.add_trial(trial)
    assert progress(run.study).seconds == pytest.approx(before, abs=1.0)
