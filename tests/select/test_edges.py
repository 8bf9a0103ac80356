"""Every probe answers on every support set that passes its checks."""

import math

import numpy as np
import pytest

from foretune.select import PROBES, Support, without_duplicates

RNG = np.random.default_rng(0)
CLASSES = {
    "two rows": (RNG.standard_normal((2, 5)), [0, 1]),
    "two rows alike": (np.ones((2, 5)), [0, 1]),
    "one dimension": (RNG.standard_normal((10, 1)), [0, 1] * 5),
    "one dimension that is the class": (np.array([[0.0], [1.0]] * 5), [0, 1] * 5),
    "constant": (np.full((9, 4), 0.1), [0, 1, 2] * 3),
    "zeros": (np.zeros((8, 4)), [0, 1] * 4),
    "a class of one row": (RNG.standard_normal((9, 40)), [0] * 4 + [1] * 4 + [2]),
    "as many classes as rows": (RNG.standard_normal((6, 40)), list(range(6))),
    "repeated rows": (RNG.standard_normal((4, 40))[[0, 1, 2, 3] * 3], [0, 1, 0, 1] * 3),
    "one far away": (np.vstack([RNG.standard_normal((9, 6)), np.full((1, 6), 1e8)]), [0, 1] * 5),
    "tiny unit": (1e-20 * RNG.standard_normal((10, 30)), [0, 1] * 5),
    "far from the origin": (1e6 + RNG.standard_normal((10, 30)), [0, 1] * 5),
}
RANGES = {"logme": (-9, 9), "h_score": (-1, 6), "ncm": (0, 1), "ridge_loo": (-9, 0)}
KINDS = pytest.mark.parametrize("name", CLASSES)


@pytest.mark.filterwarnings("error")
@KINDS
def test_classes(name):
    F, y = CLASSES[name]
    support = Support.of(F, y, is_class=True)
    for probe, score in PROBES.items():
        low, high = RANGES.get(probe, (0, 1))
        assert low <= score(support) <= high, probe


@pytest.mark.filterwarnings("error")
@KINDS
def test_numbers(name):
    F = CLASSES[name][0]
    support = Support.of(F, np.linspace(-1, 5, len(F)), is_class=False)
    for probe in ("logme", "ridge_loo", "knn_loo"):
        assert math.isfinite(PROBES[probe](support)), probe
    for probe in ("h_score", "ncm"):
        assert math.isnan(PROBES[probe](support)), probe


@KINDS
@pytest.mark.parametrize("probe", PROBES)
def test_the_same_again_and_in_another_order_of_rows(name, probe):
    F, y = CLASSES[name]
    order = np.random.default_rng(1).permutation(len(y))
    support, turned = (
        Support.of(F[o], np.array(y)[o], is_class=True) for o in (slice(None), order)
    )
    assert PROBES[probe](support) == PROBES[probe](support)
    assert PROBES[probe](support) == pytest.approx(PROBES[probe](turned), abs=1e-6)


def test_features_that_say_nothing_score_as_chance():
    support = Support.of(*CLASSES["constant"], is_class=True)
    assert PROBES["ncm"](support) == pytest.approx(1 / 3)
    assert PROBES["h_score"](support) == 0.0
    assert PROBES["knn_loo"](support) == pytest.approx(2 / 8)


def test_repeated_rows_flatter_a_probe_until_they_are_dropped():
    F, y = RNG.standard_normal((20, 300)), np.arange(20) % 2
    alone = Support.of(F, y, is_class=True)
    twice = Support.of(np.vstack([F, F]), np.concatenate([y, y]), is_class=True)
    assert PROBES["knn_loo"](twice) > PROBES["knn_loo"](alone) + 0.2
    dropped, n_dropped = without_duplicates(twice)
    assert n_dropped == 20
    assert PROBES["knn_loo"](dropped) == PROBES["knn_loo"](alone)
