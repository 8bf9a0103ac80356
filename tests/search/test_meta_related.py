"""A history of texts and images, whose models exclude each other, and defaults that it tried."""

import math

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import create_trial

from foretune import MetaSampler, read_history, recommend
from foretune.meta.settings import MetaSettings
from foretune.search.meta_related import Related

TEXT, IMAGE = ("minilm", "bert"), ("resnet", "lite0")
BEST = {"minilm": 1e-4, "bert": 3e-5, "resnet": 1e-2, "lite0": 3e-3}
LR = FloatDistribution(1e-6, 1e-1, log=True)
RATES = [1e-6, 1e-5, 3e-5, 1e-4, 1e-3, 3e-3, 1e-2, 1e-1]
DEFAULT = {"model": "bert", "lr": 1e-6}  # tried everywhere, and bad


def score(model, lr, shift=0.0):
    return -abs(math.log10(lr) - math.log10(BEST[model]) - shift) - 0.3 * (
        model in ("bert", "lite0")
    )


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    storage = f"sqlite:///{tmp_path_factory.mktemp('history')}/h.db"
    for k in range(10):  # images are in the majority
        models = TEXT if k % 5 < 2 else IMAGE
        study = optuna.create_study(
            study_name=f"{models[0]}-{k}", storage=storage, direction="maximize"
        )
        space = {"model": CategoricalDistribution(models), "lr": LR}
        study.add_trials(
            create_trial(
                params={"model": m, "lr": lr}, distributions=space,
                value=score(m, lr, shift=0.1 * (k % 3 - 1)),
            )
            for m in models
            for lr in RATES
        )  # fmt: skip
    return storage


def sampler(history, tmp_path_factory, **more):
    cache = tmp_path_factory.getbasetemp() / "related-cache"
    return MetaSampler(history, seed=0, meta_iterations=60, cache_dir=cache, **more)


def first(sampler, models=TEXT):
    study = optuna.create_study(direction="maximize", sampler=sampler)
    trial = study.ask()
    model = trial.suggest_categorical("model", models)
    return {"model": model, "lr": trial.suggest_float("lr", 1e-6, 1e-1, log=True)}, study.trials[0]


@pytest.mark.parametrize("models", [TEXT, IMAGE])
def test_the_first_trial_is_what_served_tasks_of_the_same_models(history, tmp_path_factory, models):
    params, trial = first(sampler(history, tmp_path_factory), models)
    assert params == {"model": models[0], "lr": pytest.approx(BEST[models[0]])}
    assert trial.system_attrs["foretune:why"]["expert"] == "portfolio"


def test_only_tasks_with_a_configuration_to_take_are_related(history, tmp_path_factory):
    study = optuna.create_study(direction="maximize")
    model = sampler(history, tmp_path_factory).model(study)
    names = [t.name for t in model.tasks.tasks]
    some = Related.of(model, {"model": CategoricalDistribution((*TEXT, "new")), "lr": LR})
    assert {names[k].split("-")[0] for k in some.tasks} == {"minilm"}
    pool = some.pool()
    assert {model.codec.to_params(row)["model"] for row in pool} == set(TEXT)
    new = Related.of(model, {"model": CategoricalDistribution(("new", "newer")), "lr": LR})
    assert len(new.tasks) == len(names), "their numbers are of use all the same"
    assert new.pool() is None


@pytest.mark.parametrize(
    ("judge", "default", "is_first"),
    [(True, DEFAULT, False), (False, DEFAULT, True), (True, {**DEFAULT, "lr": 2e-6}, True)],
)
def test_a_default_that_past_tasks_tried_is_left_to_them_on_demand(
    history, tmp_path_factory, judge, default, is_first
):
    meta = sampler(history, tmp_path_factory, default_params=default, judge_defaults=judge)
    params, _ = first(meta)
    assert (params == default) == is_first
    assert is_first or params["lr"] == pytest.approx(BEST["minilm"])


def test_the_first_trial_keeps_what_was_decided_by_other_means(history, tmp_path_factory):
    meta = sampler(
        history, tmp_path_factory, default_params=DEFAULT, judge_defaults=True,
        keep_of_default=("model",),
    )  # fmt: skip
    assert first(meta)[0] == {"model": "bert", "lr": pytest.approx(BEST["bert"])}


def test_a_default_that_too_few_past_tasks_tried_is_first(history, tmp_path_factory):
    few = read_history(history)
    few = type(few)(studies=tuple(s for s in few.studies if "minilm" in s.name)[:2])
    meta = MetaSampler(
        few, seed=0, meta_iterations=20, default_params=DEFAULT, judge_defaults=True,
        cache_dir=tmp_path_factory.getbasetemp() / "related-cache",
    )  # fmt: skip
    assert first(meta)[0] == DEFAULT


def test_a_recommendation_is_one_that_the_task_can_take(history, tmp_path_factory):
    cache = tmp_path_factory.getbasetemp() / "related-cache"
    space = {"model": CategoricalDistribution(TEXT), "lr": LR}
    settings = MetaSettings(meta_iterations=60)
    found = recommend(None, history, 4, space=space, settings=settings, cache_dir=cache)
    assert [r.params["model"] in TEXT for r in found] == [True] * 4
    assert found[0].params == {"model": "minilm", "lr": pytest.approx(BEST["minilm"])}
    assert [r.quality for r in found[1:]] == sorted((r.quality for r in found[1:]), reverse=True)
    everywhere = recommend(None, history, 4, settings=settings, cache_dir=cache)
    assert {r.params["model"] in TEXT for r in everywhere} == {True, False}
