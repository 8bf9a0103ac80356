"""A support set is checked once, where it is made."""

import numpy as np
import pytest

from foretune.core import DataError, ModelError
from foretune.select import Support, without_duplicates

X = np.arange(8.0).reshape(4, 2)
NAN, INF = float("nan"), float("inf")


def test_classes_get_codes_in_sorted_order():
    support = Support.of(X.astype(np.float32), ["no", "yes", "maybe", "no"], is_class=True)
    assert support.targets.tolist() == [1, 2, 0, 1]
    assert support.n_classes == 3
    assert support.indicators().tolist() == [[0, 1, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0]]
    assert support.features.dtype == np.float64


def test_numbers_stay_numbers():
    support = Support.of(X, [1, 2, 2, 5], is_class=False)
    assert support.targets.dtype == np.float64
    assert support.n_classes == 0


def test_the_given_features_are_not_shared():
    given = X.copy()
    support = Support.of(given, [0, 1, 0, 1], is_class=True)
    given[:] = -1.0
    assert support.features.tolist() == X.tolist()


@pytest.mark.parametrize(
    ("targets", "is_class", "said"),
    [
        ([3, 3, 3, 3], True, "at least two classes.* 4 rows of class 3"),
        ([0, 1, 0], True, r"one target for each of 4 rows.* \(3,\)"),
        ([[0], [1], [0], [1]], True, "one target for each of 4 rows"),
        ([0.0, 1.0, NAN, 1.0], True, "NaN or infinity in 1 of 4 rows"),
        ([None, "a", "b", "a"], True, "numbers or strings"),
        ([2.5, 2.5, 2.5, 2.5], False, "targets that differ.* 4 times 2.5"),
        ([0.0, 1.0, INF, NAN], False, "NaN or infinity in 2 of 4 rows"),
        (["a", "b", "a", "b"], False, "expected numbers"),
    ],
)
def test_targets_that_cannot_be_used(targets, is_class, said):
    with pytest.raises(DataError, match=said):
        Support.of(X, targets, is_class=is_class)


def test_no_rows():
    with pytest.raises(DataError, match=r"at least two rows.*got none"):
        Support.of(np.empty((0, 3)), [], is_class=True)


def test_fewer_rows_than_the_task_has_classes():
    targets = [0, 1, 2, 3]
    with pytest.raises(DataError, match="each of 77 classes, got 4 rows"):
        Support.of(X, targets, is_class=True, n_classes=77)
    assert Support.of(X, targets, is_class=True, n_classes=4).n_classes == 4


@pytest.mark.parametrize(
    ("features", "said"),
    [
        (np.where(X == 5.0, NAN, X), "finite embeddings.* 1 of 4 rows"),
        (np.where(X > 1.0, INF, X), "finite embeddings.* 3 of 4 rows"),
        (np.ones((4, 3, 2)), r"\(rows, dimensions\), got \(4, 3, 2\)"),
        (np.ones((4, 0)), r"\(rows, dimensions\), got \(4, 0\)"),
    ],
)
def test_embeddings_that_cannot_be_used(features, said):
    with pytest.raises(ModelError, match=said):
        Support.of(features, [0, 1, 0, 1], is_class=True)


def test_repeated_rows_are_dropped_and_counted():
    rows = [[5.0, 1.0], [0.0, 0.0], [5.0, 1.0], [0.0, 0.0], [5.0, 1.0]]
    support, dropped = without_duplicates(Support.of(rows, [1, 0, 1, 1, 1], is_class=True))
    assert dropped == 2
    assert support.features.tolist() == [[5.0, 1.0], [0.0, 0.0], [0.0, 0.0]]
    assert support.targets.tolist() == [1, 0, 1]
    assert support.targets.dtype == np.int64
    assert without_duplicates(support)[1] == 0
