"""Task and data options: what is wrong with them, and whether the shipped tasks hold together."""

from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from foretune.config.schema.data import DataConfig, DataSource
from foretune.config.schema.task import ColumnsConfig, FilesConfig, HubConfig, TaskConfig
from foretune.core import ConfigError
from foretune.train.data import PACKAGED, load_task

CONF = Path(__file__).resolve().parents[3] / "conf" / "task"
TASKS = sorted(path.relative_to(CONF).with_suffix("").as_posix() for path in CONF.rglob("*.yaml"))
HEADLINES = {
    "imdb": "accuracy",
    "ag_news": "accuracy",
    "cifar10": "accuracy",
    "fashion_mnist": "accuracy",
    "squad": "f1",
    "conll2003": "f1",
    "wnut17": "f1",
    "glue/cola": "matthews",
    "glue/sst2": "accuracy",
    "glue/mrpc": "f1",
    "glue/qqp": "f1",
    "glue/stsb": "pearson",
    "glue/mnli": "accuracy",
    "glue/qnli": "accuracy",
    "glue/rte": "accuracy",
    "glue/wnli": "accuracy",
}


def task_of(name):
    options = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    sections = {"hub": HubConfig, "columns": ColumnsConfig, "files": FilesConfig}
    return TaskConfig(
        **{key: sections[key](**v) if key in sections else v for key, v in options.items()}
    )


@pytest.mark.parametrize("name", TASKS)
def test_each_shipped_task_is_sound(name):
    task = task_of(name)
    assert task.problems() == []
    assert task.name == name
    assert (CONF / f"{name}.yaml").read_text().startswith(f"# python -m src.main task={name} ")
    if name == "custom":
        return
    assert task.metric_names()[0] == HEADLINES[name]
    assert PACKAGED[task.packaged].kind == task.kind
    assert "/" in task.hub.id, "a full repository id"
    assert task.hub.validation != task.hub.test, "selection and report on different rows"
    assert task.hub.train not in (task.hub.validation, task.hub.test)


def test_every_named_task_is_shipped():
    assert set(TASKS) == {*HEADLINES, "custom"}


@pytest.mark.parametrize(
    ("task", "said"),
    [
        (TaskConfig(kind="text-classification"), "task.name: expected a name"),
        (TaskConfig(name="t", kind="text-clasification"), "did you mean 'text-classification'"),
        (TaskConfig(name="t", kind="text-regression", metric="accuracy"), "'accuracy'"),
        (TaskConfig(name="t", kind="text-regression", metrics=["mse", "msa"]), "'mse'"),
        (TaskConfig(name="t", kind="text-classification", classes=["a", "a"]), "each name once"),
        (TaskConfig(name="t", kind="text-classification", classes=["a"]), "at least two classes"),
        (
            TaskConfig(name="t", kind="text-regression", files=FilesConfig(test="t.csv")),
            "expected task.files.train",
        ),
        (
            TaskConfig(
                name="t", kind="text-regression", files=FilesConfig(train="a.csv", test="a.csv")
            ),
            "a file of its own for each split",
        ),
    ],
)
def test_problems_of_a_task(task, said):
    problems = task.problems()
    assert len(problems) == 1
    assert said in problems[0]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (DataConfig(train_rows=0), "data.train_rows: expected at least 2"),
        (DataConfig(validation_rows=-1), "data.validation_rows"),
        (DataConfig(test_rows=1), "data.test_rows"),
        (DataConfig(seed=-1), "data.seed"),
        (DataConfig(hub_timeout_s=0), "data.hub_timeout_s"),
        (DataConfig(source=DataSource.hub, dir="data"), "drop one of the two"),
    ],
)
def test_problems_of_data(data, said):
    problems = data.problems()
    assert len(problems) == 1
    assert said in problems[0]


def test_all_problems_are_told_at_once():
    with pytest.raises(ConfigError) as caught:
        load_task(TaskConfig(kind="poetry"), DataConfig(train_rows=0))
    assert len(caught.value.problems) == 3


def test_own_files_and_another_source_contradict():
    asked = TaskConfig(name="t", kind="text-regression", files=FilesConfig(train="t.csv"))
    for data in (DataConfig(dir="data"), DataConfig(source=DataSource.packaged)):
        with pytest.raises(ConfigError, match="drop one of the two"):
            load_task(asked, data)


def test_enum_members_are_named_as_users_type_them():
    assert all(source.name == source.value for source in DataSource)


def test_nothing_is_shared_between_two_configurations():
    first, second = TaskConfig(), TaskConfig()
    for section in fields(TaskConfig):
        value = getattr(first, section.name)
        if not isinstance(value, str | type(None)):
            assert value is not getattr(second, section.name)
