"""The likelihood of the labels by the checkpoint's own classes."""

import math

import numpy as np
import pytest

from foretune.core import DataError, ModelError
from foretune.select import leep


def test_source_classes_that_are_the_task_s():
    assert leep(np.eye(3)[[0, 1, 2, 1]], [5, 7, 9, 7]) == pytest.approx(0.0)


def test_source_classes_that_know_nothing():
    """The label's share: 3/4 and 1/4."""
    expected = 0.75 * math.log(0.75) + 0.25 * math.log(0.25)
    assert leep(np.full((4, 2), 0.5), [0, 0, 0, 1]) == pytest.approx(expected)


def test_two_rows_by_hand():
    """Joint [[.4, .1], [.2, .3]]; given z: [2/3, 1/4] and [1/3, 3/4]."""
    expected = (math.log(0.8 * 2 / 3 + 0.2 / 4) + math.log(0.4 / 3 + 0.6 * 3 / 4)) / 2
    assert leep(np.array([[0.8, 0.2], [0.4, 0.6]]), ["a", "b"]) == pytest.approx(expected)


def test_a_source_class_that_never_occurs_is_no_matter():
    P = np.array([[0.8, 0.2, 0.0], [0.4, 0.6, 0.0]])
    assert leep(P, [0, 1]) == pytest.approx(leep(P[:, :2], [0, 1]))


@pytest.mark.parametrize("P", [[[0.8, 0.8], [0.4, 0.6]], [[1.2, -0.2], [0.4, 0.6]]])
def test_what_is_no_probability(P):
    with pytest.raises(ModelError, match=r"sum to 1.*apply the softmax"):
        leep(np.array(P), [0, 1])


def test_unusable_input():
    with pytest.raises(ModelError, match="finite"):
        leep(np.array([[0.5, np.nan], [0.4, 0.6]]), [0, 1])
    with pytest.raises(DataError, match="at least two classes"):
        leep(np.full((2, 2), 0.5), [1, 1])
