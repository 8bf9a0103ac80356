"""A recording: the same configurations on every task, resumable, exported with its provenance."""

import optuna
import pytest

from foretune.bench.table import table_of
from foretune.config.schema.data import DataConfig
from foretune.config.schema.executor import ExecutorConfig
from foretune.config.schema.record import RecordConfig, RecordedTask
from foretune.config.schema.root import RootConfig
from foretune.config.schema.space import SpaceConfig
from foretune.core import ConfigError
from foretune.history import read_history
from foretune.record import record_job
from foretune.space import point_key

MODELS = {"resnet_tiny": 2, "efficientnet_tiny": 1}
TASKS = [
    RecordedTask(packaged="digits", family="digits", train_rows=40, validation_rows=30),
    RecordedTask(
        packaged="digits", name="digits-01", keep=["0", "1"], family="digits", train_rows=20,
        validation_rows=20, test_rows=20,
    ),
]  # fmt: skip
SPACE = {
    "lr": {"type": "float", "range": [1e-4, 1e-2], "log": True},
    "epochs": {"type": "int", "range": [1, 2], "default": 1},
}


class Lines:
    def __init__(self):
        self.lines = []

    def line(self, text):
        self.lines.append(text)


@pytest.fixture
def config(tmp_path):
    return RootConfig(
        job="record",
        data=DataConfig(),
        space=SpaceConfig(params=SPACE),
        executor=ExecutorConfig(kind="inline"),
        outputs=str(tmp_path),
        record=RecordConfig(
            name="small", points={"image": dict(MODELS)}, tasks=list(TASKS), rounds=2, repeats=2
        ),
    )


def studies_of(folder):
    url = f"sqlite:///{folder}/record/small.db"
    names = optuna.get_all_study_names(url)
    found = [optuna.load_study(study_name=name, storage=url) for name in names]
    return {study.user_attrs["recorded"]["task"]["name"] or "digits": study for study in found}


def test_every_task_gets_the_same_configurations_and_the_file_tells_where_from(config, tmp_path):
    screen = Lines()
    report, finished = record_job(config, screen)
    assert finished
    assert len(screen.lines) == 4  # two rounds over two tasks
    studies = studies_of(tmp_path)
    keys = {name: [point_key(t.params) for t in s.trials] for name, s in studies.items()}
    assert len(set(keys["digits"])) == sum(MODELS.values()) + 2  # and each model's default
    assert keys["digits"] == keys["digits-01"]
    first = studies["digits"].trials[0]
    assert first.params["model"] == "resnet_tiny"  # the default leads
    assert first.user_attrs["test_score"] == first.user_attrs["test_metrics"]["accuracy"]
    assert 0 <= first.user_attrs["test_score"] <= 1
    assert first.intermediate_values
    assert len(studies["digits"].user_attrs["default_repeats"]) == 2
    attrs = studies["digits-01"].user_attrs
    assert (attrs["family"], attrs["stand_in"], attrs["task"]) == ("digits", False, "digits-01")
    assert attrs["recorded"]["weights"] == dict.fromkeys(MODELS, "drawn at random")
    assert attrs["recorded"]["hardware"]
    assert attrs["rows"] == {"train": 20, "validation": 20, "test": 20}
    assert str(tmp_path) not in str([s.user_attrs for s in studies.values()])
    assert [row[0] for row in report.rows] == ["digits", "digits-01"]
    records = read_history(tmp_path / "record" / "small.parquet")
    assert [len(s.values) for s in records.studies] == [5, 5]
    assert set(records.studies[0].trial_attrs) >= {"seconds", "test_score", "peak_ram_mb"}
    assert not list(tmp_path.rglob("*.safetensors"))  # scores are kept, models are not


def test_a_task_has_configurations_of_its_own_after_those_of_all(config, tmp_path):
    record_job(config, Lines())
    before = studies_of(tmp_path)
    config.record.own_points = {"image": {"resnet_tiny": 1, "efficientnet_tiny": 2}}
    record_job(config, Lines())  # a later sitting, of a wider plan: the same studies go on
    studies = studies_of(tmp_path)
    keys = {name: [point_key(t.params) for t in s.trials] for name, s in studies.items()}
    for name, study in studies.items():
        assert study.study_name == before[name].study_name
        assert [len(study.trials), len(set(keys[name]))] == [8, 8]
        assert study.user_attrs["shared_points"] == 5
        assert "commits_before" in study.user_attrs["recorded"]
    assert keys["digits"][:5] == keys["digits-01"][:5]
    assert not set(keys["digits"][5:]) & set(keys["digits-01"][5:])
    table = table_of(read_history(tmp_path / "record" / "small.parquet"))
    assert {len(task.configs) for task in table.tasks} <= {5}  # what was run on every task
    assert {len(task.record.values) for task in table.tasks} <= {8}


def test_a_recording_goes_on_where_it_was_stopped(config, tmp_path):
    config.record.budget_s = 1e-3  # the first sitting ends with the first task's first trials
    config.record.only = ["digits"]
    record_job(config, Lines())
    (study,) = studies_of(tmp_path).values()
    done = [t.params for t in study.trials]
    assert len(done) < 5
    config.record.budget_s, config.record.only = None, []
    report, _ = record_job(config, Lines())
    study = studies_of(tmp_path)["digits"]
    assert [t.params for t in study.trials[: len(done)]] == done
    assert [row[1] for row in report.rows] == ["5", "5"]


def test_a_plan_that_cannot_be_run_is_named_before_anything_runs():
    plan = RecordConfig(
        tasks=[RecordedTask(task="imdb", packaged="digits"), RecordedTask()],
        only=["nowhere"],
        own_points={"text": {"minilm": 1}},
        rounds=0,
        budget_s="soon",
    )
    said = " ".join(plan.problems())
    for part in ("got both", "got neither", "'nowhere'", "record.rounds", "'soon'", "'minilm'"):
        assert part in said


def test_unknown_packaged_data_is_named_with_what_there_is(config):
    config.record.tasks = [RecordedTask(packaged="digit")]
    with pytest.raises(ConfigError, match="digits"):
        record_job(config, Lines())
