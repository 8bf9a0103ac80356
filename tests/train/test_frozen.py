"""Frozen layers computed once give what frozen layers computed each time give."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from foretune.core import TrialSpec
from foretune.train import TrainObjective, load_cards
from foretune.train.params import TrialParams
from foretune.train.workshop import Workshop

CASES = [
    ("classification", "bert_tiny", 1.0),
    ("classification", "bert_tiny", 0.5),
    ("classification", "roberta_tiny", 0.5),
    ("classification", "albert_tiny", 0.5),
    ("classification", "distilbert_tiny", 0.5),
    ("pair", "bert_tiny", 1.0),
    ("tags", "bert_tiny", 1.0),
    ("tags", "bert_tiny", 0.5),
    ("answers", "bert_tiny", 0.5),
    ("images", "resnet_tiny", 1.0),
]


@pytest.mark.parametrize("separate", [False, True])
@pytest.mark.parametrize(("kind", "model", "frozen"), CASES)
def test_cached_output_equals_the_whole_networks(planted, cpu, conf, kind, model, frozen, separate):
    from foretune.config.schema.model import Pair

    card = load_cards(conf, [model])[model]
    card = dataclasses.replace(card, pair=Pair.separate if separate else Pair.joint)
    bench = Workshop(planted(kind), cpu, torch.device("cpu")).bench(card)
    network = bench.build(TrialParams(model=model, frozen=frozen)).eval()
    feed = bench.feed(network, "validation")
    assert feed.frozen is not None
    plain = dataclasses.replace(feed, frozen=None)
    index = np.array([5, 0, 17])
    cached = feed.batch(index)
    assert not {"ids", "pixels"} & set(cached)
    with torch.no_grad():
        found, expected = network(cached), network(plain.batch(index))
    if kind == "answers":  # scores of padding are never read
        found, expected = found[cached["context"]], expected[cached["context"]]
    assert torch.allclose(found, expected, atol=1e-5)


def test_the_more_is_frozen_the_less_learns(planted, cpu, conf):
    bench = Workshop(planted("classification"), cpu, torch.device("cpu")).bench(
        load_cards(conf, ["bert_tiny"])["bert_tiny"]
    )
    learning = {}
    for frozen in (0.0, 0.5, 1.0):
        network = bench.build(TrialParams(model="bert_tiny", frozen=frozen))
        learning[frozen] = {name for name, p in network.named_parameters() if p.requires_grad}
    assert len(learning[0.0]) > len(learning[0.5]) > len(learning[1.0])
    assert all(name.startswith("head.") for name in learning[1.0])
    assert not any("embeddings" in name for name in learning[0.5])


def test_output_too_large_for_the_cache_is_computed_each_time(planted, cpu, conf):
    cards = load_cards(conf, ["bert_tiny"])
    spec = TrialSpec(0, {"model": "bert_tiny", "frozen": 1.0, "epochs": 2, "dropout": 0.0}, 1)
    curves = []
    for cache_mb in (0, 64):
        config = dataclasses.replace(cpu, cache_mb=cache_mb)
        result = TrainObjective(planted("classification"), cards, config)(spec, lambda _: False)
        curves.append([report.metrics["eval_loss"] for report in result.epochs])
    assert np.allclose(curves[0], curves[1], atol=1e-4)
