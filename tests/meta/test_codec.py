"""One number means the same in every study."""

import math

import numpy as np
import pytest
from optuna.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from foretune.meta.codec import Codec, ParamCode, choice_key, merge

DISTRIBUTIONS = [
    FloatDistribution(-1.0, 3.0),
    FloatDistribution(1e-6, 1e-1, log=True),
    FloatDistribution(0.0, 1.0, step=0.25),
    FloatDistribution(2.0, 2.0),
    IntDistribution(1, 7),
    IntDistribution(8, 512, log=True),
    IntDistribution(0, 10, step=5),
]


@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=str)
def test_any_point_of_the_cube_is_a_legal_value(distribution):
    code = ParamCode.of("x", distribution)
    values = code.from_unit(np.linspace(-0.2, 1.2, 57))
    params = [Codec((code,)).to_params(np.array([v]))["x"] for v in values]
    assert all(distribution._contains(distribution.to_internal_repr(v)) for v in params)
    assert min(params) == pytest.approx(distribution.low)
    assert max(params) == pytest.approx(distribution.high)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=str)
def test_values_survive_the_way_there_and_back(distribution):
    code = ParamCode.of("x", distribution)
    values = code.from_unit(np.linspace(0, 1, 23))
    np.testing.assert_allclose(code.from_unit(code.to_unit(values)), values, rtol=1e-9)


def test_a_merged_scale_holds_both_ranges_and_all_choices():
    wide, notes = merge(
        [ParamCode("lr", low=1e-5, high=1e-3, log=True), ParamCode("lr", low=1e-4, high=1.0)]
    )
    assert (wide.low, wide.high, wide.log, notes) == (1e-5, 1.0, True, [])
    both, _ = merge([ParamCode("o", choices=("a", "b")), ParamCode("o", choices=("b", "c"))])
    assert both.choices == ("a", "b", "c")


def test_the_same_value_is_the_same_number_in_every_study():
    history = Codec((ParamCode("lr", low=1e-6, high=1e-1, log=True),))
    narrow = Codec((ParamCode("lr", low=1e-4, high=1e-3, log=True),))
    wide = Codec((ParamCode("lr", low=1e-6, high=1e-1, log=True),))
    row = np.array([[3e-4]])
    encoded = [history.encode(history.translate(row, c)) for c in (narrow, wide)]
    np.testing.assert_array_equal(*encoded)
    assert encoded[0][0, 0] == pytest.approx(math.log(300) / math.log(1e5))


def test_kinds_that_disagree_are_noted_and_the_rarer_is_ignored():
    number, choice = ParamCode("y", low=0, high=1), ParamCode("y", choices=("p", "q"))
    kept, notes = merge([number, number, choice])
    assert kept.kind == "number"
    assert "1 studies" in notes[0]
    other = Codec((choice,))
    assert np.isnan(Codec((kept,)).translate(np.array([[1.0]]), other)).all()


def test_unknown_choices_are_the_mean_one_and_inactive_ones_nothing():
    codec = Codec((ParamCode("o", choices=("a", "b")),), frozenset({"o"}))
    source = Codec((ParamCode("o", choices=("b", "new")),))
    X = codec.encode(codec.translate(np.array([[0.0], [1.0], [np.nan]]), source))
    root = math.sqrt(0.5)
    np.testing.assert_allclose(X, [[0, root, 1], [root / 2, root / 2, 1], [0, 0, 0]])


def test_choices_of_different_types_are_different_choices():
    keys = {choice_key(c) for c in (1, 1.0, True, "1", None)}
    assert len(keys) == 5


def test_five_hundred_choices_stay_a_bounded_number_of_columns():
    codec = Codec((ParamCode.of("m", CategoricalDistribution([f"m{i}" for i in range(500)])),))
    assert codec.encode(np.array([[0.0], [499.0]])).shape == (2, 64)
