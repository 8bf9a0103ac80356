"""A head that starts from what the encoder sees, on every kind of task."""

import dataclasses

import numpy as np
import pytest

from foretune.config.schema.trainer import HeadStart
from foretune.core import TrialSpec
from foretune.select import adapted_head
from foretune.train import TrainObjective, load_cards


def first_epoch(planted, conf, config, kind, model, *, make_head, frozen=0.0):
    objective = TrainObjective(planted(kind), load_cards(conf, [model]), config, make_head)
    params = {"model": model, "lr": 1e-6, "head_lr_multiplier": 1.0, "epochs": 1, "frozen": frozen}
    return objective(TrialSpec(0, params, 1), lambda report: False).score


@pytest.mark.parametrize(
    ("kind", "model", "frozen"),
    [
        ("classification", "bert_tiny", 0.0),
        ("classification", "bert_tiny", 1.0),  # from cached features
        ("images", "resnet_tiny", 1.0),
    ],
)
def test_it_knows_the_rule_before_anything_is_learnt(planted, conf, cpu, kind, model, frozen):
    """With a learning rate of nearly nothing, all that is right comes from the start."""
    scores = [
        first_epoch(planted, conf, cpu, kind, model, make_head=make, frozen=frozen)
        for make in (None, adapted_head)
    ]
    assert scores[1] > scores[0] + 0.1


@pytest.mark.parametrize("kind", ["regression", "answers", "pair", "tags"])
def test_other_heads_train_as_before(planted, conf, cpu, kind):
    score = first_epoch(planted, conf, cpu, kind, "bert_tiny", make_head=adapted_head)
    assert score is not None


def test_rows_of_one_class_leave_the_head_as_it_was_drawn(planted, conf, cpu):
    data = planted("classification")
    one = data.train.filter(lambda row: row["label"] == 1)
    data = dataclasses.replace(data, train=one)
    objective = TrainObjective(data, load_cards(conf, ["bert_tiny"]), cpu, adapted_head)
    result = objective(TrialSpec(0, {"model": "bert_tiny", "epochs": 1}, 1), lambda report: False)
    assert result.score is not None


def test_a_class_without_rows_gets_weights_too():
    rng = np.random.default_rng(0)
    weight, bias = adapted_head(rng.normal(size=(20, 8)), np.arange(20) % 2, 4)
    assert weight.shape == (4, 8)
    assert np.isfinite(weight).all()
    assert np.isfinite(bias).all()


def test_the_configuration_names_both_starts():
    assert [start.value for start in HeadStart] == ["drawn", "adapted"]
