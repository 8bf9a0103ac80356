"""``job=benchmark`` from a table to a page that a browser opens and runs that MLflow compares."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from foretune.testing.browser import chromium, missing_browser, see
from foretune.testing.recorded import write_table
from foretune.tracking.database import open_database

QUICK = [
    "job=benchmark", "benchmark.seeds=2", "benchmark.few_seeds=1", "benchmark.trials=6",
    "search.meta.meta_iterations=10", "benchmark.surrogate=null",
]  # fmt: skip


@pytest.fixture
def no_surrogate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORETUNE_SHARED", "")


def test_from_a_table_to_a_page_and_runs(foretune, tmp_path: Path, no_surrogate: None):
    table = write_table(tmp_path / "table.parquet", n_configs=12, n_tasks=5)
    code, said = foretune(*QUICK, f"benchmark.table={table}")
    assert code == 0, said
    assert "Normalised regret, recorded real trials" in said
    assert "the surrogate benchmark was left out: set FORETUNE_SHARED" in said

    folder = tmp_path / "outputs" / "benchmark"
    report = json.loads((folder / "report.json").read_text())
    assert report["table"]["families"] == ["reviews", "news", "films", "digits"]
    methods = report["table"]["methods"]
    assert len(methods["meta"]["regret"]) == 6
    assert methods["default"]["n_seeds"] == 1
    assert methods["random"]["n_seeds"] == 2
    assert {line["what"] for line in report["reach"]["table"]} >= {"meta's regret after 1 trial"}
    assert report["config"]["benchmark"]["trials"] == 6
    assert report["facts"]["scipy"]
    assert str(tmp_path) not in json.dumps(report["facts"])
    runs = json.loads((folder / "runs.json").read_text())["table"]
    assert {(r["method"], r["seed"]) for r in runs} >= {("meta", 0), ("meta", 1), ("tpe", 1)}
    assert sorted(p.name for p in (folder / "figures").glob("*.png")) == [
        "table-ranks.png", "table-regret.png", "table-tasks.png",
    ]  # fmt: skip

    page = (folder / "report.html").read_text()
    assert "http://" not in page.replace("http://www.w3.org", ""), "it opens without a network"
    assert "https://" not in page
    if not missing_browser():
        with chromium() as driver:
            driver.get(f"file://{folder}/report.html")
            see(driver, "After 3 trials", "What it must reach", "mean rank", "Losses, ties, wins")
            assert len(driver.find_elements("css selector", "figure svg")) == 3
            severe = [e for e in driver.get_log("browser") if e["level"] == "SEVERE"]
            assert severe == []

    database = open_database(tmp_path / "mlruns", "foretune-benchmark")
    found = database.client.search_runs([database.experiment_id])
    by_name = {run.info.run_name: run for run in found}
    assert {"meta", "TPE", "GP", "random", "grid", "report"} <= by_name.keys()
    meta = by_name["meta"]
    history = database.client.get_metric_history(meta.info.run_id, "all/regret")
    assert [m.step for m in history] == [1, 2, 3, 4, 5, 6]
    assert history[-1].value == methods["meta"]["regret"][-1]
    assert meta.data.metrics["all/regret_at_1"] == methods["meta"]["regret"][0]
    assert "task/reviews-64" in meta.data.metrics
    newest = database.client.search_runs(
        [database.experiment_id], order_by=["attributes.start_time DESC"]
    )
    assert newest[0].info.run_name == "meta", "on top of the UI's list"
    held = database.client.list_artifacts(by_name["report"].info.run_id)
    assert "report.html" in [artifact.path for artifact in held]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["benchmark.table=no/such.parquet"], "found no file"),
        (["benchmark.surrogate=no/such"], "model.onnx"),
        (["benchmark.seeds=0", "benchmark.mode=slow"], "benchmark.seeds: expected at least 1"),
        (["benchmark.live.methods=[meta,bohb]"], "unknown method"),
        (["benchmark.grid={}", "benchmark.live.budget_s=never"], "benchmark.live.budget_s"),
    ],
)
def test_what_cannot_be_done_is_said(foretune, words: list[str], told: str):
    code, said = foretune("job=benchmark", *words)
    assert code == 2
    assert told in " ".join(said.split())
    assert "Traceback" not in said


def test_a_table_of_one_family_is_refused(foretune, tmp_path: Path):
    table = write_table(tmp_path / "one.parquet", n_configs=10, n_tasks=2)
    code, said = foretune("job=benchmark", f"benchmark.table={table}")
    assert code == 2
    assert "at least 3 families" in " ".join(said.split())
