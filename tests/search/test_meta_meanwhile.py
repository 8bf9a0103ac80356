"""The history is learned from while the first trial, a known-good default, runs."""

import threading

import optuna
import pytest
import torch

from foretune import MetaSampler
from foretune.core import HistoryError
from foretune.testing.samplers import random_studies

DEFAULT = {"x": 0.9, "y": 0.1}
QUICK = {"seed": 0, "meta_iterations": 30, "default_params": DEFAULT}


def objective(trial: optuna.Trial) -> float:
    return (
        -((trial.suggest_float("x", 0, 1) - 0.3) ** 2) - (trial.suggest_float("y", 0, 1) - 0.7) ** 2
    )


@pytest.fixture
def history(tmp_path):
    url = f"sqlite:///{tmp_path / 'past.db'}"
    random_studies(url, objective, n_studies=5, n_trials=12)
    return url


def search(sampler, n_trials=4):
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(objective, n_trials=n_trials)
    return study


def test_the_first_trial_is_the_default_and_the_others_are_those_of_a_search_that_waited(
    history, tmp_path
):
    meanwhile = search(
        MetaSampler(history, learn_meanwhile=True, cache_dir=tmp_path / "a", **QUICK)
    )
    waited = search(MetaSampler(history, cache_dir=tmp_path / "b", **QUICK))
    assert meanwhile.trials[0].params == DEFAULT
    assert [t.params for t in meanwhile.trials] == [t.params for t in waited.trials]
    assert "weight" in meanwhile.trials[3].system_attrs["foretune:why"]  # the history was asked


def test_a_default_that_the_history_judges_is_first_all_the_same(history, tmp_path):
    for sampler, first in (
        (MetaSampler(history, judge_defaults=True, learn_meanwhile=True, **QUICK), "default"),
        (MetaSampler(history, learn_meanwhile=True, seed=0, meta_iterations=30), "portfolio"),
    ):
        study = search(sampler, 1)
        assert study.trials[0].system_attrs["foretune:why"]["expert"] == first


def test_the_first_trial_is_suggested_before_anything_was_learned(history, monkeypatch):
    may_learn, learned = threading.Event(), []

    def slowly(*args, **kwargs):
        learned.append(may_learn.wait(30))

    monkeypatch.setattr("foretune.search.meta_sampler.learned", slowly)
    study = optuna.create_study(
        direction="maximize", sampler=MetaSampler(history, learn_meanwhile=True, **QUICK)
    )
    trial = study.ask()
    value = objective(trial)
    assert trial.params == DEFAULT
    assert not learned
    may_learn.set()
    study.tell(trial, value)
    study.optimize(objective, n_trials=1)  # waits
    assert learned == [True]


def test_what_learning_raises_ends_the_search_after_the_first_trial_was_kept(monkeypatch):
    def fail(*args, **kwargs):
        raise HistoryError("the history is gone")

    monkeypatch.setattr("foretune.search.meta_sampler.learned", fail)
    sampler = MetaSampler("sqlite:///past.db", learn_meanwhile=True, **QUICK)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    with pytest.raises(HistoryError, match="is gone"):
        study.optimize(objective, n_trials=3)
    assert study.trials[0].params == DEFAULT
    assert study.trials[0].state.name == "COMPLETE"


def test_learning_leaves_the_programs_random_numbers_alone(history, tmp_path):
    """A first trial that draws in the same process meanwhile would train other networks."""
    torch.manual_seed(1)
    wanted = torch.rand(3)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    MetaSampler(history, cache_dir=tmp_path, **QUICK).model(optuna.create_study())
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(torch.rand(3), wanted)
