"""What job=pretrain writes is a member like any other: it loads, trains and describes itself."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
import yaml

from foretune.core import TaskKind, TrialSpec
from foretune.train import TrainObjective, load_model
from foretune.train.cards import card_as_dict, read_card
from foretune.train.models.bilstm import BiLSTM
from foretune.train.models.text_base import TextBase
from foretune.train.params import PARAMETER_NAMES, TrialParams
from foretune.train.pool import read_pool
from foretune.train.workshop import Workshop, load_base

TEXTS = ("a_bert", "a_roberta", "an_albert", "a_distilbert", "a_bilstm")
IMAGES = ("a_resnet", "an_efficientnet")
TEXT_KINDS = ("classification", "pair", "regression", "tags", "answers")


@pytest.fixture(scope="module")
def cards(tiny_pool):
    pool = read_pool(tiny_pool)
    assert not pool.broken
    return pool.cards


@pytest.mark.parametrize("kind", TEXT_KINDS)
@pytest.mark.parametrize("name", TEXTS)
def test_a_text_member_trains_on_every_kind_of_text_task(name, kind, cards, planted, cpu):
    objective = TrainObjective(planted(kind, rows=32, held_out=16), cards, cpu)
    result = objective(TrialSpec(0, {"model": name, "epochs": 1}, 1), lambda report: False)
    assert result.score is not None
    assert np.isfinite(result.score)


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_member_trains(name, cards, planted, cpu):
    objective = TrainObjective(planted("images", rows=32, held_out=16), cards, cpu)
    result = objective(TrialSpec(0, {"model": name, "epochs": 1}, 1), lambda report: False)
    assert result.score is not None


@pytest.mark.parametrize("checkpoint", ["../other", "/", "a/../../other"])
def test_a_card_names_nothing_outside_of_its_own_folder(tiny_pool, tmp_path, checkpoint):
    pool = tmp_path / "pool"
    for name in ("a_bert", "other"):
        shutil.copytree(tiny_pool / "a_bert", pool / name)
    card = yaml.safe_load((pool / "a_bert" / "card.yaml").read_text())
    (pool / "a_bert" / "card.yaml").write_text(yaml.safe_dump(card | {"checkpoint": checkpoint}))
    assert "expected a checkpoint in its own folder" in read_pool(pool).broken["a_bert"]


def test_a_trained_member_is_saved_and_needs_the_pool_no_more(cards, planted, cpu, tmp_path):
    objective = TrainObjective(planted("classification", rows=32, held_out=16), cards, cpu)
    for name in ("a_bilstm", "a_roberta"):
        spec = TrialSpec(0, {"model": name, "epochs": 1}, 1, save_to=tmp_path / name)
        objective(spec, lambda report: False)
        assert load_model(tmp_path / name).predict(["a lovely film"])[0] in ("neg", "pos")


def test_a_member_starts_from_what_was_learnt(cards, tiny_pool, planted, cpu):
    from safetensors.torch import load_file

    for name in (*TEXTS, *IMAGES):
        data = planted("images" if name in IMAGES else "classification", rows=32, held_out=16)
        bench = Workshop(data, cpu, torch.device("cpu")).bench(cards[name])
        network = bench.build(TrialParams(model=name, layers=2))
        written = load_file(tiny_pool / name / "model.safetensors")
        held = {n.split(".", 1)[1] if n.startswith(("body.", "model.")) else n: value
                for n, value in network.encoder.state_dict().items()}  # fmt: skip
        held |= {"embeddings": held.get("table.weight")}
        same = [n for n, value in written.items() if n in held and held[n].shape == value.shape]
        assert len(same) > len(written) / 3
        assert all(torch.equal(held[n], written[n]) for n in same)


def test_the_lstm_of_a_pretrained_bilstm_is_the_pretrained_one(cards, tiny_pool):
    from safetensors.torch import load_file

    base = load_base(cards["a_bilstm"], [])
    written = load_file(tiny_pool / "a_bilstm" / "model.safetensors")
    names = [name for name in written if name.startswith("lstm.")]
    assert len(names) == 16
    for layers in (1, 2):
        torch.manual_seed(layers)
        network = BiLSTM(vocabulary=len(base.tokenizer), embedding=24, state=base.state, hidden=16,
                         layers=layers, frozen=0.0, dropout=0.0)  # fmt: skip
        held = dict(network.lstm.named_parameters())
        for name, value in held.items():
            assert torch.equal(value, written[f"lstm.{name}"])
        assert len(held) == 8 * layers


def test_cards_tell_the_truth_and_survive_a_round_trip(cards, tiny_pool):
    for name, card in cards.items():
        again, problems = read_card(json.loads(json.dumps(card_as_dict(card))), where="json")
        assert not problems
        assert again == card
        base = load_base(card, [])
        weights = base.state if isinstance(base, TextBase) else base
        assert card.parameters_m == pytest.approx(sum(v.numel() for v in weights.values()) / 1e6,
                                                  rel=0.1)  # fmt: skip
        if isinstance(base, TextBase):
            assert f"{len(base.tokenizer):,}" in card.tokenizer
            if base.config is not None:
                assert (base.config.num_hidden_layers, base.config.hidden_size) == (
                    card.depth, card.hidden)  # fmt: skip
        assert card.step_s > 0
        assert card.disk_mb > 0
        assert card.licence
        assert card.corpus
        assert card.space["layers"] == {"low": 1, "high": card.depth}
        for kind in TaskKind:
            TrialParams.parse({"model": name}, card.default_for(kind.value))
            assert set(card.space_for(kind.value)) <= set(PARAMETER_NAMES)
        stages = card.provenance["stages"]
        assert all(stage["steps"] == 6 for stage in stages)
        assert all(len(source["fingerprint"]) == 32 for s in stages for source in s["sources"])
        assert card.provenance["versions"]["torch"]
        text = (tiny_pool / name / "card.yaml").read_text()
        assert yaml.safe_load(text)["checkpoint"] == "."  # a pool can be moved


def test_a_moved_pool_is_found_where_it_is(own_pool, tiny_pool):
    here, there = read_pool(own_pool).cards, read_pool(tiny_pool).cards
    assert set(here) == set(there)
    assert all(here[name].checkpoint == str(own_pool / name) for name in here)
    load_base(here["a_bert"], [])


def test_places_beyond_the_pretrained_length_are_no_random_ones(cards):
    base = load_base(cards["a_roberta"], [])
    table = base.state["embeddings.position_embeddings.weight"]
    first = len(table) - 512
    assert torch.equal(table[first + 24], table[first + 1])
    assert torch.equal(table[first + 24 + 23], table[first + 1])


def test_the_same_recipe_and_seed_make_the_same_member(pretrain, tiny_pool, tmp_path):
    pretrain(tmp_path, build=["an_efficientnet", "a_bert"])
    cards, again = read_pool(tiny_pool).cards, read_pool(tmp_path).cards
    assert {name: card.revision for name, card in again.items()} == {
        name: cards[name].revision for name in again
    }
