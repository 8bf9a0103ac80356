"""Ranks of several probes become one."""

import math

import pytest

from foretune.select import rank_average

NAN = float("nan")


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ({"a": {"p": 1.0}, "b": {"p": 3.0}, "c": {"p": 2.0}}, {"a": 0.0, "b": 1.0, "c": 0.5}),
        ({"a": {"p": 1.0}, "b": {"p": 2.0}, "c": {"p": 2.0}}, {"a": 0.0, "b": 0.75, "c": 0.75}),
        ({"a": {"p": 5.0}, "b": {"p": 5.0}}, {"a": 0.5, "b": 0.5}),
        ({"a": {"p": 1, "q": 9}, "b": {"p": 2, "q": 8}}, {"a": 0.5, "b": 0.5}),
        ({"a": {"p": 1, "q": NAN}, "b": {"p": 2, "q": NAN}}, {"a": 0.0, "b": 1.0}),
        ({"a": {"p": NAN, "q": 2}, "b": {"p": 2, "q": 1}}, {"a": 1.0, "b": 0.25}),
        ({"a": {"q": 2}, "b": {"p": 2, "q": 1}}, {"a": 1.0, "b": 0.25}),
        ({"a": {"p": -math.inf}, "b": {"p": -9.0}}, {"a": 0.0, "b": 1.0}),
        ({"a": {"p": 1.0}}, {"a": 0.5}),
        ({}, {}),
    ],
)
def test_rank_average(scores, expected):
    assert rank_average(scores) == pytest.approx(expected)
    assert list(rank_average(scores)) == list(scores)


def test_a_model_without_a_score_has_no_rank():
    ranks = rank_average({"a": {"p": NAN}, "b": {"p": 1.0}, "c": {"p": 2.0}, "d": {}})
    assert math.isnan(ranks.pop("a"))
    assert math.isnan(ranks.pop("d"))
    assert ranks == {"b": 0.0, "c": 1.0}
