"""The exported file: its layout, and what is read of one that somebody else wrote or spoilt."""

import json

import numpy as np
import optuna
import pyarrow as pa
import pyarrow.parquet as pq

from foretune.history import export_history, import_history, open_storage, read_history
from foretune.history.rows import COLUMNS


def rewritten(path, change):
    """The rows of an exported file, changed."""
    rows = pq.read_table(path).to_pylist()
    change(rows)
    schema = pa.schema([(c, pa.int64() if c == "number" else pa.string()) for c in COLUMNS])
    pq.write_table(pa.Table.from_pylist(rows, schema), path)


def test_layout(rich_db, tmp_path):
    path = tmp_path / "all.parquet"
    export_history([rich_db], path)
    table = pq.read_table(path)
    assert table.schema.metadata[b"foretune_schema"] == b"1"
    assert tuple(table.column_names) == COLUMNS
    row = table.to_pylist()[6]
    assert (row["study_name"], row["number"], row["state"]) == ("rich", 6, "COMPLETE")
    assert json.loads(row["directions"]) == ["MAXIMIZE"]
    assert json.loads(row["values"]) == ["inf"]
    assert json.loads(row["params"])["optimiser"] == "adam"
    assert json.loads(row["intermediate"])["2"] == "inf"
    lr = json.loads(row["distributions"])["lr"]
    assert optuna.distributions.json_to_distribution(lr).log
    assert row["datetime_start"].endswith("+00:00")


def test_bad_rows_are_left_out_and_counted(rich_db, empty_db, tmp_path):
    path = tmp_path / "bad.parquet"
    export_history([rich_db], path)

    def spoil(rows):
        rows[0]["params"] = "{"
        rows[1]["params"] = json.dumps({"lr": 1e-3})
        rows[2]["values"] = None
        rows[3]["values"] = '["nan"]'
        rows[4]["state"] = "DONE"
        rows[5]["distributions"] = json.dumps({"lr": "{}"})
        rows[6]["number"] = 7
        rows[8]["intermediate"] = '{"one": 1}'
        rows[9]["datetime_start"] = "yesterday"
        rows[12]["study_name"] = ""
        rows[13]["directions"] = '["UP"]'

    rewritten(path, spoil)
    storage = open_storage(f"sqlite:///{empty_db}")
    done = import_history([path], storage)
    assert (done.n_studies, done.n_trials) == (2, 4)
    said = " ".join(done.notes)
    for words in (
        "params is no JSON dict",
        "name different parameters",
        "complete without a value",
        "not one value an objective",
        "unknown state",
        "a distribution is not readable",
        "number that another row has",
        "a step is no whole number",
        "a moment is not ISO 8601",
        "no study name",
        "1 row (unknown directions)",
    ):
        assert words in said
    # Left are -inf, the running and the waiting one: nothing to learn, but whole and readable.
    rich = optuna.load_study(study_name="rich", storage=storage)
    assert [t.number for t in rich.trials] == [0, 1, 2]
    storage.engine.dispose()
    assert "no finished trial with a finite value" in read_history(path).notes[-1]


def test_random_cells(rich_db, tmp_path):
    path = tmp_path / "fuzz.parquet"
    rng = np.random.default_rng(0)
    junk = (None, "", "{", "[]", "{}", "null", "NaN", '{"lr": "x"}', '["inf"]', "\x00", "9" * 400)
    for _ in range(20):
        export_history([rich_db], path, overwrite=True)

        def spoil(rows):
            for _ in range(8):
                row = rows[rng.integers(len(rows))]
                column = COLUMNS[rng.integers(len(COLUMNS))]
                drawn = junk[rng.integers(len(junk))]
                row[column] = int(rng.integers(-5, 5)) if column == "number" else drawn

        rewritten(path, spoil)
        records = read_history(path)
        assert records.notes
        for study in records.studies:
            assert np.isfinite(study.values).any()


def test_another_parquet_file(tmp_path):
    path = tmp_path / "other.parquet"
    pq.write_table(pa.table({"a": [1, 2]}), path)
    assert "is no exported history: it lacks study_name" in read_history(path).notes[0]
    columns = {name: ["x"] for name in COLUMNS} | {"number": ["x"]}
    pq.write_table(pa.table(columns), path)
    assert "column number is of type string" in read_history(path).notes[0]
    columns = {name: ["x"] for name in COLUMNS} | {"number": [1]}
    table = pa.table(columns).replace_schema_metadata({"foretune_schema": "7"})
    pq.write_table(table, path)
    assert "is of layout 7" in read_history(path).notes[0]


def test_rows_of_a_study_need_not_lie_together(rich_db, tmp_path):
    path = tmp_path / "mixed.parquet"
    export_history([rich_db], path)
    expected = read_history(path).studies
    rewritten(path, lambda rows: np.random.default_rng(0).shuffle(rows))
    found = {study.name: study for study in read_history(path).studies}
    for study in expected:
        np.testing.assert_array_equal(found[study.name].values, study.values)
        np.testing.assert_array_equal(found[study.name].seconds, study.seconds)
