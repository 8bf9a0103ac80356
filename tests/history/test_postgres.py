"""The same history on a real PostgreSQL server of its own, where its programs are installed."""

import multiprocessing

import numpy as np
import optuna
import pytest

from foretune.core import HistoryError
from foretune.history import (
    export_history,
    import_history,
    list_studies,
    open_storage,
    read_history,
)
from foretune.testing.postgres import PASSWORD, create_database


@pytest.fixture(scope="module")
def server(postgres_url):
    """The URL of a server's database, by its name."""
    return lambda name: postgres_url.format(name=name)


@pytest.fixture
def database(postgres_url, request):
    """The URL of a new database."""
    return create_database(postgres_url, f"db{abs(hash(request.node.name))}")


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
