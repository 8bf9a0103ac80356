from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from datasets import Dataset

from foretune.config.schema.model import Pair
from foretune.config.schema.trainer import Augmentation, Truncation
from foretune.testing.units import check_unit
from foretune.train import load_cards
from foretune.train.metrics import compute
from foretune.train.models.text_base import load_text_base
from foretune.train.params import TrialParams
from foretune.train.ragged import Ragged, sorted_batches, training_batches
from foretune.train.units.answers import AnswerUnit
from foretune.train.units.images import flips
from foretune.train.units.tags import TagUnit
from foretune.train.units.text_arrays import tokenise
from foretune.train.workshop import Workshop

KINDS = [
    ("classification", "bert_tiny", Pair.joint),
    ("regression", "bert_tiny", Pair.joint),
    ("pair", "bert_tiny", Pair.joint),
    ("pair", "bert_tiny", Pair.separate),
    ("tags", "bert_tiny", Pair.joint),
    ("tags", "bilstm_tiny", Pair.joint),
    ("answers", "bert_tiny", Pair.joint),
    ("images", "resnet_tiny", Pair.joint),
]


@pytest.fixture(scope="module")
def tokenizer(conf):
    texts = ["anna saw berta in paris", "who was it ?", "supercalifragilistic"]
    return load_text_base(load_cards(conf, ["bert_tiny"])["bert_tiny"], texts).tokenizer


@pytest.mark.parametrize(("kind", "model", "pair"), KINDS)
def test_the_contract(planted, cpu, conf, kind, model, pair):
    data = planted(kind)
    card = dataclasses.replace(load_cards(conf, [model])[model], pair=pair)
    torch.manual_seed(0)
    bench = Workshop(data, cpu, torch.device("cpu")).bench(card)
    network = bench.build(TrialParams(model=model))
    check_unit(
        bench.unit, network, data.validation, lambda found, true: compute(data.info, found, true)
    )


def test_training_batches_hold_every_row_once_and_little_padding():
    rng = np.random.default_rng(0)
    lengths = rng.integers(5, 128, 500)
    batches = list(training_batches(lengths, 16, np.random.default_rng(1)))
    assert sorted(np.concatenate(batches).tolist()) == list(range(500))
    padded = sum(len(batch) * lengths[batch].max() for batch in batches)
    shuffled = rng.permutation(500)
    plain = sum(len(part) * lengths[part].max() for part in np.array_split(shuffled, len(batches)))
    assert padded < 1.15 * lengths.sum()  # random batches of 16: about 1.8 times
    assert plain > 1.5 * lengths.sum()
    again = list(training_batches(lengths, 16, np.random.default_rng(2)))
    assert not all(np.array_equal(a, b) for a, b in zip(batches, again, strict=True))


def test_sorted_batches_start_with_the_longest():
    batches = list(sorted_batches(np.array([1, 9, 3]), 2))
    assert [batch.tolist() for batch in batches] == [[1, 2], [0]]


def test_head_and_tail_of_a_long_text_are_kept(tokenizer):
    text = " ".join(["anna"] * 30 + ["berta"] * 30)
    words = {}
    for truncation in Truncation:
        tokens = tokenise(
            [text], None, tokenizer=tokenizer, max_length=12, truncation=truncation, separate=False
        )
        ids = tokens.ids.pad(np.array([0]), fill=0)[0]
        assert len(ids) == 12
        words[truncation] = tokenizer.convert_ids_to_tokens(ids.tolist())
    assert words[Truncation.head] == ["[CLS]", *["anna"] * 10, "[SEP]"]
    assert words[Truncation.head_tail] == ["[CLS]", *["anna"] * 2, *["berta"] * 8, "[SEP]"]


def test_words_that_are_cut_off_are_outside(tokenizer):
    rows = Dataset.from_dict({"tokens": [["anna"] * 20], "labels": [[1] * 20]})
    unit = TagUnit(tokenizer, max_length=8, outside=0)
    split = unit.prepare(rows)
    assert split.words.lengths.tolist() == [6]
    found = unit.predictions([(np.array([0]), np.ones((1, 6)))], split)
    assert found == [[1] * 6 + [0] * 14]


def test_a_word_longer_than_the_room_is_read_by_its_beginning(tokenizer):
    word = "supercalifragilistic-" * 40
    unit = TagUnit(tokenizer, max_length=8, outside=0)
    split = unit.prepare(Dataset.from_dict({"tokens": [[word, "anna"]], "labels": [[1, 1]]}))
    assert split.lengths.tolist() == [8]
    assert unit.predictions([(np.array([0]), np.ones((1, 1)))], split) == [[1, 0]]


def test_an_empty_sentence_has_no_tags(tokenizer):
    unit = TagUnit(tokenizer, max_length=8, outside=0)
    split = unit.prepare(Dataset.from_dict({"tokens": [[], ["anna"]], "labels": [[], [1]]}))
    outputs = [(np.array([0, 1]), np.array([[1], [1]]))]
    assert unit.predictions(outputs, split) == [[], [1]]


def _answering(tokenizer, context, answer):
    rows = Dataset.from_dict(
        {
            "id": ["0"],
            "question": ["who was it ?"],
            "context": [context],
            "answers": [{"text": [answer], "answer_start": [context.index(answer)]}],
        }
    )
    unit = AnswerUnit(tokenizer, max_length=24, stride=8)
    return unit, unit.prepare(rows)


@pytest.mark.parametrize("place", [0, 20, 39])
def test_an_answer_is_found_in_the_window_that_holds_it(tokenizer, place):
    words = ["in"] * 40
    words[place] = "berta"
    unit, split = _answering(tokenizer, " ".join(words), "berta")
    assert len(split.lengths) > 2
    assert split.spans.any()
    scores = []
    for window in range(len(split.lengths)):
        found = np.zeros((24, 2), dtype=np.float32)
        found[split.spans[window, 0], 0] = found[split.spans[window, 1], 1] = 9.0
        scores.append((np.array([window]), found[None]))
    assert unit.predictions(scores, split) == ["berta"]


def test_the_best_span_never_ends_before_it_starts(tokenizer):
    unit, split = _answering(tokenizer, "anna saw berta in paris", "berta")
    scores = np.zeros((1, 24, 2), dtype=np.float32)
    first = split.context[0, 0]
    scores[0, first + 3, 0], scores[0, first + 1, 1] = 5.0, 5.0  # ends before it starts
    scores[0, first + 4, 1] = 1.0
    assert unit.predictions([(np.array([0]), scores)], split) == ["in paris"]


def test_grey_images_are_not_mirrored(planted):
    colour = planted("images").train
    grey = colour.map(lambda row: {"image": row["image"].convert("L")})
    assert flips(Augmentation.auto, colour) == (True, True)
    assert flips(Augmentation.auto, grey) == (True, False)
    assert flips(Augmentation.none, colour) == (False, False)
    assert flips(Augmentation.crop_flip, grey) == (True, True)


def test_ragged_rows_survive_padding():
    rows = Ragged.of([[1, 2], [], [3]])
    assert rows.pad(np.array([2, 1, 0]), fill=9).tolist() == [[3, 9], [9, 9], [1, 2]]
    assert rows.lengths.tolist() == [2, 0, 1]
