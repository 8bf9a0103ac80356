"""Every kind of history gives the same arrays, and nothing is told that was not recorded."""

import math
import sqlite3

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState, create_trial

from foretune.history import export_history, open_storage, read_history


def same(first, second):
    """Whether two study records are equal but for their source."""
    assert (first.name, first.maximize) == (second.name, second.maximize)
    np.testing.assert_equal(dict(first.user_attrs), dict(second.user_attrs))
    for name in ("values", "states", "numbers", "seconds"):
        left, right = getattr(first, name), getattr(second, name)
        assert left.dtype == right.dtype
        np.testing.assert_array_equal(left, right, err_msg=name)
    assert [c.name for c in first.columns] == [c.name for c in second.columns]
    for left, right in zip(first.columns, second.columns, strict=True):
        assert left.distribution == right.distribution
        np.testing.assert_array_equal(left.values, right.values, err_msg=left.name)
    for name in ("trial", "step", "value"):
        np.testing.assert_array_equal(getattr(first.curves, name), getattr(second.curves, name))
    assert first.trial_attrs.keys() == second.trial_attrs.keys()
    for name, column in first.trial_attrs.items():
        np.testing.assert_array_equal(column, second.trial_attrs[name], err_msg=name)


def column(study, name):
    return next(c for c in study.columns if c.name == name)


def test_arrays_hold_what_was_recorded(rich_db):
    records = read_history(f"sqlite:///{rich_db}")
    assert records.notes == ()
    rich, low = records.studies
    assert (rich.name, rich.maximize, low.maximize) == ("rich", True, False)
    assert rich.source == f"sqlite:///{rich_db}"
    assert rich.user_attrs["task_descriptors"]["rows"] == 512.0
    np.testing.assert_array_equal(rich.numbers, np.arange(12))
    told = [0.5, 0.51, 0.52, 0.53, 0.54, 0.55, math.inf, -math.inf, 0.2, *[math.nan] * 3]
    np.testing.assert_allclose(rich.values, told)
    assert rich.states.tolist() == [1] * 8 + [2, 3, 0, 4]
    np.testing.assert_allclose(column(rich, "lr").values[:11], 1e-4 * np.arange(1, 12))
    np.testing.assert_array_equal(column(rich, "optimiser").values[:4], [0, 1, 3, 0])
    assert column(rich, "optimiser").distribution.choices == ("adam", None, 1, 2.5, True)
    momentum = column(rich, "momentum").values
    assert np.isfinite(momentum).tolist() == [k % 3 == 0 and k < 11 for k in range(12)]
    # Seconds: the attribute, else completion minus start (90 s and k microseconds).
    np.testing.assert_allclose(rich.seconds[:6], 2.5)
    np.testing.assert_allclose(rich.seconds[6:10], 90 + 1e-6 * np.arange(6, 10), rtol=1e-12)
    assert np.isnan(rich.seconds[10:]).all()
    np.testing.assert_array_equal(rich.trial_attrs["peak_ram_mb"][:6], 100 + np.arange(6))
    assert "note" not in rich.trial_attrs
    assert rich.curves.step.tolist() == [1, 2, 3] * 11
    assert rich.curves.trial.tolist() == np.repeat(np.arange(11), 3).tolist()
    assert math.isinf(rich.curves.value[1])
    assert math.isnan(rich.curves.value[5])


def test_every_kind_of_source_gives_the_same(rich_db, fill, tmp_path):
    url = f"sqlite:///{rich_db}"
    parquet = tmp_path / "all.parquet"
    export_history([url], parquet)
    journal = optuna.storages.JournalStorage(JournalFileBackend(str(tmp_path / "j.log")))
    expected = read_history(url).studies
    rdb = optuna.storages.RDBStorage(url)
    for source in (
        rich_db,
        str(rich_db),
        f"sqlite+pysqlite:///{rich_db}",
        f"file://{rich_db}",
        rdb,
        optuna.storages.get_storage(url),
        fill(optuna.storages.InMemoryStorage()),
        fill(journal),
        tmp_path / "j.log",
    ):
        records = read_history(source)
        assert records.notes == ()
        for left, right in zip(expected, records.studies, strict=True):
            same(left, right)
    rdb.engine.dispose()
    rich, low = read_history(parquet).studies
    same(low, expected[1])
    assert rich.states.tolist() == [1] * 8 + [2, 3, 3, 4]  # nobody runs the running one there
    for left, right in zip(rich.columns, expected[0].columns, strict=True):
        np.testing.assert_array_equal(left.values, right.values)


def test_several_sources_count_a_study_once(rich_db, tmp_path):
    parquet = tmp_path / "low.parquet"
    export_history([rich_db], parquet, studies=["low"])
    records = read_history([f"sqlite:///{rich_db}", parquet])
    assert [s.name for s in records.studies] == ["rich", "low"]
    (note,) = records.notes
    assert "low.parquet: left out study 'low' (the same trials as in sqlite" in note


def test_exclusions(rich_db):
    records = read_history(rich_db, exclude_fingerprint="f00d")
    assert [s.name for s in records.studies] == ["low"]
    assert "left out study 'rich' (the same data)" in records.notes[0]
    assert [s.name for s in read_history(rich_db, exclude_studies=["low"]).studies] == ["rich"]
    assert read_history(rich_db, exclude_studies=["low", "rich"]).notes == ()
    assert read_history(None).studies == ()


def test_ranges_and_choices_that_changed_are_joined():
    storage = optuna.storages.InMemoryStorage()
    study = optuna.create_study(storage=storage, study_name="wide")
    for low, high, choices, value in ((1, 8, ("a", "b"), 3), (4, 32, ("a", "b"), 20)):
        study.add_trial(
            create_trial(
                value=1.0,
                params={"n": value, "x": 0.5, "c": "b", "s": 0.5},
                distributions={
                    "n": IntDistribution(low, high),
                    "x": FloatDistribution(0.1, high, log=True),
                    "c": CategoricalDistribution(choices),
                    "s": FloatDistribution(0, low, step=0.5),
                },
            )
        )
    (wide,) = read_history(storage).studies
    assert column(wide, "n").distribution == IntDistribution(1, 32)
    assert column(wide, "x").distribution == FloatDistribution(0.1, 32, log=True)
    assert column(wide, "s").distribution == FloatDistribution(0, 4, step=0.5)
    np.testing.assert_array_equal(column(wide, "n").values, [3, 20])
    np.testing.assert_array_equal(column(wide, "c").values, [1, 1])


def test_choices_that_differ_inside_a_study_are_joined(rich_db):
    # Optuna forbids this, other writers do not: 1, 1.0 and True stay different choices.
    with sqlite3.connect(rich_db) as connection:
        connection.execute(
            "UPDATE trial_params SET param_value = 1, distribution_json = ?"
            " WHERE param_name = 'optimiser' AND trial_id = 2",
            ('{"name": "CategoricalDistribution", "attributes": {"choices": [1.0, "sgd"]}}',),
        )
    rich = read_history(rich_db).studies[0]
    joined = column(rich, "optimiser")
    assert joined.distribution.choices == ("adam", None, 1, 2.5, True, 1.0, "sgd")
    assert joined.values[1] == 6


def test_unusable_studies_are_named(rich_db):
    storage = open_storage(f"sqlite:///{rich_db}")
    optuna.create_study(storage=storage, study_name="two", directions=["maximize", "minimize"])
    optuna.create_study(storage=storage, study_name="blank")
    optuna.create_study(storage=storage, study_name="busy").ask()
    endless = optuna.create_study(storage=storage, study_name="endless")
    endless.add_trial(create_trial(value=math.inf))
    broken = optuna.create_study(storage=storage, study_name="broken")
    broken.add_trials([create_trial(state=TrialState.FAIL)] * 2)
    storage.engine.dispose()
    records = read_history(rich_db)
    assert [s.name for s in records.studies] == ["rich", "low"]
    said = "\n".join(records.notes)
    for words in (
        "study 'two' (more than one objective)",
        "study 'blank' (no trials)",
        "2 studies: 'busy', 'broken' (no finished trial)",
        "study 'endless' (no finished trial with a finite value)",
    ):
        assert words in said
    assert len(records.notes) == 4


def test_few_of_many_studies_are_read_alone(empty_db):
    # The branch that asks the database for some studies only.
    storage = open_storage(f"sqlite:///{empty_db}")
    for k in range(8):
        study = optuna.create_study(storage=storage, study_name=f"s{k}")
        study.add_trial(
            create_trial(
                value=k,
                params={"x": 0.1 * k},
                distributions={"x": FloatDistribution(0, 1)},
                intermediate_values={1: k},
                user_attrs={"seconds": k},
            )
        )
    storage.engine.dispose()
    names = [f"s{k}" for k in range(8)]
    few = read_history(empty_db, exclude_studies=[n for n in names if n != "s5"]).studies
    every = read_history(empty_db).studies
    assert len(every) == 8
    same(few[0], every[5])


def test_pages_join_without_a_seam(rich_db, monkeypatch):
    expected = read_history(rich_db).studies
    monkeypatch.setattr("foretune.history.sql.PAGE_ROWS", 3)
    for left, right in zip(expected, read_history(rich_db).studies, strict=True):
        same(left, right)


@pytest.mark.parametrize("extra", ["", "?timeout=1"])
def test_an_open_transaction_of_a_writer_does_not_disturb(rich_db, extra):
    with sqlite3.connect(rich_db) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE trials SET number = 99")
        records = read_history(f"sqlite:///{rich_db}{extra}")
        writer.rollback()
    assert records.studies[0].numbers.tolist() == list(range(12))
