"""A task on the rows of some classes alone: ``task.keep``."""

import pytest

from foretune.config.schema.data import DataConfig, DataSource
from foretune.config.schema.task import TaskConfig
from foretune.core import DataError
from foretune.train.data import load_task

PACKAGED = DataConfig(source=DataSource.packaged, train_rows=60, validation_rows=30, test_rows=30)


def digits(*keep):
    return TaskConfig(
        name="digits", kind="image-classification", packaged="digits", keep=list(keep)
    )


def test_only_those_rows_are_left_with_ids_in_the_order_asked_for():
    data = load_task(digits("7", "1"), PACKAGED)
    whole = load_task(digits(), DataConfig(source=DataSource.packaged))
    assert data.info.classes == ("7", "1")
    assert set(data.train[:]["label"]) == {0, 1}
    assert data.info.fingerprint != whole.info.fingerprint
    assert not data.info.stand_in  # asked for by its own name
    sevens = [row["image"].tobytes() for row in whole.train if row["label"] == 7]
    first = next(row for row in data.train if row["label"] == 0)
    assert first["image"].tobytes() in sevens


def test_an_unknown_class_is_named_with_what_there_is():
    with pytest.raises(DataError, match="unknown class 'seven'"):
        load_task(digits("seven", "1"), PACKAGED)


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (digits("1"), "two or more"),
        (digits("1", "1"), "two or more"),
        (TaskConfig(name="t", kind="text-regression", keep=["a", "b"]), "expected none"),
    ],
    ids=["one", "twice", "regression"],
)
def test_what_cannot_be_kept_is_a_problem_of_the_configuration(task, expected):
    assert any(expected in line for line in task.problems())
