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
    ("kind", "model"),
    [("classification", "bert_tiny"), ("images", "resnet_tiny"), ("tags", "bilstm_tiny")],
)
def test_it_knows_the_rule_before_anything_is_learnt(planted, conf, cpu, kind, model):
    """With a learning rate of nearly nothing, all that is right comes from the start."""
    drawn = first_epoch(planted, conf, cpu, kind, model, make_head=None)
    adapted = first_epoch(planted, conf, cpu, kind, model, make_head=adapted_head)
    assert adapted > drawn + 0.1


def test_frozen_encoders_start_from_their_cached_features(planted, conf, cpu):
    score = first_epoch(
        planted, conf, cpu, "classification", "bert_tiny", make_head=adapted_head, frozen=1.0
    )
    drawn = first_epoch(
        planted, conf, cpu, "classification", "bert_tiny", make_head=None, frozen=1.0
    )
    assert score > drawn + 0.1


@pytest.mark.parametrize("kind", ["regression", "answers", "pair"])
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
