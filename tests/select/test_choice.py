"""Of models about as good as the best, the fastest."""

import itertools
import math

import pytest

from foretune.core import ConfigError, ModelError
from foretune.select import Candidate, choose


def candidate(name, score, seconds=None):
    return Candidate(name, score, score - 0.02, score + 0.02, seconds)


BERT = candidate("bert", 0.880, 100.0)
MINI = candidate("mini", 0.872, 20.0)
TINY = candidate("tiny", 0.860, 5.0)
HUB = candidate("hub", 0.879)


@pytest.mark.parametrize(
    ("candidates", "threshold", "name", "tied"),
    [
        ([BERT, MINI, TINY, HUB], 0.01, "mini", ("bert", "hub")),
        ([BERT, MINI, TINY, HUB], 0.02, "tiny", ("bert", "hub", "mini")),
        ([BERT, MINI, TINY, HUB], 0.0, "bert", ()),
        ([BERT, HUB], 0.01, "bert", ("hub",)),
        ([HUB, candidate("other", 0.875)], 0.01, "hub", ("other",)),
        ([candidate("b", 0.5, 3.0), candidate("a", 0.5, 3.0)], 0.0, "a", ("b",)),
        ([candidate("a", 0.50, 3.0), candidate("b", 0.505, 3.0)], 0.01, "b", ("a",)),
        ([candidate("a", 0.88, 9.0), candidate("b", 0.87, 1.0)], 0.01, "b", ("a",)),
    ],
)
def test_choose(candidates, threshold, name, tied):
    for order in itertools.permutations(candidates):
        choice = choose(order, threshold)
        assert (choice.name, choice.tied) == (name, tied)


@pytest.mark.parametrize(
    ("candidates", "reason"),
    [
        (
            [BERT, MINI, HUB],
            "mini has a predicted score of 0.872 (0.852 to 0.892), within 0.01 of the best, and is "
            "predicted to take the least time (20.0 s) among the models it is tied with: "
            "bert (0.880, 1 min 40 s), hub (0.879, time unknown).",
        ),
        (
            [BERT, TINY],
            "bert has a predicted score of 0.880 (0.860 to 0.900), the best, and no other model is "
            "within 0.01 of it. It is not sure: so few rows do not tell it apart from tiny 0.860 "
            "(0.840 to 0.880), whose interval overlaps its own.",
        ),
        (
            [BERT, candidate("far", 0.70)],
            "bert has a predicted score of 0.880 (0.860 to 0.900), the best, and no other model is "
            "within 0.01 of it.",
        ),
        (
            [Candidate("a", -0.2, -math.inf, math.inf), Candidate("b", -0.5, -math.inf, math.inf)],
            "a has a predicted score of -0.200, the best, and no other model is within 0.01 of it. "
            "How sure that is cannot be told: there is no interval.",
        ),
        (
            [HUB, candidate("other", 0.875)],
            "hub has a predicted score of 0.879 (0.859 to 0.899), the best, and leads in score, "
            "since no time is predicted, among the models it is tied with: "
            "other (0.875, time unknown).",
        ),
    ],
)
def test_the_reason_is_a_sentence(candidates, reason):
    assert choose(candidates, 0.01).reason == reason


def test_models_whose_intervals_overlap_are_told_apart_from_ties():
    """Whatever the threshold says: the intervals are what the rows tell."""
    wide = [Candidate(n, v, v - 0.1, v + 0.1, 1.0) for n, v in
            (("a", 0.9), ("b", 0.895), ("c", 0.8), ("d", 0.75), ("e", 0.72), ("f", 0.71),
             ("g", 0.5))]  # fmt: skip
    choice = choose(wide, 0.01)
    assert (choice.name, choice.tied) == ("a", ("b",))
    assert choice.unsure == ("c", "d", "e", "f")
    assert "c 0.800 (0.700 to 0.900), d 0.750 (0.650 to 0.850), e 0.720" in choice.reason
    assert "and 1 more" in choice.reason


def test_nothing_to_choose_from():
    with pytest.raises(ModelError, match="at least one model"):
        choose([], 0.01)


@pytest.mark.parametrize("threshold", [-0.01, float("nan")])
def test_a_threshold_below_zero(threshold):
    with pytest.raises(ConfigError, match="threshold of at least 0, got"):
        choose([BERT], threshold)


@pytest.mark.parametrize(
    "values",
    [(float("nan"), 0.0, 1.0, 1.0), (0.5, 0.7, 0.6, 1.0), (0.5, 0.4, 0.6, -1.0)],
)
def test_a_candidate_that_is_none(values):
    with pytest.raises(ModelError, match="model odd: expected"):
        Candidate("odd", *values)
