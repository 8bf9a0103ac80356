"""What a person sees of a history by `job=history`."""

import sqlite3

import optuna
import pytest

from foretune.config.schema.history import HistoryConfig
from foretune.config.schema.storage import StorageConfig
from foretune.core import HistoryError
from foretune.history import list_studies, run_history_job, show_study


def job(url, **options):
    config = HistoryConfig(**options)
    assert config.problems() == []
    return run_history_job(config, StorageConfig(url=f"sqlite:///{url}"))


def test_list(rich_db):
    report = job(rich_db)
    assert report.title == f"2 studies, 15 trials in sqlite:///{rich_db}"
    low, rich = report.rows
    assert len(low) == len(rich) == len(report.columns)
    assert rich[:2] == ("rich", "imdb")
    assert "8 complete, 1 pruned, 1 failed, 1 running, 1 waiting" in rich
    assert "0.55" in rich  # infinities are no best value
    assert "0.3333" in low  # this one is minimised
    assert "2026-01-02 03:14" in rich


def test_list_of_nothing_and_of_several(rich_db, tmp_path):
    report = job(tmp_path / "none.db")
    assert report.rows == ()
    assert "does not exist" in report.lines[0]
    report = job(rich_db, sources=[str(rich_db), str(tmp_path / "none.db")])
    assert (len(report.rows), len(report.lines)) == (2, 1)


def test_list_marks_stand_ins_and_several_objectives(empty_db):
    storage = optuna.storages.RDBStorage(f"sqlite:///{empty_db}")
    study = optuna.create_study(storage=storage, study_name="s", directions=["minimize"] * 2)
    study.set_user_attr("data_source", "packaged")
    study.set_user_attr("stand_in", True)
    study.add_trial(optuna.trial.create_trial(values=[1.0, 2.0]))
    storage.engine.dispose()
    ((row,), _) = list_studies([empty_db])
    assert (row.stand_in, row.best, row.states) == (True, None, {"complete": 1})
    assert "packaged (stand-in)" in job(empty_db).rows[0]


def test_show(rich_db):
    report = job(rich_db, action="show", study="rich", rows=9)
    assert report.title == "Study rich: the best 9 of 12 trials"
    assert [row[0] for row in report.rows] == ["5", "4", "3", "2", "1", "0", "6", "7", "8"]
    assert report.columns[:5] == ("trial", "state", "value", "reports", "seconds")
    best = dict(zip(report.columns, report.rows[0], strict=True))
    assert (best["value"], best["lr"], best["seconds"]) == ("0.55", "0.0006", "2.5")
    text = "\n".join(report.lines)
    assert "failed (1): NaN loss" in text
    assert "best: 0.55 accuracy (higher is better)" in text
    assert "15.0 s together" in text
    assert "task: imdb" in text
    newest = job(rich_db, action="show")
    assert newest.title.startswith("Study rich")  # its last trial started after the other's
    assert show_study([rich_db], "low").trials[0].value == pytest.approx(1 / 3)


def test_show_what_is_not_there(rich_db, empty_db, tmp_path):
    for url, study, words in (
        (rich_db, "richt", "did you mean 'rich'"),
        (empty_db, None, "no studies yet"),
        (tmp_path / "none.db", None, "does not exist"),
    ):
        with pytest.raises(HistoryError, match=words):
            job(url, action="show", study=study)


def test_export_import_merge(rich_db, empty_db, tmp_path):
    path = str(tmp_path / "all.parquet")
    assert job(rich_db, action="export", file=path).title.startswith(
        "Exported 2 studies, 15 trials to"
    )
    assert "Imported 2 studies" in job(empty_db, action="import", file=path).title
    again = job(empty_db, action="import", sources=[path])
    assert again.lines == ("2 studies already there: left as it is.",)
    with sqlite3.connect(rich_db) as connection:
        connection.execute("UPDATE study_user_attributes SET value_json = '1' WHERE key = 'task'")
    renamed = job(empty_db, action="import", sources=[str(rich_db)])
    assert "study 'rich' came in as 'rich-2'." in renamed.lines
    merged = job(
        empty_db,
        action="merge",
        sources=[str(rich_db), str(empty_db)],
        file=str(tmp_path / "all.db"),
    )
    assert merged.title == f"Merged 3 studies, 27 trials to {tmp_path}/all.db"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"action": "lst"}, "did you mean 'list'"),
        ({"action": "export"}, "needs a file to write"),
        ({"action": "import"}, "needs a file to read"),
        ({"action": "merge", "file": "a.db"}, "history.sources: merge needs"),
        ({"rows": 0}, "history.rows: expected at least 1"),
    ],
)
def test_problems_of_the_options(options, words):
    (problem,) = HistoryConfig(**options).problems()
    assert words in problem


def test_problems_of_the_storage():
    assert StorageConfig().problems() == []
    found = StorageConfig(url="history.db", busy_timeout_s=0).problems()
    assert "storage.url" in found[0]
    assert "storage.busy_timeout_s" in found[1]
