"""One search on a page and on a model card: what a reader looks for is there, and is true."""

import re
from pathlib import Path

import optuna
import pytest
import yaml

from foretune.config.schema.model import ModelCard
from foretune.config.schema.root import RootConfig
from foretune.core import HistoryError
from foretune.history.inspect import show_study
from foretune.report import gather, model_card, report_job
from foretune.testing.browser import chromium, missing_browser, see

CARD = ModelCard(name="minilm", family="bert", licence="apache-2.0", parameters_m=22.6)


@pytest.fixture
def url(tmp_path):
    """A study with good, pruned and failed trials, as a search writes it."""
    url = f"sqlite:///{tmp_path}/history.db"
    study = optuna.create_study(storage=url, study_name="imdb-meta-1", direction="maximize")
    for key, value in {
        "task": "imdb", "asked": "imdb", "metric": "accuracy", "kind": "text-classification",
        "rows": {"train": 256, "validation": 200, "test": 400}, "baseline": {"validation": 0.5},
        "origin": "stanfordnlp/imdb at abc", "fingerprint": "f1n9e7", "search": "MetaSampler",
        "seed": 7, "budget": {"n_trials": 6, "budget_s": None}, "models": ["minilm"],
        "tested": {"trial": 2, "metrics": {"accuracy": 0.86, "macro_f1": 0.85}},
        "default_params": [{"lr": 1e-4, "model": "minilm"}], "versions": {"torch": "2.9"},
    }.items():  # fmt: skip
        study.set_user_attr(key, value)
    study.enqueue_trial({"lr": 3e-4, "model": "minilm"})
    for k, value in enumerate([0.86, 0.84, 0.9, 0.64, 0.82, 0.76]):
        trial = study.ask()
        trial.suggest_float("lr", 1e-5, 1e-2, log=True)
        trial.suggest_categorical("model", ["minilm"])
        for epoch in (1, 2):
            trial.report(value - 0.1 / epoch, epoch)
        trial.set_user_attr("seconds", 10.0 + k)
        if k == 4:
            trial.set_user_attr("failure", "out of memory")
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        elif k == 5:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            study.tell(trial, value)
    return url


def test_the_facts_are_those_of_the_study(url):
    facts = gather(show_study([url]))
    assert (facts.best.number, round(facts.best.value, 3)) == (2, 0.9)
    assert facts.test == {"accuracy": 0.86, "macro_f1": 0.85}
    assert facts.trials[0].why == ("Queued by hand, or again after it was cut short.",)
    assert (facts.trials[5].status, round(facts.trials[5].value, 2)) == ("pruned", 0.71)
    assert facts.trials[4].value is None
    assert dict(facts.failures) == {"out of memory": 1}
    assert facts.space["lr"] == "1e-05 to 0.01 (log)"
    assert facts.seconds == sum(10.0 + k for k in range(6))
    low, high = facts.interval("test", 0.86)
    assert 0.82 < low < 0.86 < high < 0.895  # Wilson, 400 rows
    assert dict(facts.found_by)["Budget"] == "6 trials"
    assert dict(facts.found_by)["Seed"] == "7"


def test_test_metrics_of_a_model_that_was_bettered_are_not_shown(url):
    study = optuna.load_study(study_name="imdb-meta-1", storage=url)
    study.set_user_attr("tested", {"trial": 1, "metrics": {"accuracy": 0.99}})
    assert gather(show_study([url])).test == {}


def test_the_card_is_a_hugging_face_card(url):
    text = model_card(gather(show_study([url])), CARD)
    _, front, body = text.split("---\n", 2)
    told = yaml.safe_load(front)
    assert told["license"] == "apache-2.0"
    assert told["library_name"] == "foretune"
    assert told["pipeline_tag"] == "text-classification"
    validation, test = told["model-index"][0]["results"]
    assert (validation["dataset"]["split"], test["dataset"]["split"]) == ("validation", "test")
    assert test["metrics"] == [{"type": "accuracy", "value": 0.86}]
    for part in (
        "the best of 5", "0.860 (95 %", "f1n9e7", "Trial 2 of 6", "1e-05 to 0.01 (log)",
        "stanfordnlp/imdb at abc", "macro_f1 0.850", "load_model",
    ):  # fmt: skip
        assert part in body, part


def test_a_stand_in_is_not_passed_off(url):
    study = optuna.load_study(study_name="imdb-meta-1", storage=url)
    study.set_user_attr("stand_in", True)
    assert "not on imdb" in model_card(gather(show_study([url])), CARD)


@pytest.fixture
def config(url, tmp_path):
    config = RootConfig(job="report", outputs=str(tmp_path / "outputs"), study="imdb-meta-1")
    config.storage.url = url
    return config


def test_the_page_fetches_nothing_and_escapes_what_it_shows(config, url):
    study = optuna.load_study(study_name="imdb-meta-1", storage=url)
    study.set_user_attr("origin", "<script>alert(1)</script>")
    report = report_job(config)
    text = Path(report.rows[0][1]).read_text()
    assert "<script" not in text
    outside = re.findall(r"""(?:src|href|url\()\s*=?\s*["']?(https?:[^"')\s>]+)""", text)
    assert outside == []
    assert text.count("<svg") == 4


def test_a_study_without_a_score_has_a_page_too(config):
    study = optuna.create_study(storage=config.storage.url, study_name="empty")
    study.tell(study.ask(), state=optuna.trial.TrialState.FAIL)
    config.study = "empty"
    report = report_job(config)
    assert report.lines == ("None of 1 trials came to a score.",)
    assert "None of 1" in Path(report.rows[0][1]).read_text()


def test_an_unknown_study_is_named_with_the_known_ones(config):
    config.study = "imdb-meta-2"
    with pytest.raises(HistoryError, match="imdb-meta-1"):
        report_job(config)


@pytest.mark.skipif(bool(missing_browser()), reason=missing_browser())
def test_a_browser_shows_the_page(config):
    path = report_job(config).rows[0][1]
    with chromium() as driver:
        driver.get(f"file://{path}")
        shown = see(driver, "imdb: what the search found", "The winner", "out of memory", "f1n9e7")
        assert "0.900 (95 %" in shown
        assert "Queued by hand" in shown
        boxes = driver.execute_script(
            "return [...document.querySelectorAll('svg')].map(s => s.getBoundingClientRect().width)"
        )
        assert len(boxes) == 4
        assert min(boxes) > 200
        assert not [e for e in driver.get_log("browser") if e["level"] == "SEVERE"]
