"""Imports from databases with cells that nobody can read: the sound trials come in, all of them."""

import json
import shutil
import sqlite3

import optuna
import pytest
from optuna.distributions import FloatDistribution, distribution_to_json
from pyarrow import Table, parquet

from foretune.config.schema.history import HistoryConfig
from foretune.config.schema.storage import StorageConfig
from foretune.core import HistoryError
from foretune.history import (
    export_history,
    import_history,
    merge_histories,
    open_storage,
    run_history_job,
    show_study,
)

DISTRIBUTION = "a distribution is not readable"
VALUE = "a parameter's value is none of its distribution"
NUMBER = "a value is no number"
ATTRIBUTE = "an attribute is not JSON"
MOMENT = "a moment is not ISO 8601"
HUGE = json.dumps({"name": "IntDistribution", "attributes": {"low": 0, "high": 10**400}})
ENDLESS = json.dumps({"name": "FloatDistribution", "attributes": {"low": 0, "high": 1e308 * 10}})

# What is put into which column of trial 3 of study "rich" (id 4), and what is then said.
CELLS = [
    ("trial_params", "distribution_json", "{", DISTRIBUTION),
    ("trial_params", "distribution_json", None, DISTRIBUTION),
    ("trial_params", "distribution_json", b"{}", DISTRIBUTION),
    ("trial_params", "distribution_json", "[" * 100_000, DISTRIBUTION),
    ("trial_params", "distribution_json", HUGE, DISTRIBUTION),
    ("trial_params", "distribution_json", ENDLESS, DISTRIBUTION),
    ("trial_params", "param_value", "nan", VALUE),
    ("trial_params", "param_value", None, VALUE),
    ("trial_params", "param_value", b"\x00\xff", VALUE),
    ("trial_params", "param_value", float("inf"), VALUE),
    ("trial_params", "param_value", -1, VALUE),  # the last choice, if one counts as Python does
    ("trial_params", "param_name", b"lr", "a name is no text"),
    ("trial_values", "value", None, NUMBER),
    ("trial_values", "value", "high", NUMBER),
    ("trial_values", "value_type", "HUGE", NUMBER),
    ("trial_values", "value_type", b"\x00\xff", NUMBER),
    ("trial_values", "value_type", "NAN", "not one value an objective"),
    ("trial_intermediate_values", "intermediate_value", "1e999 or so", NUMBER),
    ("trial_intermediate_values", "step", 2.5, "a step is no whole number"),
    ("trial_intermediate_values", "step", 1e30, "a step is no whole number"),
    ("trial_user_attributes", "value_json", "{", ATTRIBUTE),
    ("trial_user_attributes", "value_json", "9" * 5000, ATTRIBUTE),
    ("trial_user_attributes", "value_json", b'"\xff"', ATTRIBUTE),
    ("trial_user_attributes", "key", None, "a name is no text"),
    ("trial_system_attributes", "value_json", "[" * 100_000, ATTRIBUTE),
    ("trials", "datetime_start", "2026-13-45", MOMENT),
    ("trials", "datetime_complete", 0, MOMENT),
    ("trials", "datetime_start", b"\xff", MOMENT),
    ("trials", "state", "DONE", "unknown state"),
    ("trials", "state", b"\x00\xff", "unknown state"),
    ("trials", "number", "x", "no trial number"),
    ("trials", "number", 1e30, "no trial number"),
]


def damage(path, table, column, cell, where="trial_id = 4"):
    """Put something into a cell of the first row that ``where`` says."""
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA ignore_check_constraints=1")
        some = f"SELECT min(rowid) FROM {table} WHERE {where}"
        if column == "param_value":
            some += " AND param_name = 'optimiser'"
        changed = connection.execute(
            f"UPDATE {table} SET {column} = ? WHERE rowid IN ({some})", (cell,)
        )
        assert changed.rowcount == 1
    connection.close()


def trials_in(storage):
    """The notes of all trials by study, as Optuna itself reads them."""
    return {
        study.study_name: [
            trial.user_attrs.get("note") for trial in storage.get_all_trials(study._study_id)
        ]
        for study in storage.get_all_studies()
    }


@pytest.fixture
def own(empty_db):
    """A storage that holds a study of its own."""
    storage = open_storage(f"sqlite:///{empty_db}")
    study = optuna.create_study(storage=storage, study_name="own")
    study.tell(study.ask(), 1.0)
    yield storage
    storage.engine.dispose()


def test_a_cell_that_cannot_be_read_costs_its_trial_and_no_other(rich_db, empty_db, tmp_path):
    whole = trials_in(open_storage(f"sqlite:///{rich_db}"))
    for k, (table, column, cell, why) in enumerate(CELLS):
        part = shutil.copy(rich_db, tmp_path / f"part-{k}.db")
        damage(part, table, column, cell)
        own = shutil.copy(empty_db, tmp_path / f"own-{k}.db")
        storage = open_storage(f"sqlite:///{own}")
        done = import_history([part], storage)
        which = "with id 4" if why == "no trial number" else "3"
        assert done.notes == [f"{part}, study 'rich': left out trial {which} ({why})."], (k, cell)
        assert (done.n_studies, done.n_trials) == (2, 14)
        expected = whole["rich"][:3] + whole["rich"][4:]
        found = trials_in(storage)
        assert sorted(map(str, found["rich"])) == sorted(map(str, expected))
        assert found["low"] == whole["low"]
        assert import_history([part], storage).n_known == 2, "the same again, left as it is"
        storage.engine.dispose()


def test_many_damaged_trials_are_counted_and_the_first_named(rich_db, own):
    for trial in (2, 3, 4, 5, 7):
        damage(rich_db, "trial_params", "distribution_json", "{", f"trial_id = {trial}")
    damage(rich_db, "trial_values", "value", "x", "trial_id = 6")
    done = import_history([rich_db], own)
    assert done.notes == [
        f"{rich_db}, study 'rich': left out 5 trials: 1, 2, 3, ... ({DISTRIBUTION}).",
        f"{rich_db}, study 'rich': left out trial 5 ({NUMBER}).",
    ]
    assert {name: len(found) for name, found in trials_in(own).items()} == {
        "own": 1, "rich": 6, "low": 3,
    }  # fmt: skip


def test_what_a_study_says_of_itself(rich_db, own):
    damage(rich_db, "study_user_attributes", "value_json", "{", "key = 'task'")
    damage(rich_db, "study_directions", "direction", b"\x00\xff", "study_id = 2")
    done = import_history([rich_db], own)
    assert done.notes == [
        f"{rich_db}, study 'rich': left out attribute 'task' ({ATTRIBUTE}).",
        f"{rich_db}: left out study 'low' (unknown directions).",
    ]
    found = trials_in(own)
    assert {name: len(trials) for name, trials in found.items()} == {"own": 1, "rich": 12}
    study = optuna.load_study(study_name="rich", storage=own)
    assert study.user_attrs["fingerprint"] == "f00d"
    assert "task" not in study.user_attrs


def test_rows_of_nobody_are_counted(rich_db, own):
    damage(rich_db, "trials", "study_id", 77)
    damage(rich_db, "trial_values", "trial_id", "none", "trial_id = 3")
    done = import_history([rich_db], own)
    assert done.notes == [
        f"{rich_db}, study 'rich': left out trial 2 (complete without a value).",
        f"{rich_db}: left out 1 row of trials (the study_id is that of none).",
        f"{rich_db}: left out 1 row of trial_values (the trial_id is that of none).",
    ]
    assert len(trials_in(own)["rich"]) == 10


def test_a_study_without_a_sound_trial_and_one_of_the_storage_s_own_that_is_damaged(rich_db, own):
    for trial in (13, 14, 15):
        damage(rich_db, "trials", "state", "?", f"trial_id = {trial}")
    done = import_history([rich_db], own)
    assert done.notes == [
        f"{rich_db}, study 'low': left out 3 trials: 0, 1, 2 (unknown state).",
        f"{rich_db}: left out study 'low' (no trial can be read).",
    ]
    mine = own.engine.url.database
    damage(mine, "trial_user_attributes", "value_json", "{", "key = 'note'")
    before = sqlite3.connect(mine).execute("SELECT * FROM trial_user_attributes").fetchall()
    assert import_history([rich_db], own).renamed == {"rich": "rich-2"}, "not the same any more"
    after = sqlite3.connect(mine).execute("SELECT * FROM trial_user_attributes").fetchall()
    assert after[: len(before)] == before, "the storage's own stays, damaged or not"


def test_merge_export_show_and_the_words_on_the_screen(rich_db, empty_db, tmp_path):
    damage(rich_db, "trial_params", "distribution_json", "{")
    (note,) = merge_histories([rich_db], tmp_path / "all.db").notes
    assert note == f"{rich_db}, study 'rich': left out trial 3 ({DISTRIBUTION})."
    assert export_history([rich_db], tmp_path / "all.parquet").n_trials == 14
    with pytest.raises(HistoryError, match="stays as it was"):
        merge_histories([rich_db], tmp_path / "all.parquet", overwrite=True)
    report = run_history_job(
        HistoryConfig(action="import", file=str(rich_db)),
        StorageConfig(url=f"sqlite:///{empty_db}"),
    )
    assert report.title.startswith("Imported 2 studies, 14 trials to")
    assert report.lines == (note,)
    shown = show_study([rich_db], "rich")
    assert len(shown.trials) == 11
    assert shown.lost == (f"trial 3 ({DISTRIBUTION})",)
    report = run_history_job(
        HistoryConfig(action="show", study="rich"), StorageConfig(url=f"sqlite:///{rich_db}")
    )
    assert f"not shown: trial 3 ({DISTRIBUTION})" in report.lines


def test_rows_of_a_parquet_file_that_no_database_can_hold(rich_db, own, tmp_path):
    path = tmp_path / "all.parquet"
    export_history([rich_db], path)
    rows = parquet.read_table(path).to_pylist()
    wide = distribution_to_json(FloatDistribution(0.0, 1.0))
    for k, changed in enumerate(
        (
            {"intermediate": json.dumps({str(2**63): 0.5})},
            {"intermediate": json.dumps({"1": 10**400})},
            {"values": json.dumps([10**400])},
            {"user_attrs": '{"\\ud800": 1}'},
            {"params": '{"x": Infinity}', "distributions": json.dumps({"x": wide})},
            {"distributions": json.dumps({"x": HUGE}), "params": '{"x": 1}'},
        )
    ):
        rows[k] |= changed
    parquet.write_table(Table.from_pylist(rows), path)
    done = import_history([path], own)
    assert (done.n_studies, done.n_trials) == (2, 9)
    assert [note.partition(": left out ")[2] for note in done.notes] == [
        "1 row (a step is beyond 64 bits).",
        "2 rows (a cell holds what Optuna does not write).",
        "1 row (a name is no text).",
        f"1 row ({VALUE}).",
        f"1 row ({DISTRIBUTION}).",
    ]
