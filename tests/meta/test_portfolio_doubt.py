"""A portfolio of few past tasks: what most of them tried, not what nothing is known of."""

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import create_trial

from foretune import MetaSampler, recommend
from foretune.meta.context import Columns
from foretune.meta.rows import distinct
from foretune.meta.settings import MetaSettings

SPACE = {"model": CategoricalDistribution(("a", "b")), "x": FloatDistribution(0.0, 1.0)}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_first_trial_was_seen_to_be_good_on_most_tasks(tmp_path, seed):
    """Model b is the best of two tasks that know it alone; four know that a is good."""
    storage = optuna.storages.InMemoryStorage()
    grid = np.linspace(0.0, 1.0, 9)
    for k in range(6):
        study = optuna.create_study(storage=storage, study_name=f"t{k}", direction="maximize")
        own = "b" if k >= 4 else "a"
        other = [("b", x, 0.2 - x) for x in grid[1:6:2]] if own == "a" else [("a", 0.9, 0.0)]
        rows = [(own, x, 1.0 - (x - 0.4) ** 2 + (own == "b")) for x in grid] + other
        study.add_trials(
            create_trial(params={"model": m, "x": x}, distributions=SPACE, value=y)
            for m, x, y in rows
        )
    sampler = MetaSampler(storage, seed=seed, meta_iterations=100, cache_dir=tmp_path)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    trial = study.ask()
    assert trial.suggest_categorical("model", ("a", "b")) == "a"
    assert trial.suggest_float("x", 0.0, 1.0) == pytest.approx(0.4, abs=0.13)


def test_of_many_numbers_that_say_the_same_one_is_kept():
    rng = np.random.default_rng(0)
    size, kind = rng.normal(size=24), np.arange(24) % 3 == 0
    tables = [
        {**{f"chars_{j}": s + 0.05 * j * k for j in range(6)}, "tags": float(k)}
        for s, k in zip(size, kind, strict=True)
    ]
    names = Columns.fit(tables, 2).names
    assert "tags" in names
    assert len(names) == 2


def test_what_is_asked_for_first_and_what_most_hold_comes_first():
    rng = np.random.default_rng(1)
    tables = [
        {"probe": p, "size": s, **({"rare": r} if i % 2 else {})}
        for i, (p, s, r) in enumerate(rng.normal(size=(12, 3)))
    ]
    assert Columns.fit(tables, 1, first={"probe"}).names == ("probe",)
    assert Columns.fit(tables, 2).names == ("probe", "size")
    assert Columns.fit(tables, 3).names == ("probe", "rare", "size")


def test_a_configuration_with_inactive_parameters_is_a_candidate_once():
    row = np.array([1.0, np.nan])
    assert len(distinct(np.array([row, [2.0, np.nan], row, [1.0, 0.0]]))) == 3


def test_no_two_recommendations_of_a_conditional_space_are_alike(tmp_path):
    storage = optuna.storages.InMemoryStorage()
    for k in range(5):  # the same points on all tasks, half of them without "y"
        study = optuna.create_study(storage=storage, study_name=f"t{k}", direction="maximize")
        for x in np.linspace(0.0, 1.0, 6):
            for kind in ("a", "b"):
                space = {"kind": CategoricalDistribution(("a", "b")), "x": SPACE["x"]}
                params = {"kind": kind, "x": x}
                if kind == "b":
                    space["y"], params["y"] = SPACE["x"], 1.0 - x
                value = -((x - 0.4) ** 2) + (kind == "a")
                study.add_trial(create_trial(params=params, distributions=space, value=value))
    found = recommend(
        None, storage, n=5, settings=MetaSettings(meta_iterations=10), cache_dir=tmp_path
    )
    assert len({tuple(sorted(r.params.items())) for r in found}) == 5
