"""Whatever is wrong with a history: a sentence, never an exception, and the file stays as it is."""

import os
import sqlite3
import tempfile
from pathlib import Path

import numpy as np
import optuna
import pytest

from foretune.history import HistoryRecords, export_history, read_history
from foretune.history.source import LOCK_WAIT_S


def sentence(history):
    """The one note on a history from which nothing can be read."""
    records = read_history(history)
    assert records.studies == ()
    (note,) = records.notes
    assert note.endswith(".")
    assert "\n" not in note
    return note


def test_what_is_no_history_is_said_in_a_sentence(tmp_path):
    text = tmp_path / "notes.db"
    text.write_text("these are notes, not a database\n" * 100)
    empty = tmp_path / "empty.db"
    empty.touch()
    other = tmp_path / "mlflow.db"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE runs (id)")
        connection.execute("CREATE TABLE alembic_version (version_num)")
    for history, words in (
        (tmp_path / "none.db", "does not exist"),
        (f"sqlite:///{tmp_path}/none.db", "does not exist"),
        (tmp_path / "none.parquet", "does not exist"),
        (tmp_path, "is a folder"),
        (empty, "is an empty file"),
        (text, "is not an SQLite database"),
        (other, "holds no Optuna tables"),
        ("sqlite://", "is a database in memory"),
        ("sqlite:///:memory:", "is a database in memory"),
        ("nosuch://host/db", "is no storage URL"),
        ("mysql+nodriver://host/db", "is no storage URL"),
    ):
        assert words in sentence(history), history
    assert not (tmp_path / "none.db").exists()


def test_no_studies(empty_db):
    assert "holds no studies" in sentence(empty_db)


def test_newer_and_older_schemas(rich_db):
    for revision, words in (("v9.0.0.a", "upgrade Optuna"), ("v2.6.0.a", "optuna storage upgrade")):
        with sqlite3.connect(rich_db) as connection:
            connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
        note = sentence(rich_db)
        assert f"is of schema {revision}" in note
        assert words in note
    with sqlite3.connect(rich_db) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", ("\u202e" + "x" * 10_000,))
    assert sentence(rich_db).endswith("is incomplete or damaged, or older than Optuna 1.0.")
    with sqlite3.connect(rich_db) as connection:
        connection.execute("DELETE FROM alembic_version")
    assert "is incomplete" in sentence(rich_db)
    with sqlite3.connect(rich_db) as connection:
        connection.execute("INSERT INTO alembic_version VALUES ('v3.0.0.d')")
    assert len(read_history(rich_db).studies) == 2  # the revision before: the same columns
    with sqlite3.connect(rich_db) as connection:  # a damaged cell beside the one that decides
        connection.execute("UPDATE version_info SET schema_version = 'x'")
        connection.execute("UPDATE trial_params SET distribution_json = '{' WHERE trial_id = 1")
    assert len(read_history(rich_db).studies) == 2


def test_locked(rich_db, monkeypatch):
    monkeypatch.setattr("foretune.history.source.LOCK_WAIT_S", 0.05)
    assert LOCK_WAIT_S > 1  # the default outlasts a writer's usual transaction
    with sqlite3.connect(rich_db) as holder:
        holder.execute("PRAGMA journal_mode=DELETE")
        holder.execute("BEGIN EXCLUSIVE")
        assert "is locked by another process" in sentence(rich_db)


def test_reading_leaves_the_file_as_it_is(rich_db):
    with sqlite3.connect(rich_db) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    before = rich_db.read_bytes(), rich_db.stat().st_mtime_ns, sorted(os.listdir(rich_db.parent))
    rich_db.chmod(0o444)
    assert read_history(rich_db).studies
    after = rich_db.read_bytes(), rich_db.stat().st_mtime_ns, sorted(os.listdir(rich_db.parent))
    assert before == after


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX users")
def test_write_ahead_file_in_a_folder_that_cannot_be_written(rich_db):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "wal.db").write_bytes(rich_db.read_bytes())
        folder.chmod(0o555)
        child = os.fork()
        if not child:  # as nobody, since root may write anywhere
            try:
                if os.geteuid() == 0:
                    os.setuid(65534)
                os._exit(len(read_history(folder / "wal.db").studies))
            finally:
                os._exit(100)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        folder.chmod(0o755)
    assert status == 2


def test_truncated_at_any_offset(rich_db, tmp_path):
    whole = rich_db.read_bytes()
    rng = np.random.default_rng(0)
    for size in [1, 15, 16, 99, 100, 4096, *rng.integers(100, len(whole), 40).tolist()]:
        part = tmp_path / "part.db"
        part.write_bytes(whole[:size])
        records = read_history(part)
        assert isinstance(records, HistoryRecords)
        assert records.studies or records.notes
        assert all(note.endswith(".") for note in records.notes)


def test_flipped_bytes(rich_db, tmp_path):
    whole = np.frombuffer(rich_db.read_bytes(), np.uint8)
    rng = np.random.default_rng(1)
    for n_flips in (1, 3, 30, 300) * 15:
        bad = whole.copy()
        where = rng.integers(0, whole.size, n_flips)
        bad[where] ^= rng.integers(1, 256, n_flips).astype(np.uint8)
        part = tmp_path / "flipped.db"
        part.write_bytes(bad.tobytes())
        records = read_history(part)
        assert isinstance(records, HistoryRecords)
        for study in records.studies:
            for column in study.columns:
                assert column.values.shape == study.values.shape


def test_damaged_journal(fill, tmp_path):
    path = tmp_path / "j.log"
    backend = optuna.storages.journal.JournalFileBackend(str(path))
    fill(optuna.storages.JournalStorage(backend))
    whole = path.read_bytes()
    rng = np.random.default_rng(2)
    for size in rng.integers(1, len(whole), 12).tolist():
        part = tmp_path / "part.log"
        part.write_bytes(whole[:size] + b"\xff{")
        assert isinstance(read_history(part), HistoryRecords)


def test_damaged_parquet(rich_db, tmp_path):
    path = tmp_path / "whole.parquet"
    export_history([rich_db], path)
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    rng = np.random.default_rng(3)
    part = tmp_path / "part.parquet"
    for _ in range(30):
        part.write_bytes(whole[: rng.integers(1, whole.size)].tobytes())
        assert "is no readable parquet file" in sentence(part)
    for _ in range(30):
        bad = whole.copy()
        bad[rng.integers(0, whole.size, 3)] ^= 255
        part.write_bytes(bad.tobytes())
        assert isinstance(read_history(part), HistoryRecords)


def test_cells_of_a_wrong_kind_are_not_numbers(rich_db):
    with sqlite3.connect(rich_db) as connection:
        connection.execute("UPDATE trial_params SET distribution_json = '{' WHERE trial_id = 1")
        connection.execute(
            "UPDATE trial_params SET param_value = 77"
            " WHERE trial_id = 2 AND param_name = 'optimiser'"
        )
        connection.execute("UPDATE study_user_attributes SET value_json = '{' WHERE key = 'task'")
    records = read_history(rich_db)
    rich = records.studies[0]
    lost = {c.name: int(np.isnan(c.values[:10]).sum()) for c in rich.columns}
    assert lost["lr"] == 1
    assert lost["optimiser"] == 2
    assert "task" not in rich.user_attrs
    said = " ".join(records.notes)
    assert "2 values of parameter 'optimiser' without a place" in said
    assert "left out attribute 'task' of 1 study (not readable)." in said


@pytest.mark.parametrize(
    ("table", "column", "rows"),
    [
        ("trial_params", "distribution_json", "trial_id = 1 AND param_name = 'lr'"),
        ("trial_params", "param_name", "trial_id = 1 AND param_name = 'lr'"),
        ("trials", "datetime_start", "trial_id = 1"),
        ("trial_user_attributes", "value_json", "trial_id = 1 AND key = 'seconds'"),
        ("study_user_attributes", "value_json", "study_id = 1 AND key = 'task'"),
    ],
)
def test_text_that_is_no_utf_8_costs_its_cell_alone(rich_db, table, column, rows):
    (same_data,) = read_history(rich_db, exclude_fingerprint="f00d").notes
    with sqlite3.connect(rich_db) as connection:
        changed = connection.execute(
            f"UPDATE {table} SET {column} = CAST(x'31ff' AS TEXT) WHERE {rows}"
        )
        assert changed.rowcount == 1
    assert len(read_history(rich_db).studies) == 2
    assert read_history(rich_db, exclude_fingerprint="f00d").notes.count(same_data) == 1


def test_one_bad_source_of_many(rich_db, tmp_path):
    records = read_history([tmp_path / "none.db", rich_db, "nosuch://user:secret@host/db"])
    assert len(records.studies) == 2
    assert len(records.notes) == 2
    assert "secret" not in " ".join(records.notes)
