"""Seconds are predicted for configurations that no past task tried, and for those that one did."""

from __future__ import annotations

import math

import numpy as np
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from foretune.meta.codec import Codec, ParamCode
from foretune.meta.cost import CostModel, covariance, parts_of
from foretune.meta.own_seconds import OwnSeconds
from foretune.meta.work import Work, work_rows

MODELS = {"small": 0.05, "middle": 0.4, "large": 3.0}  # seconds an epoch
SPACE: dict[str, BaseDistribution] = {
    "model": CategoricalDistribution(list(MODELS)),
    "epochs": IntDistribution(1, 8),
    "batch_size": CategoricalDistribution([8, 16, 32, 64]),
    "frozen": CategoricalDistribution([0.0, 0.5, 1.0]),
    "lr": FloatDistribution(1e-5, 1e-1, log=True),
    "schedule": CategoricalDistribution(["linear", "constant"]),
}
CODEC = Codec(tuple(ParamCode.of(name, d) for name, d in SPACE.items()), frozenset({"frozen"}))


def drawn(n: int, rng: np.random.Generator) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for _ in range(n):
        found.append({
            "model": str(rng.choice(list(MODELS))), "epochs": int(rng.integers(1, 9)),
            "batch_size": int(rng.choice([8, 16, 32, 64])),
            "frozen": float(rng.choice([0.0, 0.5, 1.0])),
            "lr": float(10 ** rng.uniform(-5, -1)),
            "schedule": str(rng.choice(["linear", "constant"])),
        })  # fmt: skip
        if found[-1]["model"] == "small":
            del found[-1]["frozen"]
    return found


def seconds(configuration: dict[str, object]) -> float:
    """A fixed part, and epochs of steps of which some of the model is left out."""
    model, epochs, batch, frozen = (
        configuration.get(name, 0.0) for name in ("model", "epochs", "batch_size", "frozen")
    )
    each = MODELS[str(model)] * (0.7 + 5.0 / float(str(batch))) * (1.0 - 0.7 * float(str(frozen)))
    return 0.1 + float(str(epochs)) * each


def rows(configurations: list[dict[str, object]]) -> np.ndarray:
    return work_rows(CODEC, CODEC.encode(CODEC.to_raw(configurations)))


def logs(configurations: list[dict[str, object]]) -> np.ndarray:
    return np.log([seconds(c) for c in configurations])


def within(predicted: np.ndarray, true: np.ndarray) -> float:
    return float((np.abs(predicted - true) < math.log(1.5)).mean())


def learnt(seed: int, *, odd: float = 0.0, shared: bool = True) -> CostModel:
    """From six tasks of 40 trials, on machines of like speed."""
    rng = np.random.default_rng(seed)
    plan = drawn(40, rng)
    X, y = [], []
    for _ in range(6):
        tried = plan if shared else drawn(40, rng)
        took = logs(tried) + 0.3 * rng.normal() + 0.1 * rng.normal(size=40)
        y.append(took - 3.0 * (rng.random(40) < odd))  # what met a warm cache
        X.append(rows(tried))
    cost = CostModel.fit(X, y, Work.of(CODEC))
    assert cost is not None
    return cost


@pytest.mark.parametrize(("odd", "shared", "least"), [(0.0, True, 0.7), (0.0, False, 0.85),
                                                      (0.08, False, 0.8)])  # fmt: skip
def test_configurations_that_no_task_tried(odd: float, shared: bool, least: float):
    """Their mean over three histories; each bound is .1 or more below what was seen."""
    rng = np.random.default_rng(9)
    new = drawn(200, rng)
    found = []
    for seed in range(3):
        cost = learnt(seed, odd=odd, shared=shared)
        found.append(within(cost.relative(rows(new)) + cost.offset, logs(new)))
    assert np.mean(found) > least


def test_what_a_repeated_configuration_takes_is_remembered():
    """A plan's seventh trial meets a cache on each task: nothing but its place says so."""
    rng = np.random.default_rng(0)
    plan = drawn(40, rng)
    took = logs(plan)
    took[7] -= 3.0
    y = [took + 0.1 * rng.normal(size=40) for _ in range(5)]
    cost = CostModel.fit([rows(plan)] * 5, y, Work.of(CODEC))
    assert cost is not None
    assert within(cost.relative(rows(plan)) + cost.offset, took) == 1.0


def test_a_level_is_like_past_ones_or_that_of_another_machine():
    cost = learnt(0, shared=False)
    assert 0.1 < cost.spread < 1.0  # planted: .3
    rng = np.random.default_rng(4)
    new = drawn(60, rng)
    for slower, least in ((0.0, 0.8), (math.log(20.0), 0.8)):
        took = logs(new) + slower
        own = OwnSeconds.fit(
            rows(new[:3]), took[:3], cost.relative(rows(new[:3])), cost.offset, cost.spread
        )
        assert within(own.correction(rows(new)) + cost.relative(rows(new)), took) > least


def test_tasks_of_other_models_keep_their_own_seconds():
    """No configuration links them, so what differs may be the models: they are told apart."""
    rng = np.random.default_rng(1)
    X, y = [], []
    for names in (("small",), ("large",)):
        plan = [c for c in drawn(120, rng) if c["model"] in names][:25]
        X += [rows(plan)] * 3
        y += [logs(plan) + 0.05 * rng.normal(size=len(plan)) for _ in range(3)]
    cost = CostModel.fit(X, y, Work.of(CODEC))
    assert cost is not None
    assert cost.spread < 0.5
    new = [c for c in drawn(100, rng) if c["model"] != "middle"]
    assert within(cost.relative(rows(new)) + cost.offset, logs(new)) > 0.75


@pytest.mark.parametrize("described", [0, 2])
def test_the_fast_sum_of_the_processes_is_their_sum(described: int):
    rng = np.random.default_rng(0)
    A, B = (np.hstack([rows(drawn(n, rng)), rng.normal(size=(n, described))]) for n in (5, 7))
    parts = parts_of(A, B, Work.of(CODEC), 1.3)
    variances = rng.random(len(parts))
    slow = sum(v * part for v, (part, _) in zip(variances, parts, strict=True))
    np.testing.assert_allclose(covariance(A, B, Work.of(CODEC), 1.3, variances), slow)


@pytest.mark.parametrize("seconds_each", [1e-3, 5e3])
def test_without_a_history_the_first_trial_gives_the_level(seconds_each: float):
    X = np.random.default_rng(0).random((30, 2))
    own = OwnSeconds.fit(X[:1], np.log([seconds_each]), None, 0.0)
    assert within(own.correction(X), np.full(30, math.log(seconds_each))) == 1.0


@pytest.mark.parametrize(
    ("X", "y"),
    [
        (np.ones((30, 3)), np.arange(30.0)),
        (np.eye(2).repeat(15, axis=0), np.arange(30.0)),
        (np.eye(30), np.where(np.arange(30) % 2, 700.0, -700.0)),
        (np.eye(30), 1.0 + 1e-14 * np.arange(30)),
        (np.random.default_rng(0).random((300, 90)), np.arange(300.0)),
    ],
    ids=["one configuration", "two", "absurd seconds", "next to no difference", "many numbers"],
)
def test_odd_histories_have_finite_predictions(X: np.ndarray, y: np.ndarray):
    cost = CostModel.fit([X], [y])
    assert cost is not None
    assert np.isfinite(cost.relative(X)).all()


def test_numbers_given_as_choices_are_numbers():
    plain = Codec((ParamCode.of("epochs", IntDistribution(1, 8)),))
    choices = Codec((ParamCode.of("epochs", CategoricalDistribution([8, 1, 2, 4])),))
    values = [{"epochs": n} for n in (1, 2, 4, 8)]
    found = [work_rows(c, c.encode(c.to_raw(values)))[:, 0] for c in (plain, choices)]
    np.testing.assert_allclose(found[0], found[1])
    np.testing.assert_allclose(found[0], [0.0, 1 / 3, 2 / 3, 1.0])


@pytest.mark.parametrize(
    "odd",
    [
        {"model": "unheard of", "epochs": 3, "batch_size": 16},
        {"epochs": 300, "batch_size": 7, "frozen": 0.25},
        {},
    ],
)
def test_what_the_history_never_saw_has_a_finite_prediction(odd: dict[str, object]):
    cost = learnt(0)
    assert np.isfinite(cost.relative(rows([odd]))).all()


@pytest.mark.parametrize(
    "distribution",
    [IntDistribution(0, 4), IntDistribution(3, 3), FloatDistribution(-1.0, 1.0),
     FloatDistribution(1e-3, 10.0, log=True), CategoricalDistribution([0, 2]),
     CategoricalDistribution([5]), CategoricalDistribution([True, False]),
     CategoricalDistribution([None, "a", 3])],
)  # fmt: skip
def test_any_distribution_of_work_is_read(distribution: BaseDistribution):
    codec = Codec((ParamCode.of("steps", distribution),), frozenset({"steps"}))
    raw = np.array([[np.nan], [0.0], [-1.0], [1.0], [99.0]])
    found = work_rows(codec, codec.encode(raw))
    assert np.isfinite(found).all()
    assert found.shape[1] == len(Work.of(codec).roles)
