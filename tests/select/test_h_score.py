"""The H-score without D x D matrices is that with them."""

import itertools
import math

import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf

from foretune.select import Support, h_score


def support(n, D, C=3):
    rng = np.random.default_rng(0)
    y = np.arange(n) % C
    return Support.of(
        rng.standard_normal((n, D)) * np.linspace(2, 0.1, D) + y[:, None], y, is_class=True
    )


@pytest.mark.parametrize(("n", "D"), [(12, 60), (60, 12), (12, 11)])
def test_published_score_by_its_definition(n, D):
    s = support(n, D)
    covariance, a = ledoit_wolf(s.features)
    Z = s.features - s.features.mean(0)
    means = np.array([Z[s.targets == c].mean(0) for c in s.targets])
    expected = np.trace(np.linalg.solve(covariance, (1 - a) * means.T @ means / n))
    assert h_score(s, corrected=False) == pytest.approx(expected)


def test_what_is_taken_away_is_the_mean_over_all_orders_of_the_labels():
    s = support(6, 9)
    labels = set(itertools.permutations(s.targets.tolist()))
    shuffled = [h_score(Support.of(s.features, y, is_class=True), corrected=False) for y in labels]
    assert len(labels) == 90
    assert h_score(s, corrected=False) - h_score(s) == pytest.approx(np.mean(shuffled))


@pytest.mark.parametrize(("y", "share"), [([0, 0, 1, 1], 1.0), ([0, 1, 0, 1], 0.0)])
def test_one_dimension_by_hand(y, share):
    s = Support.of([[0.0], [0.0], [1.0], [1.0]], y, is_class=True)
    assert h_score(s, corrected=False) == pytest.approx(share)
    assert h_score(s) == pytest.approx(share - 1 / 3)


def test_numbers_have_none():
    assert math.isnan(h_score(Support.of(np.eye(3), [1.0, 2.0, 3.0], is_class=False)))
