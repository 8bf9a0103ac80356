"""A history that was cut off anywhere or whose rows hold anything: read, or refused in words."""

import random
import shutil
import sqlite3
from contextlib import closing

import numpy as np
import optuna
import pytest

from foretune.core import HistoryError
from foretune.history import HistoryRecords, import_history, read_history
from foretune.history.store import open_storage
from foretune.search.distributions import suggest
from foretune.space import Choice, Float, Int, Space

SPACE = Space(
    (
        Choice("optimiser", ("adam", "sgd")),
        Float("lr", 1e-5, 1e-2, log=True),
        Int("layers", 1, 6),
        Float("momentum", 0.0, 0.9, when={"optimiser": ("sgd",)}),
    )
)
JUNK = (
    None, -1, 0, 2**63 - 1, -(2**63), 1e308, float("inf"), "", "nan", "../../x", "x" * 10_000,
    b"\x00\xff", "[" * 2000, "{}", "[]", "null", '{"name": "FloatDistribution"}',
    '{"name": "CategoricalDistribution", "attributes": {"choices": []}}',
    '{"name": "__import__", "attributes": {}}', "RUNNING", "2026-13-45", "\u202e", "\ud7ff",
    '{"pid": "x", "until": []}', "Infinity", "1e999",
)  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A database of two studies, trials of every state, curves and attributes."""
    path = tmp_path_factory.mktemp("history") / "whole.db"
    storage = open_storage(f"sqlite:///{path}")
    for k in range(2):
        study = optuna.create_study(storage=storage, study_name=f"study-{k}", direction="maximize")
        study.set_user_attr("task_descriptors", {"rows": 512.0})
        for n in range(12):
            trial = study.ask()
            suggest(trial, SPACE)
            trial.report(0.1 * n, 1)
            trial.set_user_attr("seconds", 1.5)
            states = optuna.trial.TrialState
            if n % 5 == 4:
                study.tell(trial, state=states.PRUNED if n % 2 else states.FAIL)
            elif n < 11:
                study.tell(trial, 0.1 * n)
    storage.engine.dispose()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode=DELETE")
    return path


def readable(path):
    """What can be read of it; whatever that is, it is a history and sentences."""
    records = read_history(path)
    assert isinstance(records, HistoryRecords)
    assert records.studies or records.notes
    for note in records.notes:
        assert note.endswith(".")
        assert "Traceback" not in note
    for study in records.studies:
        assert len(study.values) == len(study.states)
    return records


@pytest.mark.parametrize(
    "n_cuts", [20, pytest.param(200, marks=pytest.mark.slow)], ids=lambda n: f"{n} cuts"
)
def test_cut_off_at_a_random_offset(whole, tmp_path, n_cuts):
    content, read, part = whole.read_bytes(), 0, tmp_path / "part.db"
    for size in np.random.default_rng(0).integers(0, len(content), n_cuts).tolist():
        part.write_bytes(content[:size])
        read += bool(readable(part).studies)
        assert part.read_bytes() == content[:size], "reading writes nothing"
    print(f"{n_cuts} cuts: {read} could be read, {n_cuts - read} were refused in a sentence")


def fuzz(path, rng):
    """Put junk into one cell of a random row; False: SQLite's own constraints refuse it."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA ignore_check_constraints=1")
        names = "select name from sqlite_master where type = 'table' and name not like 'sqlite%'"
        table = rng.choice([name for (name,) in db.execute(names)])
        columns = [row[1] for row in db.execute(f"pragma table_info({table})")]
        rows = [row for (row,) in db.execute(f"select rowid from {table}")]
        if not rows:
            return False
        try:
            db.execute(
                f"update {table} set {rng.choice(columns)} = ? where rowid = ?",
                (rng.choice(JUNK), rng.choice(rows)),
            )
            db.commit()
        except (sqlite3.Error, OverflowError):
            return False
    return True


@pytest.mark.timeout(1500)
@pytest.mark.parametrize(
    "n_rows", [50, pytest.param(1000, marks=pytest.mark.slow)], ids=lambda n: f"{n} rows"
)
def test_rows_that_hold_anything(whole, tmp_path, n_rows):
    """Read, and imported into a storage that keeps what it has and holds no broken trial."""
    rng, part = random.Random(0), tmp_path / "part.db"
    told = dict.fromkeys(("files", "read", "imported", "anew", "trials"), 0)
    storages = []
    done = 0
    while done < n_rows:
        shutil.copy(whole, part)
        n = sum(fuzz(part, rng) for _ in range(min(5, n_rows - done)))
        if not n:
            continue
        if told["files"] % 25 == 0:  # an import compares with all studies of its names
            storages.append(storage_of_one(tmp_path / f"own-{len(storages)}.db"))
        done += n
        told["files"] += 1
        told["read"] += bool(readable(part).studies)
        try:
            came = import_history([part], storages[-1])
        except HistoryError:  # no other error
            continue
        told["imported"] += 1
        told["anew"] += bool(came.n_studies)
        told["trials"] += came.n_trials
        assert came.n_trials == 24 or came.notes or came.n_known, "what is missing is said"
    for storage in storages:
        own = optuna.load_study(study_name="own", storage=storage)
        assert [t.value for t in own.trials] == [1.0]
        for name in optuna.get_all_study_names(storage):  # Optuna itself can read all of it
            for trial in optuna.load_study(study_name=name, storage=storage).trials:
                assert trial.state != optuna.trial.TrialState.RUNNING
                assert trial.params.keys() == trial.distributions.keys()
                completed = trial.state == optuna.trial.TrialState.COMPLETE
                assert completed <= (trial.value is not None)
    assert told["imported"] >= told["files"] // 3, "the others' own version is damaged, mostly"
    print(f"{n_rows} rows: {told}; 24 trials a file")


def storage_of_one(path):
    """A storage that holds a study with one trial."""
    storage = open_storage(f"sqlite:///{path}")
    own = optuna.create_study(storage=storage, study_name="own")
    own.enqueue_trial({})
    own.tell(own.ask(), 1.0)
    return storage
