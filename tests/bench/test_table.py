"""A table is read as it was recorded, and a family is never on both sides."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from foretune.bench.table import Table, load_table, table_of
from foretune.core import HistoryError
from foretune.history import HistoryRecords, read_history
from foretune.testing.recorded import write_table


def test_tasks_hold_what_was_recorded(table: Table):
    task = table.tasks[0]
    assert task.name == "reviews"
    assert len(task.configs) == 16
    assert np.isnan(task.score[7]), "a failed trial has no score"
    assert task.seconds[7] == 1.0, "but it took its time"
    assert task.configs[task.default or 0]["model"] == "minilm"
    assert "layers" not in next(c for c in task.configs if c["model"] == "bilstm")
    assert abs(task.test[0] - task.score[0]) < 0.06
    assert task.curve(0)[-1] == (2, pytest.approx(task.score[0]))
    assert task.attributes["metric"] == "accuracy"


def test_a_family_is_never_split(table: Table):
    for family in table.families:
        assert all(t.family != family for t in table.past(family))
    assert {t.name for t in table.tasks} - {t.name for t in table.past("reviews")} == {
        "reviews",
        "reviews-64",
    }


def test_a_repeated_configuration_counts_once(table_file: Path):
    record = read_history(str(table_file)).studies[0]
    columns = tuple(
        dataclasses.replace(c, values=np.concatenate([c.values, c.values[:1]]))
        for c in record.columns
    )
    repeated = dataclasses.replace(
        record, columns=columns,
        **{
            name: np.concatenate([getattr(record, name), getattr(record, name)[:1]])
            for name in ("values", "states", "numbers", "seconds")
        },
        trial_attrs={n: np.concatenate([v, v[:1]]) for n, v in record.trial_attrs.items()},
    )  # fmt: skip
    assert len(table_of(HistoryRecords((repeated,))).tasks[0].configs) == 16


def test_a_minimised_study_is_turned_round(table_file: Path):
    record = read_history(str(table_file)).studies[0]
    turned = dataclasses.replace(record, maximize=False, values=-record.values)
    np.testing.assert_allclose(
        table_of(HistoryRecords((turned,))).tasks[0].score,
        table_of(HistoryRecords((record,))).tasks[0].score,
    )


def test_a_flat_task_is_left_out_and_said(table_file: Path):
    record = read_history(str(table_file)).studies[0]
    flat = dataclasses.replace(record, values=np.where(np.isfinite(record.values), 0.5, np.nan))
    found = table_of(HistoryRecords((flat,)))
    assert not found.tasks
    assert found.notes == ("reviews: left out, for all its scores are equal",)


def test_too_few_families_are_refused(tmp_path: Path):
    path = write_table(tmp_path / "two.parquet", n_configs=10, n_tasks=3)
    with pytest.raises(HistoryError, match=r"at least 3 families .* got 2"):
        load_table(path)
