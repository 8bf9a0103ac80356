"""Conditions of a define-by-run space are found from its trials alone."""

import numpy as np
import pytest

from foretune.meta.codec import Codec, ParamCode
from foretune.meta.conditions import apply_rules, infer_rules

CODEC = Codec(
    (
        ParamCode("algorithm", choices=("svm", "tree")),
        ParamCode("kernel", choices=("rbf", "linear")),
        ParamCode("gamma", low=0.0, high=1.0),
        ParamCode("depth", low=1, high=9, integer=True, step=1.0),
        ParamCode("layers", low=1, high=3, integer=True, step=1.0),
        ParamCode("units_3", low=0.0, high=1.0),
        ParamCode("always", low=0.0, high=1.0),
        ParamCode("many", choices=tuple(range(40))),
    )
)


def drawn(n: int, seed: int) -> np.ndarray:
    """Trials of: gamma if kernel=rbf, kernel if algorithm=svm, else depth; units_3 if layers=3."""
    rng = np.random.default_rng(seed)
    raw = np.stack(
        [
            rng.integers(2, size=n), rng.integers(2, size=n), rng.random(n),
            rng.integers(1, 10, size=n), rng.integers(1, 4, size=n), rng.random(n), rng.random(n),
            rng.integers(40, size=n),
        ],
        axis=1,
    ).astype(float)  # fmt: skip
    raw[raw[:, 0] == 1, 1] = np.nan
    raw[raw[:, 1] != 0, 2] = np.nan
    raw[raw[:, 0] == 0, 3] = np.nan
    raw[raw[:, 4] < 3, 5] = np.nan
    return raw


def test_the_tree_is_recovered_and_holds_for_new_configurations():
    rules = infer_rules(drawn(150, 0), CODEC)
    truth = drawn(400, 1)
    full = np.where(np.isnan(truth), 0.0, truth)
    found = apply_rules(full, rules, CODEC)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(truth))


def test_a_choice_never_seen_forbids_nothing():
    raw = np.array([[0.0, np.nan], [1.0, 0.5], [1.0, 0.2]])
    codec = Codec((ParamCode("kind", choices=("a", "b", "c")), ParamCode("x")))
    rules = infer_rules(raw, codec)
    new = apply_rules(np.array([[0.0, 0.3], [1.0, 0.3], [2.0, 0.3]]), rules, codec)
    assert np.isnan(new[:, 1]).tolist() == [True, False, False]


@pytest.mark.parametrize("n", [0, 1])
def test_few_trials_give_no_rules(n: int):
    assert infer_rules(drawn(n, 0), CODEC) == () or n == 1


def test_what_no_parameter_explains_stays_active():
    rng = np.random.default_rng(0)
    raw = np.stack([rng.random(60), rng.random(60)], axis=1)
    raw[::2, 1] = np.nan
    codec = Codec((ParamCode("a"), ParamCode("b")))
    assert infer_rules(raw, codec) == ()
