"""``benchmark.mode=live``: real searches in the same seconds, gone on with where they were."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from foretune.config.schema.benchmark import BenchmarkConfig, LiveConfig
from foretune.config.schema.executor import ExecutorConfig
from foretune.config.schema.record import RecordConfig, RecordedTask
from foretune.config.schema.root import RootConfig
from foretune.config.schema.search import MetaConfig, SearchConfig
from foretune.config.schema.space import SpaceConfig
from foretune.config.schema.tracking import TrackingConfig
from foretune.core import ConfigError
from foretune.history import read_history
from foretune.jobs_bench_live import benchmark_live_job
from foretune.testing.recorded import write_table

ROWS = {"train_rows": 32, "validation_rows": 32, "test_rows": 32}


@pytest.fixture
def config(tmp_path: Path) -> RootConfig:
    """One task, one seed, four seconds a search, a model of a few thousand parameters."""
    return RootConfig(
        benchmark=BenchmarkConfig(
            mode="live",
            table=str(write_table(tmp_path / "table.parquet", n_configs=10)),
            grid={"lr": [1e-3, 3e-3], "epochs": [1]},
            live=LiveConfig(
                tasks=["digits"], methods=["meta", "grid"], seeds=1, budget_s=4, repeats=1
            ),
        ),
        record=RecordConfig(
            points={"image": {"resnet_tiny": 1}},
            tasks=[RecordedTask(packaged="digits", **ROWS)],  # type: ignore[arg-type]
        ),
        space=SpaceConfig(
            params={
                "lr": {"type": "float", "range": [1e-4, 1e-2], "log": True, "default": 1e-3},
                "epochs": {"type": "int", "low": 1, "high": 3, "default": 1},
            }
        ),
        search=SearchConfig(meta=MetaConfig(meta_iterations=10)),
        executor=ExecutorConfig(kind="inline"),
        tracking=TrackingConfig(enabled=False),
        outputs=str(tmp_path / "outputs"),
    )


def test_the_same_seconds_the_page_and_going_on(config: RootConfig, tmp_path: Path):
    steps: list[tuple[int, int]] = []
    report = benchmark_live_job(config, {}, lambda done, total, what: steps.append((done, total)))
    assert steps == [(1, 2), (2, 2)]
    assert [row[:2] for row in report.rows] == [("digits", "meta"), ("digits", "grid")]

    folder = tmp_path / "outputs" / "benchmark"
    found = json.loads((folder / "report.json").read_text())["live"]
    for search in found["searches"]:
        assert search["ends_s"] == sorted(search["ends_s"])
        # Four seconds are spent, or the grid's two points; the last epoch may end later.
        assert search["ends_s"][-1] >= 4 or len(search["score"]) == 2
        assert search["test"] is not None
        assert len(search["again"]) == 1
    assert "digits" in (folder / "report.html").read_text()
    past = read_history(str(folder / "live" / "history-digits.parquet"))
    assert "digits" not in {study.user_attrs["family"] for study in past.studies}
    assert len(past.studies) == 7

    benchmark_live_job(config, {}, lambda done, total, what: None)
    again = json.loads((folder / "report.json").read_text())["live"]
    assert again["searches"] == found["searches"], "what was run is only read"


def test_a_task_that_is_not_recorded_is_named(config: RootConfig):
    config.benchmark.live.tasks = ["digit"]
    with pytest.raises(ConfigError, match="unknown recorded task 'digit': did you mean 'digits'"):
        benchmark_live_job(config, {}, lambda done, total, what: None)


def test_a_task_without_a_plan_is_named(config: RootConfig):
    config.benchmark.live.tasks = ["reviews"]
    with pytest.raises(ConfigError, match=r"unknown task of record.tasks 'reviews'"):
        benchmark_live_job(config, {}, lambda done, total, what: None)
