"""A head's start is learnt from the support sets of other tasks that past selections left."""

import json
from dataclasses import replace

import numpy as np
import pytest

from foretune.config.schema.selection import SelectionConfig
from foretune.core import TaskKind
from foretune.select import HeadStart
from foretune.selection import learned_start, parse_start
from foretune.selection.cache import keep_vectors, past_supports
from foretune.testing.planted import TASK
from foretune.train.probe import Vectors

QUICK = SelectionConfig(meta_iterations=10)


def info(name, *, asked=None, fingerprint=None, kind=TaskKind.TEXT_CLASSIFICATION):
    return replace(TASK, name=name, asked=asked or name, fingerprint=fingerprint or name, kind=kind)


def keep(folder, file, of, *, seed=0, n=24):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    X = rng.normal(size=(n, 16))
    X[np.arange(n), y] += 3.0
    targets = y if of.kind is not TaskKind.TEXT_REGRESSION else X[:, 0]
    keep_vectors(folder / f"probe-{file}.npz", of, Vectors(X, targets, 0.1))


def test_support_sets_of_the_same_name_or_data_are_never_learnt_from(tmp_path):
    keep(tmp_path, "other", info("other"))
    keep(tmp_path, "number", info("number", kind=TaskKind.TEXT_REGRESSION))
    keep(tmp_path, "own", info("imdb"))
    keep(tmp_path, "stand-in", info("stand-in", asked="imdb"))
    keep(tmp_path, "renamed", info("renamed", fingerprint="rows of imdb"))
    found = past_supports(tmp_path, info("imdb", fingerprint="rows of imdb"))
    assert set(found) == {"other", "number"}
    assert [s.is_class for own in found.values() for s in own.values()] == [False, True]
    own_stand_in = past_supports(tmp_path, info("stand-in", asked="imdb"))
    assert set(own_stand_in) == {"other", "number", "renamed"}


def test_files_that_say_nothing_are_passed_over(tmp_path):
    keep(tmp_path, "whole", info("other"))
    (tmp_path / "probe-damaged.npz").write_bytes(b"damaged")
    np.savez(tmp_path / "probe-untold.npz", features=np.eye(3), targets=np.arange(3))
    one = Vectors(np.eye(3), np.zeros(3, int), 0.1)
    keep_vectors(tmp_path / "probe-one.npz", info("one class"), one)
    assert set(past_supports(tmp_path, info("imdb"))) == {"other"}
    assert past_supports(tmp_path / "absent", info("imdb")) == {}


def test_three_other_tasks_teach_a_start_that_is_kept(tmp_path):
    for k in range(2):
        keep(tmp_path, f"{k}", info(f"task{k}"), seed=k)
    keep(tmp_path, "own", info("imdb"), seed=7)
    start, line = learned_start(tmp_path, info("imdb"), QUICK)
    assert start == HeadStart()
    assert "of 2 other tasks are kept, too few" in line
    keep(tmp_path, "2", info("task2"), seed=2)
    learnt, line = learned_start(tmp_path, info("imdb"), QUICK)
    assert learnt != HeadStart()
    assert line.startswith("head: its start is meta-trained on 3 support sets of 3 other tasks")
    assert "(task0, task1, task2)" in line
    (file,) = tmp_path.glob("head-*.json")
    held = json.loads(file.read_text())
    assert held["tasks"] == ["task0", "task1", "task2"]
    file.write_text(json.dumps({**held, "decay": 0.125}))
    assert learned_start(tmp_path, info("imdb"), QUICK)[0].decay == 0.125  # read, not learnt again
    file.write_text("damaged")
    assert learned_start(tmp_path, info("imdb"), QUICK)[0] == learnt
    # Its own rows say nothing: the same start without them.
    (tmp_path / "probe-own.npz").unlink()
    assert learned_start(tmp_path, info("imdb"), QUICK)[0] == learnt


@pytest.mark.parametrize("held", [None, {}, {"log_start": "x"}, {"log_start": float("nan")}, []])
def test_what_is_no_start(held):
    assert parse_start(held) is None
