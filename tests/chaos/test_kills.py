"""SIGKILL of the search, of its worker, of both, at random moments: nothing lost, nothing twice."""

import json
import sqlite3
from collections import Counter
from contextlib import closing

import optuna
import pytest
from optuna.trial import TrialState

from foretune.config.schema.search import SearchConfig
from foretune.search.study import counted, score_of
from foretune.space import point_key
from foretune.testing.planted import Run


def trials_of(folder):
    storage = f"sqlite:///{folder}/history.db"
    (name,) = optuna.get_all_study_names(storage)
    study = optuna.load_study(study_name=name, storage=storage)
    return study, study.trials


def check(folder, n_trials):
    """The study's trials that count, once they are seen to be whole."""
    study, trials = trials_of(folder)
    done = counted(trials)
    reasons = [t.user_attrs.get("failure") for t in done if t.state != TrialState.COMPLETE]
    assert reasons == []
    assert len(done) == n_trials
    twice = [key for key, n in Counter(point_key(t.params) for t in done).items() if n > 1]
    assert twice == []
    open_ones = (TrialState.RUNNING, TrialState.WAITING)
    assert not [t.number for t in trials if t.state in open_ones], "no zombie"
    for file in folder.rglob("*.db"):
        with closing(sqlite3.connect(file)) as db:
            assert db.execute("pragma integrity_check").fetchall() == [("ok",)]
    return study, done


def check_record(folder, done):
    """MLflow holds one search, and of its trials exactly those that count as finished."""
    with closing(sqlite3.connect(folder / "mlflow.db")) as db:
        children = db.execute(
            "select t.value, r.status from runs r join tags t using (run_uuid)"
            " where t.key = 'trial'"
        ).fetchall()
        parents = db.execute(
            "select status from runs where run_uuid not in"
            " (select run_uuid from tags where key = 'mlflow.parentRunId')"
        ).fetchall()
    assert parents == [("FINISHED",)]
    assert "RUNNING" not in {status for _, status in children}
    finished = Counter(int(number) for number, status in children if status == "FINISHED")
    assert set(finished) == {t.number for t in done}, "each trial that counts is there"
    assert set(finished.values()) == {1}, "once"


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("n_kills", "n_trials", "record", "epoch_s"),
    [
        (6, 12, "none", 0.5),
        # Epochs so long that the search is not at its end before the last kill.
        pytest.param(50, 40, "mlflow", 1.0, marks=pytest.mark.slow),
    ],
)
def test_the_killed_search_is_the_one_that_was_never_killed(
    planted, tmp_path, n_kills, n_trials, record, epoch_s
):
    chaos = planted(n_trials, record=record, epoch_s=epoch_s)
    chaos.run(n_kills, within_s=1500)
    assert sum(chaos.kills.values()) >= (n_kills if n_kills == 50 else n_kills // 2)
    study, done = check(tmp_path, n_trials)
    whole = Run(SearchConfig(method="bayes", n_trials=n_trials), tmp_path / "whole")
    whole()
    assert [(t.params, t.value) for t in done] == [(t.params, t.value) for t in whole.trials]
    best = json.loads((tmp_path / "study" / "best" / "model.json").read_text())
    assert best["score"] == max(t.value for t in done)
    assert [path.name for path in (tmp_path / "study").iterdir()] == ["best"]
    if record == "mlflow":
        check_record(tmp_path / "mlruns", done)
    print(f"kills: {chaos.kills}; {len(study.trials)} trials asked for, {len(done)} completed")


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_fine_tuning_that_is_killed_ends_whole_in_every_record(real, tmp_path):
    chaos = real(6)
    chaos.run(6, within_s=1200)
    study, done = check(tmp_path, 6)
    print(f"kills: {chaos.kills}; {len(study.trials)} trials asked for, {len(done)} completed")

    from foretune.train import load_model

    (best,) = (tmp_path / "outputs" / "studies").glob("*/best")
    assert len(load_model(best).predict(["a fine film", "dreadful"])) == 2
    about = json.loads((best / "foretune.json").read_text())
    top = max(done, key=lambda t: score_of(study, t))
    assert about["metrics"]["eval_accuracy"] == score_of(study, top)
    check_record(tmp_path / "mlruns", done)
