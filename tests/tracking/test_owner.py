"""Whose run is it? A process is known by its host, its number and the moment it began."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from foretune.core import processes
from foretune.testing.trackers import example_plan, example_spec
from foretune.tracking.database import Database
from foretune.tracking.mlflow_tracker import MlflowTracker
from foretune.tracking.owner import BEGAN_TAG, OWNER_TAG, owner_lives, owner_tags

pytestmark = pytest.mark.skipif(processes.this_machine() is None, reason="needs Linux's /proc")


@pytest.fixture
def other() -> Iterator[subprocess.Popen[bytes]]:
    """Another process of this machine, which lives."""
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait()


def tags_of(pid: int, patch: pytest.MonkeyPatch) -> dict[str, str]:
    with patch.context() as there:
        there.setattr(os, "getpid", lambda: pid)
        return owner_tags()


def test_a_run_is_an_orphan_once_its_process_is_gone_or_its_number_another_ones(
    database: Database,
    tmp_path: Path,
    other: subprocess.Popen[bytes],
    monkeypatch: pytest.MonkeyPatch,
):
    living = tags_of(other.pid, monkeypatch)
    reused = living | {OWNER_TAG: f"{socket.gethostname()}:{os.getppid()}"}  # lives; began earlier
    before = MlflowTracker(database)
    before.search_started(example_plan(tmp_path))
    for number, tags in enumerate((living, reused)):
        before.trial_started(example_spec(number), "default configuration")
        (run,) = runs(database, number)
        for key, value in tags.items():
            database.client.set_tag(run.info.run_id, key, value)

    def statuses() -> list[str]:
        with MlflowTracker(database) as tracker:
            tracker.search_started(example_plan(tmp_path))
            return [runs(database, number)[0].info.status for number in range(2)]

    assert statuses() == ["RUNNING", "KILLED"]
    other.kill()
    other.wait()
    assert statuses() == ["KILLED", "KILLED"]
    assert runs(database, 0)[0].data.tags["reason"] == "its process died"


def runs(database: Database, number: int) -> list:
    found = database.client.search_runs([database.experiment_id], f"tags.trial = '{number}'")
    return list(found)


def test_who_is_believed_to_live(other: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch):
    tags, mine = tags_of(other.pid, monkeypatch), owner_tags()
    machine, _, began = tags[BEGAN_TAG].rpartition(" ")
    boot, _, container = machine.partition("/")
    host = socket.gethostname()
    old = {OWNER_TAG: tags[OWNER_TAG]}  # as records of earlier versions have it
    for said, lives in (
        (tags, True),
        (tags | {BEGAN_TAG: f"{machine} {int(began) - 1}"}, False),
        (tags | {BEGAN_TAG: f"another-boot/{container} {began}"}, False),
        (tags | {BEGAN_TAG: f"{boot}/pid:[1] {began}"}, True),  # a container of the same name
        (tags | {OWNER_TAG: f"not-{host}:{other.pid}"}, True),
        (mine, False),  # an earlier search of this process
        (old, True),
        ({OWNER_TAG: mine[OWNER_TAG]}, False),
        ({OWNER_TAG: f"{host}:"}, True),
        ({}, False),
    ):
        assert owner_lives(said) is lives, said
    other.kill()
    other.wait()
    assert not owner_lives(tags)
    assert not owner_lives(old)
