from __future__ import annotations

import dataclasses
import json

import pytest
import torch

from foretune.config.schema.model import Library, ModelCard, ModelsConfig, Source
from foretune.config.schema.pool import PoolConfig
from foretune.core import ConfigError, ModelError, TaskKind
from foretune.train import PARAMETER_NAMES, choose_cards, load_cards
from foretune.train.cards import card_as_dict, read_card
from foretune.train.params import TrialParams

TINY = {"bert_tiny", "roberta_tiny", "distilbert_tiny", "albert_tiny", "bilstm_tiny",
        "resnet_tiny", "efficientnet_tiny"}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model").mkdir()

    def write(name: str, text: str):
        (tmp_path / "model" / f"{name}.yaml").write_text(text)
        return tmp_path

    return write


def test_every_card_is_complete_and_its_default_is_a_configuration(conf):
    cards = load_cards(conf) | load_cards(conf, sorted(TINY))
    assert {"bert", "bert_large", "distilbert", "roberta", "roberta_large", "albert",
            "albert_large", "resnet18", "resnet50", "efficientnet_b0", "efficientnet_b3",
            "bilstm_crf", "minilm", "efficientnet_lite0"} <= set(cards)  # fmt: skip
    for card in cards.values():
        for kind in TaskKind:
            TrialParams.parse({"model": card.name}, card.default_for(kind.value))
            assert set(card.space_for(kind.value)) <= set(PARAMETER_NAMES)
        if not card.test_only:
            assert card.licence
            assert card.space["layers"] == {"low": 1, "high": card.depth}


def test_cards_tell_the_truth_about_the_networks(conf):
    """Depth, width and size as the libraries build them (packaged and tiny members: no network)."""
    from foretune.train.workshop import load_base

    for card in load_cards(conf, [*sorted(TINY), "minilm"]).values():
        base = load_base(card, ["a film", "the night"])
        if card.library is Library.transformers:
            assert base.config.num_hidden_layers == card.depth
            assert base.config.hidden_size == card.hidden
        elif card.library is Library.timm:
            from foretune.train.models.image_encoder import ImageEncoder

            encoder = ImageEncoder(card, base, layers=None, frozen=0.0)
            assert encoder.width == card.hidden
            assert len(encoder.model.feature_info) - 1 == card.depth


def test_test_only_members_are_left_out_unless_asked_for(conf):
    assert not TINY & set(load_cards(conf))
    assert set(load_cards(conf, ["bert_tiny"])) == {"bert_tiny"}


def test_descriptors_have_the_same_keys_and_are_finite(conf):
    described = [card.descriptors() for card in load_cards(conf).values()]
    assert len({tuple(values) for values in described}) == 1
    assert all(torch.tensor(list(values.values())).isfinite().all() for values in described)
    assert len({tuple(values.values()) for values in described}) == len(described)


def test_a_card_survives_json(conf):
    for card in load_cards(conf).values():
        again, problems = read_card(json.loads(json.dumps(card_as_dict(card))), where="json")
        assert not problems
        assert again == card


def test_a_new_model_is_one_file(folder, planted, cpu):
    from foretune.core import TrialSpec
    from foretune.train import TrainObjective

    conf = folder(
        "mine",
        "name: mine\nsource: scratch\nfamily: electra\ndepth: 2\nhidden: 16\n"
        "architecture: {model_type: electra, hidden_size: 16, embedding_size: 8,"
        " num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 32}\n",
    )
    cards, _ = choose_cards(ModelsConfig(members=["mine"]), conf, TaskKind.TEXT_CLASSIFICATION)
    objective = TrainObjective(planted("classification"), cards, cpu)
    for frozen in (0.0, 0.5, 1.0):
        spec = TrialSpec(0, {"model": "mine", "frozen": frozen, "epochs": 1}, 1)
        assert objective(spec, lambda report: False).score is not None


def test_every_problem_of_a_card_is_told_at_once(folder):
    conf = folder("bad", "name: bad\nlibary: timm\ndepth: zero\nsource: hubb\nhidden: 0\n")
    with pytest.raises(ConfigError) as caught:
        load_cards(conf)
    text = str(caught.value)
    for part in ("did you mean 'library'", "depth", "did you mean 'hub'", "hidden above 0"):
        assert part in text


def test_an_unknown_name_names_the_nearest(conf):
    with pytest.raises(ConfigError, match="did you mean 'distilbert'"):
        load_cards(conf, ["distillbert"])


def test_auto_takes_what_fits_and_can_be_had(conf, monkeypatch):
    monkeypatch.setattr("foretune.train.models.checkpoint.hub_reachable", lambda *_: False)
    monkeypatch.setattr("foretune.train.models.checkpoint._cached", lambda card: False)
    auto = ModelsConfig(members="auto")
    text, notes = choose_cards(auto, conf, TaskKind.TEXT_REGRESSION, on_cpu=False)
    assert set(text) == {"minilm", "bilstm_crf"}
    assert any("bert" in note and "the hub is out of reach" in note for note in notes)
    images, _ = choose_cards(auto, conf, TaskKind.IMAGE_CLASSIFICATION)
    assert set(images) == {"efficientnet_lite0"}


def test_auto_leaves_slow_models_out_without_a_gpu(conf, monkeypatch):
    monkeypatch.setattr("foretune.train.members.available", lambda card: True)
    auto = ModelsConfig(members="auto")
    fast, notes = choose_cards(auto, conf, TaskKind.TEXT_CLASSIFICATION, on_cpu=True)
    every, _ = choose_cards(auto, conf, TaskKind.TEXT_CLASSIFICATION, on_cpu=False)
    assert set(fast) == {"minilm", "bilstm_crf"}
    assert {"bert", "bert_large", "roberta"} <= set(every) - set(fast)
    assert any("bert_large" in note and "too slow" in note for note in notes)


def test_a_model_of_the_other_modality_is_an_error(conf):
    with pytest.raises(ConfigError, match="reads images, the task has texts"):
        choose_cards(ModelsConfig(members=["resnet_tiny"]), conf, TaskKind.TEXT_CLASSIFICATION)


def test_a_pool_without_a_member_for_the_modality_names_those_that_there_are(conf):
    pool = PoolConfig(members=["resnet_tiny"], folder="")
    with pytest.raises(ModelError, match=r"texts are not what resnet_tiny reads.*pool.members"):
        choose_cards(
            ModelsConfig(members="auto"), conf, TaskKind.TEXT_CLASSIFICATION, on_cpu=True, pool=pool
        )


def test_a_pinned_model_that_cannot_be_had_says_what_to_do(conf):
    card = load_cards(conf, ["minilm"])["minilm"]
    pinned = ModelsConfig(
        **{**dataclasses.asdict(card), "checkpoint": "no_such_package/model", "package": "such"}
    )
    with pytest.raises(ModelError, match="pip install such"):
        choose_cards(pinned, conf, TaskKind.TEXT_CLASSIFICATION)


def test_a_wrong_members_setting_is_a_problem():
    assert ModelsConfig(members="minilm").problems()
    assert ModelsConfig(members=[]).problems()
    assert not ModelsConfig(members="auto").problems()
    assert not ModelsConfig(members=["minilm"]).problems()
    assert ModelsConfig().problems()
    assert not ModelCard(
        name="x", source=Source.path, checkpoint="folder", family="bert"
    ).problems()
