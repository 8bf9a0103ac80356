"""Take the pictures of MLflow's UI for the README.

``python docs/screenshot.py mlruns docs/images``: the list of runs with the newest search's trials
(mlflow-runs.png) and that search's own page (mlflow-search.png).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from foretune.core import ForetuneError
from foretune.testing.browser import chromium, missing_browser, see, served_ui
from foretune.tracking.database import database_path, open_database
from foretune.tracking.ui import VIEW

COLUMNS = (
    "metrics.`score`",
    "metrics.`resources/seconds`",
    "params.`model`",
    "params.`lr`",
    "params.`batch_size`",
    "params.`epochs`",
    "params.`layers`",
    "tags.`why`",
)
SETTLED_MS = 1500  # by taste: the tables' rows fade in


def main(mlruns: Path, images: Path, experiment: str = "foretune") -> None:
    """Write both pictures of the newest search in ``mlruns`` to ``images``."""
    if missing_browser():
        raise SystemExit(missing_browser())
    if not database_path(mlruns).exists():
        raise SystemExit(f"expected the record of a search in {mlruns}, found none")
    database = open_database(mlruns, experiment)
    searches = database.client.search_runs(
        [database.experiment_id],
        "tags.role = 'search'",
        max_results=1,
        order_by=["attributes.start_time DESC"],
    )
    if not searches:
        raise SystemExit(f"expected a search in the experiment {experiment!r}, found none")
    search = searches[0].info
    images.mkdir(parents=True, exist_ok=True)
    state = {
        "selectedColumns": COLUMNS,
        "runsExpanded": {search.run_id: True},
        "orderByKey": "attributes.start_time",
        "orderByAsc": False,
    }
    key = f'MLflowLocalStorage-1.1-ExperimentPage-["{database.experiment_id}"]-ReactComponentState'
    with served_ui(database.folder) as address, chromium(width=1600, height=950) as driver:
        runs = f"{address}/#/experiments/{database.experiment_id}/runs"
        driver.get(f"{address}/health")  # a page of the same origin, to store the columns for
        driver.execute_script("localStorage.setItem(...arguments)", key, json.dumps(state))
        for page, name in (
            (f"{runs}?{VIEW}", "mlflow-runs.png"),
            (f"{runs}/{search.run_id}?{VIEW}", "mlflow-search.png"),
        ):
            driver.get(page)
            see(driver, str(search.run_name), "trial 0")
            driver.execute_async_script(f"setTimeout(arguments[0], {SETTLED_MS})")
            driver.save_screenshot(str(images / name))
            sys.stdout.write(f"{images / name}\n")


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        raise SystemExit(__doc__)
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
    except ForetuneError as error:
        raise SystemExit(f"error: {error}") from error
