"""Export, import and merge lose nothing, write nothing over, and leave no halves behind."""

import os
import sqlite3

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState
from pyarrow import parquet

from foretune.core import HistoryError
from foretune.history import (
    export_history,
    import_history,
    merge_histories,
    open_storage,
    read_history,
)


def trials_of(path):
    """All trials by study, as Optuna itself reads them."""
    storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
    found = {
        study.study_name: (study, storage.get_all_trials(study._study_id))
        for study in storage.get_all_studies()
    }
    storage.engine.dispose()
    return found


def told(trial):
    """What a trial says, comparable where it says NaN."""
    return repr(
        (
            trial.number,
            trial.state.name,
            trial.values,
            trial.params,
            trial.distributions,
            trial.user_attrs,
            trial.system_attrs,
            sorted(trial.intermediate_values.items()),
            trial.datetime_start,
            trial.datetime_complete,
        )
    )


def listing(folder):
    """The files in ``folder``, without SQLite's own beside a write-ahead database."""
    return sorted(n for n in os.listdir(folder) if not n.endswith(("-wal", "-shm", ".lock")))


def imported(sources, path):
    storage = open_storage(f"sqlite:///{path}")
    try:
        return import_history(sources, storage)
    finally:
        storage.engine.dispose()


@pytest.mark.parametrize("via", ["parquet", "database", "journal"])
def test_round_trip_by_optuna_s_own_reading(via, rich_db, empty_db, tmp_path, fill):
    if via == "parquet":
        source = tmp_path / "all.parquet"
        done = export_history([rich_db], source)
        assert (done.n_studies, done.n_trials) == (2, 15)
    elif via == "journal":
        source = tmp_path / "j.log"
        backend = optuna.storages.journal.JournalFileBackend(str(source))
        fill(optuna.storages.JournalStorage(backend))
    else:
        source = rich_db
    assert imported([source], empty_db).n_trials == 15
    before, after = trials_of(rich_db), trials_of(empty_db)
    assert before.keys() == after.keys()
    for name, (study, trials) in before.items():
        other, copies = after[name]
        assert repr(study.user_attrs) == repr(other.user_attrs)
        assert study.directions == other.directions
        for trial, copy in zip(trials, copies, strict=True):
            if trial.state is TrialState.RUNNING:  # nobody runs it there
                assert copy.state is TrialState.FAIL
                assert "still running" in copy.user_attrs["failure"]
            else:
                assert told(trial) == told(copy)


def test_the_same_again_is_skipped_and_another_of_its_name_renamed(rich_db, empty_db, tmp_path):
    imported([rich_db], empty_db)
    done = imported([rich_db, rich_db], empty_db)
    assert (done.n_studies, done.n_known) == (0, 4)
    with sqlite3.connect(rich_db) as connection:
        connection.execute("UPDATE trial_values SET value = 0.123 WHERE trial_id = 1")
    done = imported([rich_db], empty_db)
    assert (done.n_studies, done.n_known, done.renamed) == (1, 1, {"rich": "rich-2"})
    assert imported([rich_db], empty_db).n_known == 2  # rich-2 is recognised too
    found = trials_of(empty_db)
    assert found["rich"][1][0].value == 0.5
    assert found["rich-2"][1][0].value == 0.123


def test_names_that_end_in_a_number_are_numbered_on(empty_db, tmp_path):
    for k in range(4):  # four times another study of the same two names
        storage = open_storage(f"sqlite:///{tmp_path}/{k}.db")
        for name in ("study-0", "study-1"):
            study = optuna.create_study(storage=storage, study_name=name)
            study.tell(study.ask(), float(k))
        storage.engine.dispose()
        assert imported([tmp_path / f"{k}.db"], empty_db).n_studies == 2
    names = [f"study-{k}{n}" for k in (0, 1) for n in ("", "-2", "-3", "-4")]
    assert sorted(trials_of(empty_db)) == sorted(names)
    assert imported([tmp_path / "2.db"], empty_db).n_known == 2


def test_a_search_goes_on_in_an_imported_study(rich_db, empty_db):
    imported([rich_db], empty_db)
    storage = open_storage(f"sqlite:///{empty_db}")
    study = optuna.load_study(study_name="rich", storage=storage)
    assert study.ask().number == 11  # the one that was waiting
    assert study.ask().number == 12
    storage.engine.dispose()


def test_export_of_one_study_and_of_none(rich_db, empty_db, tmp_path):
    path = tmp_path / "low.parquet"
    assert export_history([rich_db], path, studies=["low"]).n_studies == 1
    assert [s.name for s in read_history(path).studies] == ["low"]
    for sources, options, words in (
        ([rich_db], {"studies": ["lo"]}, "no study 'lo'"),
        ([empty_db], {}, "nothing to export"),
        ([tmp_path / "none.db"], {}, "does not exist"),
    ):
        with pytest.raises(HistoryError, match=words):
            export_history(sources, tmp_path / "out.parquet", **options)
    with pytest.raises(HistoryError, match=r"ends in \.parquet"):
        export_history([rich_db], tmp_path / "out.csv")
    assert sorted(p.name for p in tmp_path.glob("*out*")) == []


def test_a_failed_export_leaves_the_good_file(rich_db, tmp_path):
    path = tmp_path / "all.parquet"
    export_history([rich_db], path)
    good = path.read_bytes()
    with pytest.raises(HistoryError, match=r"exists.*overwrite"):
        export_history([rich_db], path)
    with sqlite3.connect(rich_db) as connection:  # a trial of the second study cannot be read
        connection.execute("UPDATE trial_params SET distribution_json = '{' WHERE trial_id = 14")
    with pytest.raises(HistoryError, match=r"stays as it was.*'low': left out trial 1 \("):
        export_history([rich_db], path, overwrite=True)
    assert path.read_bytes() == good
    with sqlite3.connect(rich_db) as connection:  # now none of them
        connection.execute("DROP TABLE trial_params")
    with pytest.raises(HistoryError, match="trial_params"):
        export_history([rich_db], path, overwrite=True)
    assert path.read_bytes() == good
    assert listing(tmp_path) == ["all.parquet", "rich.db"]
    with pytest.raises(HistoryError, match="cannot be written"):
        export_history([path], path / "below" / "x.parquet")


def test_a_failed_import_leaves_whole_studies(rich_db, empty_db, tmp_path):
    with pytest.raises(HistoryError, match=r"none\.db does not exist"):
        imported([rich_db, tmp_path / "none.db"], empty_db)
    assert [len(trials) for _, trials in trials_of(empty_db).values()] == [12, 3]


def test_an_import_that_breaks_inside_a_study_takes_it_back(rich_db, empty_db):
    with sqlite3.connect(empty_db) as connection:
        connection.execute("DROP TABLE trial_system_attributes")  # the last one written
    storage = optuna.storages.RDBStorage(
        f"sqlite:///{empty_db}", skip_compatibility_check=True, skip_table_creation=True
    )
    with pytest.raises(HistoryError, match="trial_system_attributes"):
        import_history([rich_db], storage)
    with sqlite3.connect(empty_db) as connection:
        assert connection.execute("SELECT count(*) FROM studies").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM trials").fetchone() == (0,)


def test_merge(rich_db, tmp_path):
    low = tmp_path / "low.parquet"
    export_history([rich_db], low, studies=["low"])
    for name in ("all.db", "all.parquet"):
        done = merge_histories([low, rich_db], tmp_path / name)
        assert (done.n_studies, done.n_known) == (2, 1)
        assert {s.name for s in read_history(tmp_path / name).studies} == {"rich", "low"}
        with pytest.raises(HistoryError, match="exists"):
            merge_histories([low], tmp_path / name)
    with pytest.raises(HistoryError, match="never replaced"):
        merge_histories([low], tmp_path / "all.db", overwrite=True)
    with pytest.raises(HistoryError, match="does not exist"):
        merge_histories([tmp_path / "none.db"], tmp_path / "other.db")
    assert listing(tmp_path) == ["all.db", "all.parquet", "low.parquet", "rich.db"]
    assert not list(tmp_path.glob(".*"))
    assert merge_histories([low], tmp_path / "all.parquet", overwrite=True).n_studies == 1


def test_a_revision_that_optuna_alone_knows(rich_db, empty_db, monkeypatch):
    # As after an Optuna release that changes its tables: slower, or refused, never wrong.
    expected = read_history(rich_db).studies
    monkeypatch.setattr("foretune.history.schema.REVISIONS", ("v0.0.0.a",))
    monkeypatch.setattr("foretune.history.store.HEAD", "v0.0.0.a")
    records = read_history(rich_db)
    assert records.notes == ()
    for left, right in zip(expected, records.studies, strict=True):
        np.testing.assert_array_equal(left.values, right.values)
        np.testing.assert_array_equal(left.columns[0].values, right.columns[0].values)
    storage = open_storage(f"sqlite:///{empty_db}")
    with pytest.raises(HistoryError, match="into which this version cannot import"):
        import_history([rich_db], storage)
    storage.engine.dispose()


def test_an_export_does_not_name_the_machine_that_ran_a_trial(tmp_path):
    storage = open_storage(f"sqlite:///{tmp_path}/signed.db")
    study = optuna.create_study(storage=storage, study_name="signed")
    trial = study.ask()
    trial.set_user_attr("lease", {"pid": 1, "host": "my-laptop", "until": 0.0})
    study.tell(trial, 1.0)
    export_history([storage], tmp_path / "out.parquet")
    assert "my-laptop" not in str(parquet.read_table(tmp_path / "out.parquet").to_pylist())
    again = open_storage(f"sqlite:///{tmp_path}/again.db")
    import_history([tmp_path / "out.parquet"], again)
    assert import_history([storage], again).n_known == 1  # the same study, signed or not
