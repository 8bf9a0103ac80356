"""Each method tries recorded configurations alone, none twice, the same with the same seed."""

from __future__ import annotations

import dataclasses

import numpy as np
import optuna
import pytest

from foretune.bench import orders
from foretune.bench.listing import Listing
from foretune.bench.replay import Contest, search
from foretune.bench.table import Table, TableTask
from foretune.config.schema.benchmark import BenchmarkConfig
from foretune.meta.settings import MetaSettings

optuna.logging.set_verbosity(optuna.logging.WARNING)
ALL = (
    "random", "grid", "grid_small", "default", "mean_rank", "portfolio", "nearest", "tpe", "gp",
    "tpe_default", "cold", "meta", "meta_default", "meta_moved",
)  # fmt: skip


@pytest.fixture(scope="module")
def contest(table: Table, tmp_path_factory: pytest.TempPathFactory) -> Contest:
    config = BenchmarkConfig()
    return Contest.of(
        table.tasks[0], table.past(table.tasks[0].family), grid=config.grid,
        small_grid=config.small_grid, settings=MetaSettings(meta_iterations=30),
        cache_dir=tmp_path_factory.mktemp("cache"),
    )  # fmt: skip


def pairs(task: TableTask) -> set[tuple[float, float]]:
    return set(zip(np.nan_to_num(task.score, nan=-1.0), task.seconds, strict=True))


@pytest.mark.parametrize("method", ALL)
def test_only_recorded_trials_none_twice_and_repeatable(contest: Contest, method: str):
    found = search(contest, method, seed=1, n_trials=8)
    again = search(contest, method, seed=1, n_trials=8)
    assert found is not None
    assert again is not None
    np.testing.assert_array_equal(found.score, again.score)
    tried = list(zip(np.nan_to_num(found.score, nan=-1.0), found.seconds, strict=True))
    assert set(tried) <= pairs(contest.task)
    assert len(set(tried)) == len(tried) <= 8


@pytest.mark.parametrize("method", ["random", "grid", "tpe", "gp"])
def test_the_seed_has_an_effect(contest: Contest, method: str):
    scores = [search(contest, method, seed=s, n_trials=6).score for s in range(4)]  # type: ignore[union-attr]
    assert len({s.tobytes() for s in scores}) > 1


@pytest.mark.parametrize("method", ["meta_default", "cold", "tpe_default"])
def test_the_default_comes_first_where_it_says_so(contest: Contest, method: str):
    found = search(contest, method, seed=0, n_trials=1)
    assert found is not None
    assert found.score[0] == contest.task.score[contest.task.default]


def test_a_search_ends_with_the_best_configuration(contest: Contest):
    found = search(contest, "random", seed=0, n_trials=16)
    assert found is not None
    assert np.nanargmax(found.score) == len(found.score) - 1
    assert np.nanmax(found.score) == np.nanmax(contest.task.score)


def test_learning_from_alike_tasks_beats_random(contest: Contest):
    best = np.nanmax(contest.task.score)
    random = [search(contest, "random", seed=s, n_trials=3).score for s in range(20)]  # type: ignore[union-attr]
    typical = np.mean([best - np.nanmax(s) for s in random])
    for method in ("mean_rank", "portfolio", "meta"):
        found = search(contest, method, seed=0, n_trials=3)
        assert found is not None
        # Three of sixteen at random are 0.1 behind on average; the other tasks know better.
        assert best - np.nanmax(found.score) < typical


def test_mean_rank_is_the_mean_of_ranks(table: Table):
    task, past = table.tasks[0], table.past("reviews")
    alike = [t for t in past if t.modality == "text"]
    ranks = [(-np.where(np.isnan(t.score), -np.inf, t.score)).argsort().argsort() for t in alike]
    assert orders.mean_rank_order(task, past)[0] == int(np.mean(ranks, axis=0).argmin())


def test_where_nobody_tried_these_configurations_there_is_no_order(table: Table):
    images = [t for t in table.tasks if t.modality == "image"]
    assert orders.mean_rank_order(table.tasks[0], images) == []
    assert orders.nearest_task_order(table.tasks[0], images) == []


def test_a_grid_of_more_points_than_configurations_ends_with_them(table: Table):
    task = table.tasks[0]
    axes = {"lr": list(np.geomspace(1e-5, 1e-2, 5)), "epochs": [1, 2, 3, 4], "no such": [1, 2]}
    assert sorted(orders.grid_order(task, axes, seed=0)) == list(range(len(task.configs)))


def test_nearest_is_itself_until_it_was_tried(table: Table):
    task = table.tasks[0]
    listing = Listing(task)
    for k in (0, 5, 11):
        assert listing.nearest(task.configs[k], []) == k
        assert listing.nearest(task.configs[k], [k]) != k


def test_a_method_that_does_not_apply_has_no_trace(contest: Contest, table: Table):
    images = tuple(t for t in table.tasks if t.modality == "image")
    alone = dataclasses.replace(contest, past=images)
    assert search(alone, "mean_rank", seed=0, n_trials=3) is None
    record = contest.task.record
    attrs = {k: v for k, v in record.user_attrs.items() if k != "default_params"}
    task = dataclasses.replace(contest.task, record=dataclasses.replace(record, user_attrs=attrs))
    assert search(dataclasses.replace(contest, task=task), "default", seed=0, n_trials=3) is None
