"""Every YAML composes and validates; a mistake is named before anything runs."""

from itertools import chain

import pytest
import yaml
from hydra import compose, initialize_config_dir

from foretune.config.compose import (
    check_overrides,
    register_members,
    register_schemas,
    task_config,
    to_config,
)
from foretune.config.location import conf_folder
from foretune.core import ConfigError

CONF = conf_folder()
GROUPS = sorted(p.name for p in CONF.iterdir() if p.is_dir())
OPTIONS = sorted(
    chain.from_iterable(
        [(g, str(p.relative_to(CONF / g).with_suffix(""))) for p in (CONF / g).rglob("*.yaml")]
        for g in GROUPS
    )
)


@pytest.fixture(autouse=True)
def _schemas(monkeypatch):
    monkeypatch.setenv("FORETUNE_STORAGE_URL", "postgresql://user@127.0.0.1/foretune")
    register_schemas()


def _compose(*overrides):
    with initialize_config_dir(config_dir=str(CONF), version_base="1.3"):
        return to_config(compose("config", overrides=list(overrides)))


@pytest.mark.parametrize(("group", "name"), OPTIONS, ids=lambda v: v)
def test_every_yaml_composes_and_validates(group, name):
    extra = ["data.dir=somewhere"] if name == "custom" else []
    content = yaml.safe_load((CONF / group / f"{name}.yaml").read_text()) or {}
    if content.get("modality") == "image":
        extra.append("task=cifar10")
    config = _compose(f"{group}={name}", *extra)
    assert config.problems() == []


@pytest.mark.parametrize(("group", "name"), OPTIONS, ids=lambda v: v)
def test_every_yaml_starts_with_the_command_that_uses_it(group, name):
    lines = (CONF / group / f"{name}.yaml").read_text().splitlines()
    first = lines[lines[0].startswith("# @package")]  # which Hydra wants first
    assert first.startswith("#")
    assert "python -m src.main" in first or "make" in first


def test_every_yaml_is_plain_yaml():
    for path in CONF.rglob("*.yaml"):
        yaml.safe_load(path.read_text())


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["task=imbd"], ["unknown task 'imbd'", "'imdb'", "ag_news"]),
        (["task=glue/sst"], ["unknown task 'glue/sst'", "glue/sst2"]),
        (["model=brt"], ["unknown model 'brt'", "'bert'"]),
        (["search=beyes"], ["unknown search 'beyes'", "'bayes'"]),
        (["search.n_trial=3"], ["unknown setting 'n_trial'", "n_trials"]),
        (["sarch.n_trials=3"], ["sarch"]),
        (["search.n_trials=0"], ["n_trials"]),
        (["search.budget_s=0"], ["budget_s"]),
        (["search.budget_s=soon"], ["budget_s", "soon"]),
        (["job=serch"], ["unknown job 'serch'", "'search'"]),
        (["search.n_trials=many"], ["n_trials", "many"]),
    ],
    ids=str,
)
def test_a_mistake_is_named_with_the_nearest_known_name(overrides, expected):
    with pytest.raises(ConfigError) as caught:
        check_overrides(overrides, conf=CONF)
    for word in expected:
        assert word in str(caught.value)


def test_all_problems_are_reported_at_once():
    with pytest.raises(ConfigError) as caught:
        check_overrides(["search.n_trials=0", "n=0"], conf=CONF)
    assert len(caught.value.problems) == 2


def test_a_sweep_is_checked_whole_before_its_first_job():
    with pytest.raises(ConfigError, match="agnews"):
        check_overrides(["task=imdb,agnews", "search=random,grid"], conf=CONF, sweep=True)


def test_nested_task_names_land_in_the_task_section():
    assert _compose("task=glue/sst2").task.name == "glue/sst2"


def test_a_local_member_is_a_model_of_its_own_name(tmp_path):
    for name in ("member_9", "minilm"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "card.yaml").write_text("name: x")
    register_members([f"pool.folder={tmp_path}"], CONF)
    words = ["model=member_9", f"pool.folder={tmp_path}"]
    check_overrides(words, conf=CONF)
    assert _compose(*words).model.members == ["member_9"]
    assert _compose("model=minilm").model.members is None  # conf/model comes first


def test_a_task_can_be_read_beside_the_job_s_own():
    assert task_config("glue/stsb", CONF).columns.text_pair == "sentence2"
    with pytest.raises(ConfigError, match="did you mean 'glue/stsb'"):
        task_config("glue/stbs", CONF)
