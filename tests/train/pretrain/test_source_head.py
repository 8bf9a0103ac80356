"""A member that was pretrained with labels tells its own classes: what LEEP is made of."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from foretune.core import ModelError
from foretune.select.leep import leep
from foretune.train import load_cards
from foretune.train.pool import read_pool
from foretune.train.probe import Prober, support_rows
from foretune.train.source_head import HEAD, load_source_head, source_probabilities


@pytest.fixture
def prober(planted, cpu):
    def make(kind: str) -> Prober:
        data = planted(kind, rows=64, held_out=16)
        return Prober(data, support_rows(data, 32, 0), cpu, 0)

    return make


@pytest.mark.parametrize(
    ("name", "kind", "classes"),
    [("a_bert", "classification", ("neg", "pos")), ("a_bert", "pair", ("neg", "pos")),
     ("a_bert", "tags", ("neg", "pos")), ("a_roberta", "tags", ("O", "B-PER", "B-LOC")),
     ("a_bilstm", "tags", ("O", "B-PER", "B-LOC")), ("an_efficientnet", "images", ("a", "b")),
     ("a_resnet", "images", ("0", "90", "180", "270"))],
)  # fmt: skip
def test_source_probabilities_are_ones_and_leep_reads_them(name, kind, classes, tiny_pool, prober):
    card = read_pool(tiny_pool).cards[name]
    head = load_source_head(card)
    vectors = prober(kind).vectors(card)
    found = source_probabilities(prober(kind), card)
    assert found.shape == (len(vectors.targets), len(head.classes))
    assert np.allclose(found.sum(1), 1)
    assert leep(found, vectors.targets) < 0
    assert head.classes == classes


def test_a_trained_head_is_right_on_its_own_task(pretrain, recipes, tmp_path, planted, cpu):
    """On rows of its source the head's probabilities follow the labels: LEEP is above chance."""
    long = dataclasses.replace(recipes["an_efficientnet"].stages[0], steps=60)
    recipe = dataclasses.replace(recipes["an_efficientnet"], stages=[long])
    built, _ = pretrain(tmp_path, recipes={"taught": recipe})
    assert built[0].stages[0].score > 0.9
    data = planted("images", rows=64, held_out=16)
    prober = Prober(data, support_rows(data, 32, 0), cpu, 0)
    card = read_pool(tmp_path).cards["taught"]
    found = source_probabilities(prober, card)
    targets = prober.vectors(card).targets
    assert (found.argmax(1) == targets).mean() > 0.9
    assert leep(found, targets) > np.log(0.5) / 2


def test_members_without_labels_have_no_head(tiny_pool, prober, conf):
    cards = read_pool(tiny_pool).cards
    assert load_source_head(cards["an_albert"]) is None
    assert load_source_head(cards["a_distilbert"]) is None
    assert load_source_head(load_cards(conf, ["bert_tiny"])["bert_tiny"]) is None
    assert source_probabilities(prober("classification"), cards["an_albert"]) is None


def test_a_head_that_has_no_meaning_on_a_task(tiny_pool, prober):
    card = read_pool(tiny_pool).cards["a_bert"]
    assert source_probabilities(prober("answers"), card) is None  # twice as wide
    with pytest.raises(ModelError, match="no meaning"):
        load_source_head(card).probabilities(np.zeros((3, 7)))


def test_the_packaged_image_model_has_imagenet_s_head(conf, prober):
    card = load_cards(conf, ["efficientnet_lite0"])["efficientnet_lite0"]
    found = source_probabilities(prober("images"), card)
    assert found.shape == (32, 1000)
    assert np.allclose(found.sum(1), 1)


def test_a_damaged_head_is_said(own_pool):
    card = read_pool(own_pool).cards["a_bert"]
    (own_pool / "a_bert" / HEAD).write_bytes(b"nothing")
    with pytest.raises(ModelError, match=r"source head.*damaged"):
        load_source_head(card)
