"""The same history on a real PostgreSQL server of its own, where its programs are installed."""

import multiprocessing
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import optuna
import pytest
from sqlalchemy import create_engine

from foretune.core import HistoryError
from foretune.history import (
    export_history,
    import_history,
    list_studies,
    open_storage,
    read_history,
)

PASSWORD = "s3cret"


def _programs():
    pytest.importorskip("psycopg", reason="needs psycopg: pip install 'psycopg[binary]'")
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "pg_ctl").exists():
            return folder
    return pytest.skip("needs the PostgreSQL server programs (initdb, pg_ctl)")


@pytest.fixture(scope="module")
def server():
    """The URL of a server on a socket in a temporary folder, without its database's name."""
    programs = _programs()
    account = None
    if os.geteuid() == 0:  # the server refuses to run as root
        account = next((u for u in ("postgres", "nobody") if _exists(u)), None)
        if account is None:
            pytest.skip("needs an unprivileged user to run the server as")
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    if account:
        shutil.chown(folder, account)
    data, secret = folder / "data", folder / "password"
    secret.write_text(PASSWORD)
    secret.chmod(0o644)

    def run(program, *options):
        subprocess.run(
            [programs / program, "-D", data, *options],
            check=True,
            user=account,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    try:
        run("initdb", "-U", "me", "-A", "scram-sha-256", f"--pwfile={secret}", "-N", "-E", "UTF8")
        settings = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off"
        run("pg_ctl", "start", "-w", "-o", settings, "-l", folder / "log")
        try:
            yield lambda name: f"postgresql+psycopg://me:{PASSWORD}@/{name}?host={folder}"
        finally:
            run("pg_ctl", "stop", "-m", "immediate")
    finally:
        shutil.rmtree(folder)


def _exists(user):
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


@pytest.fixture
def database(server, request):
    """The URL of a new database."""
    name = f"db{abs(hash(request.node.name))}"
    engine = create_engine(server("postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    return server(name)


def _equal(left, right):
    assert left.columns
    for name in ("values", "states", "numbers", "seconds"):
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name))
    for mine, other in zip(left.columns, right.columns, strict=True):
        assert (mine.name, mine.distribution) == (other.name, other.distribution)
        np.testing.assert_array_equal(mine.values, other.values)
    for name in ("trial", "step", "value"):
        np.testing.assert_array_equal(getattr(left.curves, name), getattr(right.curves, name))
    for name, column in left.trial_attrs.items():
        np.testing.assert_array_equal(column, right.trial_attrs[name])


def test_reads_as_sqlite_does(database, fill, rich_db):
    storage = fill(open_storage(database))
    expected = read_history(rich_db).studies
    for source in (database, storage):
        records = read_history(source)
        assert records.notes == ()
        assert PASSWORD not in records.studies[0].source
        for left, right in zip(expected, records.studies, strict=True):
            _equal(left, right)
    storage.engine.dispose()


def test_travels_there_and_back(database, rich_db, tmp_path):
    storage = open_storage(database)
    assert import_history([rich_db], storage).n_studies == 2
    assert import_history([rich_db], storage).n_known == 2
    storage.engine.dispose()
    export_history([database], tmp_path / "back.parquet")
    export_history([rich_db], tmp_path / "straight.parquet")
    back, straight = (
        read_history(tmp_path / f"{name}.parquet").studies for name in ("back", "straight")
    )
    for left, right in zip(straight, back, strict=True):
        _equal(left, right)
    summaries, notes = list_studies([database])
    assert [s.study for s in summaries] == ["low", "rich"]
    assert notes == []
    study = optuna.load_study(study_name="rich", storage=open_storage(database))
    assert study.trials[1].params["dropout"] == 0.1
    study.add_trial(study.trials[0])  # its number continues the imported ones
    assert study.trials[-1].number == 12


def _open(url, barrier, failures):
    try:
        barrier.wait()
        open_storage(url).get_all_studies()
    except Exception as error:
        failures.put(repr(error))


def test_four_processes_open_a_new_database_at_once(database):
    context = multiprocessing.get_context("fork")
    barrier, failures = context.Barrier(4), context.SimpleQueue()
    workers = [context.Process(target=_open, args=(database, barrier, failures)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert failures.empty(), failures.get()


def test_errors_hide_the_password(server):
    for url in (server("nosuch"), server("postgres").replace(PASSWORD, "wrong-s3cret")):
        (note,) = read_history(url).notes
        with pytest.raises(HistoryError) as caught:
            open_storage(url)
        for said in (note, str(caught.value)):
            assert "s3cret" not in said
            assert "cannot be used" in said
    (note,) = read_history(server("postgres")).notes
    assert "holds no Optuna tables" in note
