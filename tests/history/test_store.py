"""Opening a storage to write to: many at once, nothing written over, errors that say what to do."""

import multiprocessing
import os
import pickle
import sqlite3
import tempfile
from pathlib import Path

import optuna
import pytest

from foretune.core import HistoryError
from foretune.history import open_storage, read_history


def pragma(storage, name):
    with storage.engine.connect() as connection:
        return connection.exec_driver_sql(f"PRAGMA {name}").scalar()


def refusal(url, **options):
    with pytest.raises(HistoryError) as caught:
        open_storage(url, **options)
    return str(caught.value)


def test_new_file_in_a_new_folder(tmp_path):
    url = f"sqlite:///{tmp_path}/a/b/history.db"
    storage = open_storage(url, busy_timeout_s=7)
    assert pragma(storage, "journal_mode") == "wal"
    assert pragma(storage, "synchronous") == 1  # NORMAL
    assert pragma(storage, "busy_timeout") == 7000
    optuna.create_study(storage=storage, study_name="s").optimize(
        lambda trial: trial.suggest_float("x", 0, 1), n_trials=2
    )
    again = open_storage(url)
    assert again.get_all_studies()[0].study_name == "s"
    copy = pickle.loads(pickle.dumps(again))
    assert copy.get_all_studies()[0].study_name == "s"
    assert read_history(url).studies[0].name == "s"


def test_plain_path_and_memory(tmp_path):
    open_storage(str(tmp_path / "plain.db")).engine.dispose()
    assert (tmp_path / "plain.db").exists()
    assert open_storage("sqlite://").get_all_studies() == []


def _search(url, number, barrier, failures):
    try:
        barrier.wait()
        storage = open_storage(url)
        study = optuna.create_study(storage=storage, study_name="one", load_if_exists=True)
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=5)
    except Exception as error:
        failures.put(f"{number}: {error!r}")


def test_four_processes_open_a_new_file_at_once(tmp_path):
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    context = multiprocessing.get_context("fork")
    barrier, failures = context.Barrier(4), context.SimpleQueue()
    url = f"sqlite:///{tmp_path}/new.db"
    workers = [context.Process(target=_search, args=(url, k, barrier, failures)) for k in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert failures.empty(), failures.get()
    (study,) = read_history(url).studies
    assert sorted(study.numbers.tolist()) == list(range(20))


def test_what_is_there_is_never_written_over(tmp_path, rich_db):
    text = tmp_path / "notes.db"
    text.write_text("these are notes, not a database\n" * 100)
    other = tmp_path / "mlflow.db"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE runs (id)")
        connection.execute("CREATE TABLE alembic_version (version_num)")
    with sqlite3.connect(rich_db) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'v9.0.0.a'")
    cut = tmp_path / "cut.db"
    cut.write_bytes(rich_db.read_bytes()[:40_000])
    for path, words in (
        (text, "is not an SQLite database"),
        (other, "is a database of something else"),
        (rich_db, "is of schema v9.0.0.a, which Optuna"),
        (cut, "is damaged"),
    ):
        before = path.read_bytes()
        assert words in refusal(f"sqlite:///{path}")
        assert path.read_bytes() == before


def test_creation_that_was_cut_short_is_completed(empty_db):
    with sqlite3.connect(empty_db) as connection:
        for table in ("trial_heartbeats", "alembic_version"):
            connection.execute(f"DROP TABLE {table}")
    storage = open_storage(f"sqlite:///{empty_db}")
    assert storage.get_all_studies() == []
    with storage.engine.connect() as connection:
        connection.exec_driver_sql("SELECT * FROM trial_heartbeats")


def test_locked(rich_db):
    with sqlite3.connect(rich_db) as holder:
        holder.execute("BEGIN IMMEDIATE")
        assert "is locked by another process" in refusal(
            f"sqlite:///{rich_db}", busy_timeout_s=0.05
        )


def test_another_process_that_opens_it(empty_db):
    from filelock import FileLock

    with FileLock(f"{empty_db}.lock"):
        said = refusal(f"sqlite:///{empty_db}", busy_timeout_s=0.05)
    assert "is being opened by another process" in said


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX users")
@pytest.mark.parametrize("what", ["folder", "file"])
def test_read_only(what, rich_db):
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "history.db"
        path.write_bytes(rich_db.read_bytes())
        path.chmod(0o444)
        path.parent.chmod(0o555 if what == "folder" else 0o777)
        reader, writer = os.pipe()
        child = os.fork()
        if not child:  # as nobody, since root may write anywhere
            if os.geteuid() == 0:
                os.setuid(65534)
            try:
                open_storage(f"sqlite:///{path}", busy_timeout_s=0.05)
                said = "opened"
            except BaseException as error:
                said = f"{type(error).__name__} {error}"
            os.write(writer, said.encode()[:1000])
            os._exit(0)
        os.waitpid(child, 0)
        said = os.read(reader, 1000).decode()
        path.parent.chmod(0o755)
    assert said.startswith("HistoryError"), said
    assert "cannot be written" in said or "is read-only" in said


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "expected a storage URL"),
        ("nosuch://me:secret@host/db", "is no storage URL"),
        ("postgresql+psycopg2://me:secret@127.0.0.1:1/db", ""),
        ("postgresql+psycopg://me:secret@127.0.0.1:1/db", ""),
        ("sqlite:///{tmp}", "is a folder"),
        ("sqlite:///{tmp}/file/history.db", "cannot be written"),
    ],
)
def test_urls_that_cannot_be_opened(url, words, tmp_path):
    (tmp_path / "file").touch()
    said = refusal(url.format(tmp=tmp_path))
    assert words in said
    assert "secret" not in said
    assert "\n" not in said
