"""Cuts and subsets: seeded, disjoint, in the classes' shares."""

import numpy as np
import pytest
from datasets import Dataset

from foretune.train.data.splits import cut, cut_size, stratified, subset

LABELS = np.repeat([0, 1, 2], [70, 27, 3])


@pytest.mark.parametrize("n_rows", [1, 2, 3, 10, 50, 99, 100])
def test_stratified_takes_what_is_asked(n_rows):
    chosen = stratified(LABELS, n_rows, np.random.default_rng(0))
    assert len(set(chosen)) == n_rows
    counts = np.bincount(LABELS[chosen], minlength=3)
    if n_rows >= 3:
        assert counts.min() >= 1
        assert np.abs(counts - n_rows * np.array([0.7, 0.27, 0.03])).max() <= 2


def test_a_cut_divides_the_rows():
    rows = Dataset.from_dict({"text": [str(k) for k in range(100)], "label": LABELS.tolist()})
    rest, taken = cut(rows, 20, seed=0, what="test")
    assert (len(rest), len(taken)) == (80, 20)
    assert not set(rest["text"]) & set(taken["text"])
    assert sorted(set(taken["label"])) == [0, 1, 2]
    assert cut(rows, 20, seed=0, what="test")[1][:] == taken[:]
    assert cut(rows, 20, seed=0, what="validation")[1][:] != taken[:]


def test_a_regression_cut_is_random():
    rows = Dataset.from_dict({"text": ["x"] * 50, "label": [k / 7 for k in range(50)]})
    rest, taken = cut(rows, 10, seed=3, what="test")
    assert sorted([*rest["label"], *taken["label"]]) == sorted(rows["label"])


def test_no_cap_and_a_cap_beyond_the_rows_take_all():
    rows = Dataset.from_dict({"text": ["a", "b"], "label": [0, 1]})
    for n_rows in (None, 2, 5):
        assert subset(rows, n_rows, seed=0, what="train")[:] == rows[:]


def test_cut_sizes():
    assert [cut_size(n) for n in (3, 10, 1000, 10**6)] == [1, 1, 100, 2000]
