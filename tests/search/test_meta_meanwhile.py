"""The history is learned from while the first trials, of what past tasks tried, run."""

import threading

import optuna
import pytest
import torch

from foretune import MetaSampler
from foretune.core import HistoryError
from foretune.search import meta_sampler
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


def why(trial):
    return trial.system_attrs["foretune:why"]


@pytest.fixture
def lesson(monkeypatch):
    """Lets the sampler learn when the test says so."""
    may_learn = threading.Event()
    learned = meta_sampler.learned

    def slowly(*args, **kwargs):
        assert may_learn.wait(60)
        return learned(*args, **kwargs)

    monkeypatch.setattr(meta_sampler, "learned", slowly)
    return may_learn


def test_until_it_has_learned_a_search_tries_what_served_past_tasks(history, lesson):
    sampler = MetaSampler(history, learn_meanwhile=True, **QUICK)
    study = search(sampler, n_trials=4)
    assert study.trials[0].params == DEFAULT
    assert [why(t)["expert"] for t in study.trials] == ["default"] + ["portfolio"] * 3
    past = [
        t.params
        for name in optuna.get_all_study_names(history)
        for t in optuna.load_study(study_name=name, storage=history).trials
    ]
    assert all(t.params in past for t in study.trials[1:])
    lesson.set()
    sampler.model(study)  # waits
    study.optimize(objective, n_trials=1)
    assert "weight" in why(study.trials[4])  # the history was asked


def test_the_seventh_trial_waits_for_what_is_learned(history, lesson):
    study = search(MetaSampler(history, learn_meanwhile=True, **QUICK), n_trials=6)
    assert not [t for t in study.trials if "weight" in why(t)]
    threading.Timer(0.5, lesson.set).start()
    study.optimize(objective, n_trials=1)
    assert "weight" in why(study.trials[6])


def test_a_default_that_enough_past_tasks_tried_is_left_to_them(history, lesson):
    for name in optuna.get_all_study_names(history):
        past = optuna.load_study(study_name=name, storage=history)
        past.enqueue_trial(DEFAULT)
        past.optimize(objective, n_trials=1)
    for judges, expert in ((False, "default"), (True, "portfolio")):
        sampler = MetaSampler(history, judge_defaults=judges, learn_meanwhile=True, **QUICK)
        assert why(search(sampler, 1).trials[0])["expert"] == expert
    lesson.set()


def test_the_kept_parameters_are_the_defaults_until_it_has_learned(history, lesson):
    sampler = MetaSampler(
        history, judge_defaults=True, keep_of_default=["kind"], learn_meanwhile=True,
        **{**QUICK, "default_params": {**DEFAULT, "kind": "b"}},
    )  # fmt: skip

    def of_two_kinds(trial):
        return objective(trial) + (trial.suggest_categorical("kind", ["a", "b"]) == "a")

    for name in optuna.get_all_study_names(history):
        optuna.delete_study(study_name=name, storage=history)
    random_studies(history, of_two_kinds, n_studies=5, n_trials=12)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(of_two_kinds, n_trials=5)
    assert [t.params["kind"] for t in study.trials] == ["b"] * 5
    lesson.set()


def test_a_resumed_search_that_is_past_its_opening_waits(history, lesson):
    study = search(MetaSampler(None, seed=0), n_trials=6)
    study.sampler = MetaSampler(history, learn_meanwhile=True, **{**QUICK, "default_params": ()})
    threading.Timer(0.5, lesson.set).start()
    study.optimize(objective, n_trials=1)
    assert "weight" in why(study.trials[6])


def test_what_learning_raises_ends_the_search_after_its_trials_were_kept(history, monkeypatch):
    def fail(*args, **kwargs):
        raise HistoryError("the history is gone")

    monkeypatch.setattr(meta_sampler, "learned", fail)
    sampler = MetaSampler(history, learn_meanwhile=True, **QUICK)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    with pytest.raises(HistoryError, match="is gone"):
        study.optimize(objective, n_trials=9)
    assert study.trials[0].params == DEFAULT
    assert study.trials[0].state.name == "COMPLETE"


def test_without_a_history_there_is_nothing_to_wait_for(tmp_path):
    nothing = f"sqlite:///{tmp_path / 'empty.db'}"
    optuna.create_study(study_name="empty", storage=nothing)
    for history in (None, nothing):
        study = search(MetaSampler(history, learn_meanwhile=True, **QUICK), n_trials=8)
        assert study.trials[0].params == DEFAULT
        assert len({tuple(t.params.items()) for t in study.trials}) == 8


def test_learning_leaves_the_programs_random_numbers_alone(history, tmp_path):
    """A first trial that draws in the same process meanwhile would train other networks."""
    torch.manual_seed(1)
    wanted = torch.rand(3)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    MetaSampler(history, cache_dir=tmp_path, **QUICK).model(optuna.create_study())
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(torch.rand(3), wanted)
