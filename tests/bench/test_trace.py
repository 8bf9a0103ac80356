"""Regret, budgets and reach are what their names say."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from foretune.bench.trace import Scale, Trace

SCALE = Scale(best=1.0, worst=0.0, median=0.5, test_best=0.9, test_worst=0.1, trial_s=10.0)


def trace(score: list[float], *, test: list[float] | None = None, asking: float = 0.0) -> Trace:
    n = len(score)
    return Trace(
        method="random", task="t", family="t", seed=0, score=np.array(score),
        test=np.array(test or [np.nan] * n), seconds=np.full(n, 10.0),
        asking_s=np.full(n, asking),
    )  # fmt: skip


def test_regret_starts_at_one_and_stays_after_the_end():
    found = trace([np.nan, 0.4, 0.2, 0.9]).regret(SCALE, 6)
    np.testing.assert_allclose(found, [1.0, 0.6, 0.6, 0.1, 0.1, 0.1])


def test_strict_regret_gives_nothing_for_what_is_below_the_median():
    found = trace([0.2, 0.75]).strict_regret(SCALE, 2)
    np.testing.assert_allclose(found, [1.0, 0.5])


def test_the_test_score_is_that_of_the_best_on_validation():
    found = trace([0.4, 0.3, 0.8], test=[0.5, 0.9, 0.1]).incumbent_test(4)
    np.testing.assert_allclose(found, [0.5, 0.5, 0.1, 0.1])


def test_an_unknown_test_score_is_no_regret():
    assert np.isnan(trace([0.4]).test_regret(Scale(1.0, 0.0, 0.5), 2)).all()


def test_suggesting_is_paid_for():
    budget = np.array([0.5, 1.0, 2.0, 2.5])
    cheap, dear = trace([0.5, 1.0]), trace([0.5, 1.0], asking=2.0)
    np.testing.assert_allclose(cheap.regret_at(SCALE, budget), [1.0, 0.5, 0.0, 0.0])
    np.testing.assert_allclose(dear.regret_at(SCALE, budget), [1.0, 1.0, 0.5, 0.0])


def test_meta_training_is_paid_for_unless_the_model_was_kept():
    found = dataclasses.replace(trace([0.5, 1.0]), training_s=15.0)
    np.testing.assert_allclose(found.spent_s(), [25.0, 35.0])
    np.testing.assert_allclose(found.spent_s(kept=True), [10.0, 20.0])
    assert found.regret_at(SCALE, np.array([2.0]))[0] == 1.0
    assert found.regret_at(SCALE, np.array([2.0]), kept=True)[0] == 0.0


@pytest.mark.parametrize(("target", "wanted"), [(0.5, 2), (0.1, 1), (2.0, None)])
def test_first_reach(target: float, wanted: int | None):
    assert trace([0.2, 0.7]).first_reach(target) == wanted


def test_a_scale_ignores_failures():
    scale = Scale.of(np.array([0.1, np.nan, 0.9]), np.full(3, np.nan), np.array([1.0, 1.0, 4.0]))
    assert (scale.best, scale.worst, scale.trial_s) == (0.9, 0.1, 2.0)
    assert np.isnan(scale.test_best)
