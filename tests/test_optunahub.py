"""The folder for OptunaHub: its conventions, and that the hub's own loader can open it."""

import os
import subprocess
import sys
from pathlib import Path

import optuna
import optunahub
import yaml

import foretune

REGISTRY = Path(__file__).resolve().parents[1] / "package"
FOLDER = REGISTRY / "samplers" / "foretune_meta"


def front_matter():
    _, matter, text = (FOLDER / "README.md").read_text().split("---\n", 2)
    return yaml.safe_load(matter), text


def test_the_readme_has_what_the_hub_asks_for():
    matter, text = front_matter()
    assert set(matter) == {"author", "title", "description", "tags", "optuna_versions", "license"}
    assert "sampler" in matter["tags"]
    assert matter["license"] == "MIT License"  # the hub takes no other
    assert (FOLDER / "LICENSE").read_text().startswith("MIT License")
    for heading in ("Abstract", "Class or Function Names", "Installation", "Example"):
        assert f"## {heading}\n" in text


def test_the_readme_names_the_optuna_version_that_is_tested():
    matter, _ = front_matter()
    assert optuna.__version__.rsplit(".", 1)[0] in {
        v.rsplit(".", 1)[0] for v in matter["optuna_versions"]
    }


def test_the_hubs_loader_opens_the_folder():
    module = optunahub.load_local_module("samplers/foretune_meta", registry_root=str(REGISTRY))
    assert module.MetaSampler is foretune.MetaSampler
    assert set(module.__all__) == {"MetaSampler", "explain", "recommend"}


def test_the_example_runs_and_explains_its_best_trial(tmp_path):
    done = subprocess.run(
        [sys.executable, str(FOLDER / "example.py")],
        env={**os.environ, "FORETUNE_HUB_FOLDER": str(REGISTRY), "FORETUNE_CACHE": str(tmp_path)},
        cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    scores = [float(line.split(": ")[1]) for line in lines if line.startswith("trial ")]
    assert len(scores) == 8
    assert max(scores) > 0.93  # of .95: three past tasks of the same shape, and eight trials
    assert any(line.startswith("Trial ") for line in lines)
