"""Nearest means and nearest rows, each row left out of what it is judged by."""

import math

import numpy as np
import pytest

from foretune.select import Support, knn_loo, ncm


def drawn(n, D, C, *, signal, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % C
    F = rng.standard_normal((n, D)) + signal * rng.standard_normal((C, D))[y]
    return Support.of(F, y, is_class=True)


@pytest.mark.parametrize(("n", "D", "C"), [(20, 50, 3), (30, 4, 4)])
def test_ncm_is_what_leaving_each_row_out_gives(n, D, C):
    s = drawn(n, D, C, signal=0.4)
    X = s.features / np.linalg.norm(s.features, axis=1, keepdims=True)
    within = sum(((X[s.targets == c] - X[s.targets == c].mean(0)) ** 2).sum() for c in range(C))
    hits = 0
    for i in range(n):
        keep = np.arange(n) != i
        rows = [X[keep & (s.targets == c)] for c in range(C)]
        distance = [((X[i] - r.mean(0)) ** 2).sum() - within / (n - C) / len(r) for r in rows]
        hits += int(np.argmin(distance)) == s.targets[i]
    assert 0 < hits < n
    assert ncm(s) == pytest.approx(hits / n)


def test_ncm_without_signal_is_at_chance():
    """Ten classes, standard error .004; with plain distances the mean would be .02.

    It is a little above .1 because the mean of fewer rows is the least certain, and so the nearest
    a little more often.
    """
    scores = [ncm(drawn(32, 300, 10, signal=0.0, seed=seed)) for seed in range(400)]
    assert 0.09 < np.mean(scores) < 0.16


@pytest.mark.parametrize(
    ("angles", "y", "share"),
    [
        ([0, 10, 90, 100], [0, 0, 1, 1], 1.0),
        ([0, 90, 10, 100], [0, 0, 1, 1], 0.0),
        ([0, 10, 90, 100, 200], [0, 0, 1, 1, 2], 0.8),
    ],
)
def test_ncm_by_hand(angles, y, share):
    turned = np.radians(angles)
    lengths = np.arange(1, len(y) + 1)[:, None]
    F = lengths * np.column_stack([np.cos(turned), np.sin(turned)])
    assert ncm(Support.of(F, y, is_class=True)) == pytest.approx(share)


def test_means_at_the_same_distance_share_the_row():
    assert ncm(Support.of(np.ones((6, 2)), [0, 1, 2] * 2, is_class=True)) == pytest.approx(1 / 3)


def test_ncm_of_numbers_is_none():
    assert math.isnan(ncm(Support.of(np.eye(3), [1.0, 2.0, 3.0], is_class=False)))


def test_knn_by_hand():
    """Classes of two rows: one neighbour each, its class right for the first two rows alone."""
    turned = np.radians([0, 10, 25, 90, 100])
    F = np.column_stack([np.cos(turned), np.sin(turned)])
    assert knn_loo(Support.of(F, [0, 0, 1, 1, 0], is_class=True)) == pytest.approx(2 / 5)


def test_knn_weighs_neighbours_by_the_inverse_of_their_distance():
    turned = np.radians([0, 20, 40, 180, 200, 220])
    F = np.column_stack([np.cos(turned), np.sin(turned)])
    y = [0, 1, 0, 1, 0, 1]
    near, far = 1 / (1 - math.cos(math.radians(20))), 1 / (1 - math.cos(math.radians(40)))
    ends = far / (near + far)
    assert knn_loo(Support.of(F, y, is_class=True)) == pytest.approx(4 * ends / 6)


def test_knn_of_numbers_follows_them_where_the_features_do():
    turned = np.linspace(0, 3, 20)
    F = np.column_stack([np.cos(turned), np.sin(turned)])
    assert knn_loo(Support.of(F, turned**2, is_class=False)) > 0.95
    wrong = np.random.default_rng(0).permutation(turned)
    assert abs(knn_loo(Support.of(F, wrong, is_class=False))) < 0.5
