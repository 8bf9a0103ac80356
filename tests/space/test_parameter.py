"""Every kind of parameter: numbers and choices."""

import numpy as np
import pytest

from foretune.space import Choice, Float, Int

PARAMETERS = [
    Float("x", -2.0, 3.0),
    Float("x", 1e-6, 1e-2, log=True),
    Float("x", 0.0, 0.3, step=0.1),
    Float("x", 0.0, 1.0, step=0.3),  # the range is no multiple of the step
    Float("x", 0.5, 0.5),
    Int("x", 1, 4),
    Int("x", 0, 10, step=4),
    Int("x", 1, 1000, log=True),
    Int("x", 7, 7),
    Choice("x", ("adam", "sgd", None)),
    Choice("x", (0.0, 0.5, 1.0)),
]


@pytest.mark.parametrize("parameter", PARAMETERS, ids=repr)
def test_every_coordinate_is_a_value_and_leads_back_to_it(parameter):
    for u in np.linspace(0, 1, 101):
        value = parameter.from_unit(u)
        assert parameter.contains(value)
        again = parameter.from_unit(parameter.to_unit(value))
        assert again == value or again == pytest.approx(value, rel=1e-12)
        assert parameter.clip(value) == value or isinstance(value, float)


@pytest.mark.parametrize("parameter", PARAMETERS, ids=repr)
def test_a_grid_holds_distinct_values_and_both_ends(parameter):
    values = parameter.grid(3)
    assert all(parameter.contains(v) for v in values)
    assert len(set(values)) == len(values)
    assert values[0] == parameter.from_unit(0.0)
    assert values[-1] == parameter.from_unit(1.0)
    assert len(values) <= 3


def test_a_logarithmic_number_is_spread_over_its_logarithm():
    assert Float("lr", 1e-5, 1e-3, log=True).grid(3) == pytest.approx([1e-5, 1e-4, 1e-3])
    rng = np.random.default_rng(0)
    values = [Int("n", 1, 100, log=True).from_unit(rng.random()) for _ in range(2000)]
    # log-uniform over [.5, 100.5]: half of the mass lies below 7.1, against 7 % of the integers
    assert 0.45 < np.mean([v <= 7 for v in values]) < 0.55


def test_all_values_are_a_grid_where_there_are_finitely_many():
    assert Int("n", 2, 6, step=2).grid(None) == [2, 4, 6]
    assert Float("p", 0.0, 0.2, step=0.1).grid(None) == pytest.approx([0.0, 0.1, 0.2])
    with pytest.raises(ValueError, match="no finite list"):
        Float("p", 0.0, 0.2).grid(None)


@pytest.mark.parametrize(
    ("parameter", "value", "nearest"),
    [
        (Float("x", 0.0, 1.0), 5, 1.0),
        (Float("x", 0.0, 1.0, step=0.25), 0.6, 0.5),
        (Int("x", 1, 6), 24, 6),
        (Int("x", 0, 10, step=4), 9, 8),
        (Choice("x", (8, 16, 32)), 20, 16),
        (Choice("x", ("mean", "cls")), "max", "mean"),
        (Choice("x", (0.0, 0.01)), 0, 0.0),
    ],
)
def test_clip(parameter, value, nearest):
    assert parameter.clip(value) == nearest


@pytest.mark.parametrize(
    ("parameter", "complaint"),
    [
        (Float("x", 2.0, 1.0), "expected low <= high"),
        (Float("x", 0.0, 1.0, log=True), "logarithmic range needs low above 0"),
        (Float("x", 0.1, 1.0, log=True, step=0.1), "contradict"),
        (Float("x", 0.0, float("inf")), "expected finite bounds"),
        (Int("x", 1, 9, step=0), "expected a step above 0"),
        (Choice("x", ()), "at least one choice"),
        (Choice("x", (1, 1.0)), "repeat themselves"),
        (Choice("x", ((1, 2),)), "must be text, a number, true or null"),
    ],
)
def test_what_is_wrong_with_a_definition(parameter, complaint):
    assert any(complaint in line for line in parameter.problems())


def test_text_is_no_number():
    with pytest.raises(ValueError, match="expected a number, got 'high'"):
        Float("x", 0.0, 1.0).clip("high")
