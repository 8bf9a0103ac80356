"""Packaged stand-ins: stable, usable, and never passed off as another data set."""

import pytest

from foretune.config.schema.data import DataConfig, DataSource
from foretune.config.schema.task import TaskConfig
from foretune.core import ConfigError, DataError
from foretune.train.data import PACKAGED, load_task
from foretune.train.data.generated import entities, questions

CAPPED = DataConfig(source=DataSource.packaged, train_rows=400, validation_rows=100, test_rows=200)


def stand_in(packaged, **options):
    kind = PACKAGED[packaged].kind.value
    return TaskConfig(name="asked", kind=kind, packaged=packaged, **options)


@pytest.fixture(scope="module", params=sorted(PACKAGED))
def loaded(request):
    return load_task(stand_in(request.param), CAPPED)


def test_it_says_what_it_is(loaded):
    info = loaded.info
    assert info.stand_in
    assert info.source == "packaged"
    assert info.asked == "asked"
    assert info.name in PACKAGED
    assert f"{info.name} STANDS IN for asked" in loaded.line
    assert "because data.source=packaged was asked for" in loaded.line


def test_it_can_be_used(loaded):
    info = loaded.info
    assert info.rows == {"train": 400, "validation": 100, "test": 200}
    if info.kind.value.endswith("image-classification") or info.kind.value == "text-classification":
        assert set(loaded.train["label"]) == set(range(len(info.classes)))
        assert info.baseline["test"] < 0.7
    assert not [note for note in loaded.notes if "also" in note], "no row in two splits"


def test_it_is_the_same_each_time(loaded):
    again = load_task(stand_in(loaded.info.name), CAPPED)
    assert again.info == loaded.info


def test_a_stand_in_of_another_kind():
    with pytest.raises(ConfigError, match="expected data of kind question-answering, got digits"):
        load_task(TaskConfig(name="t", kind="question-answering", packaged="digits"), CAPPED)


def test_an_unknown_stand_in():
    with pytest.raises(ConfigError, match="did you mean 'digits'"):
        load_task(TaskConfig(name="t", kind="image-classification", packaged="digit"), CAPPED)


def test_nothing_stands_in_for_own_data():
    with pytest.raises(DataError, match="no packaged data stands in for it"):
        load_task(TaskConfig(name="t", kind="image-classification"), CAPPED)


def test_generated_answers_are_where_they_are_said_to_be():
    rows = questions(200)
    for row in rows:
        (text,), (start,) = row["answers"]["text"], row["answers"]["answer_start"]
        assert row["context"][start:].startswith(text)
    assert len({(row["question"], row["context"]) for row in rows}) == 200


def test_names_of_held_out_sentences_are_new_so_context_must_tell():
    rows = entities(1000)
    names = [
        {token for token, tag in zip(row["tokens"], row["labels"], strict=True) if tag in (3, 5)}
        for row in rows
    ]
    known = set().union(*names[:800])
    held_out = set().union(*names[800:])
    assert len(held_out - known) > 0.9 * len(held_out)


def test_another_seed_makes_other_sentences():
    assert entities(20, seed=1)[:] != entities(20, seed=2)[:]
    assert questions(20, seed=1)[:] == questions(20, seed=1)[:]
