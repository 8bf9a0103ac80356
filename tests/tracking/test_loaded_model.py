"""The logged model loads by one line, in a process that has never heard of the search."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from foretune.testing.trackers import example_plan, play_search
from foretune.tracking.database import Database
from foretune.tracking.mlflow_tracker import MlflowTracker

# Stands in for the trainer alone, which has tests of its own: what is checked here is MLflow's way
# from the folder to ``predict``.
PROGRAM = """
import sys, types
class Predictor:
    def __init__(self, folder): self.weights = open(folder + "/weights.txt").read()
    def predict(self, inputs): return [self.weights + text for text in inputs]
sys.modules["foretune.train"] = types.SimpleNamespace(load_model=Predictor)
import mlflow
print({line})
"""


def test_one_line_loads_the_best_model(database: Database, tmp_path: Path):
    best = tmp_path / "best"
    best.mkdir()
    (best / "weights.txt").write_text("positive: ")
    with MlflowTracker(database) as tracker:
        play_search(tracker, example_plan(tmp_path), model_dir=best)
        (line,) = [text for text in tracker.closing_lines() if "load_model" in text]
    code = line.partition(": ")[2].replace("[...]", '["a fine film"]')
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("{line}", code)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.stdout.strip() == "['positive: a fine film']", done.stderr
    assert done.stderr.strip() == ""  # MLflow has nothing to complain of
