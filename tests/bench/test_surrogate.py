"""The surrogate is read as it is meant, where it is there."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from foretune.bench import surrogate_replay
from foretune.bench.surrogate import HELD_OUT, Surrogate, find_surrogate
from foretune.meta.settings import MetaSettings


@pytest.fixture(scope="module")
def surrogate() -> Surrogate:
    pytest.importorskip("onnxruntime")
    beside = Path(__file__).resolve().parents[2].parent / "shared"
    folder = find_surrogate(os.environ.get("FORETUNE_SHARED") or beside)
    if folder is None:
        pytest.skip("needs the LCBench surrogate; FORETUNE_SHARED names its folder")
    return Surrogate(folder)


def test_scores_lie_between_the_known_limits(surrogate: Surrogate):
    scale = surrogate.scale("3945")
    assert (scale.worst, scale.best) == (15.986547, 99.62601)
    configs = [surrogate.sample(np.random.default_rng(k)) for k in range(50)]
    scores = surrogate.evaluate("3945", configs)
    assert (scores > scale.worst - 5).all()
    assert (scores < scale.best + 5).all()
    assert np.ptp(scores) > 10
    assert (surrogate.evaluate("3945", configs, "time") > 0).all()


def test_the_history_lacks_what_is_held_out(surrogate: Surrogate):
    names = {study.name for study in surrogate.history.studies}
    assert len(names) == 24
    assert not names & {f"lcbench-{task}" for task in HELD_OUT}
    assert set(HELD_OUT) < set(surrogate.tasks)


@pytest.mark.parametrize("method", ["grid_729", "random", "tpe", "gp"])
def test_every_method_searches_it(surrogate: Surrogate, tmp_path: Path, method: str):
    found, again = (
        surrogate_replay.search(
            surrogate, "167168", method, seed=3, n_trials=5, settings=MetaSettings(),
            cache_dir=tmp_path,
        )
        for _ in range(2)
    )  # fmt: skip
    np.testing.assert_array_equal(found.score, again.score)
    assert len(np.unique(found.score)) == 5
    assert (found.seconds > 0).all()


def test_nothing_is_found_where_nothing_is(tmp_path: Path):
    assert find_surrogate(None) is None
    assert find_surrogate(tmp_path) is None
