"""How do a source's rows become a task's rows? Columns found, checked and given their names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from foretune.config.schema.task import ColumnsConfig
from foretune.core import DataError, TaskKind, unknown_name
from foretune.train.data.answers import checked_answers
from foretune.train.data.labels import Label, class_ids, find_classes

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset


def classes_of(train: Dataset, kind: TaskKind, columns: ColumnsConfig) -> tuple[str, ...]:
    """The classes that the training rows show; none for regression and question answering.

    Raises:
        DataError: The label column is missing, or its tags have ids and no names.
    """
    if kind in (TaskKind.TEXT_REGRESSION, TaskKind.QUESTION_ANSWERING):
        return ()
    where, names = "the training rows", _declared_names(train, columns.label)
    labels = _column(train, columns.label, where).to_pylist()
    if kind is not TaskKind.TOKEN_CLASSIFICATION:
        return tuple(find_classes(labels, names, where))
    tags = [tag for row in _lists(labels, columns.label, where) for tag in row]
    classes = find_classes(tags, names, where)
    if not names and any(isinstance(tag, int) for tag in tags):
        raise DataError(
            f"expected names of tags in column {columns.label!r}, got the ids "
            f"{', '.join(classes[:10])}; set task.classes to the tags' names in the order of ids"
        )
    return tuple(classes)


def canonical(
    rows: Dataset, *, kind: TaskKind, columns: ColumnsConfig, classes: Sequence[str], where: str
) -> Dataset:
    """The rows with the columns of ``kind`` (see ``task_data``) and nothing else.

    Args:
        rows: Rows as a source gave them.
        kind: The kind of the task.
        columns: What the columns are called in ``rows``.
        classes: Names of the classes in the order of their ids.
        where: Which rows these are, for an error (``the test rows of imdb``).

    Raises:
        DataError: There are no rows, a column is missing, or a value is none of its kind.
    """
    from datasets import Dataset, Features, Value

    if len(rows) == 0:
        raise DataError(f"expected rows in {where}, got none")
    if kind is TaskKind.IMAGE_CLASSIFICATION:
        return _images(rows, columns, classes, where)
    if kind is TaskKind.QUESTION_ANSWERING:
        return checked_answers(
            ids=_texts(rows, columns.id, where) if columns.id in rows.column_names else None,
            questions=_texts(rows, columns.question, where),
            contexts=_texts(rows, columns.context, where),
            answers=_column(rows, columns.answers, where).to_pylist(),
            where=where,
        )
    if kind is TaskKind.TOKEN_CLASSIFICATION:
        return _tokens(rows, columns, classes, where)
    values: dict[str, object] = {"text": _texts(rows, columns.text, where)}
    features = {"text": Value("string")}
    if columns.text_pair:
        values["text_pair"] = _texts(rows, columns.text_pair, where)
        features["text_pair"] = Value("string")
    labels = _column(rows, columns.label, where).to_pylist()
    if kind is TaskKind.TEXT_REGRESSION:
        values["label"], features["label"] = _numbers(labels, where), Value("float64")
    else:
        names = _declared_names(rows, columns.label)
        values["label"] = class_ids(labels, names, classes, where)
        features["label"] = Value("int64")
    return Dataset.from_dict(values, features=Features(features))


def _column(rows: Dataset, name: str, where: str) -> pa.ChunkedArray:
    if name not in rows.column_names:
        raise DataError(
            f"{unknown_name('column', name, rows.column_names)}; in {where}; set task.columns to "
            "what the columns are called"
        )
    return rows.select_columns([name]).with_format("arrow")[:].column(name)


def _texts(rows: Dataset, name: str, where: str) -> list[str]:
    texts = _column(rows, name, where).to_pylist()
    for row, text in enumerate(texts):
        if text is None or not isinstance(text, str | int | float):
            got = "nothing" if text is None else f"a {type(text).__name__}"
            raise DataError(
                f"expected text in column {name!r} of {where}, got {got} in row {row}; mend or "
                "drop the row"
            )
    return [text if isinstance(text, str) else str(text) for text in texts]


def _numbers(labels: Sequence[Label], where: str) -> list[float]:
    numbers = []
    for row, label in enumerate(labels):
        try:
            number = float("nan" if label is None else label)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            raise DataError(
                f"expected numbers as labels in {where}, got {label!r} in row {row}"
            ) from None
        if not math.isfinite(number):
            raise DataError(
                f"expected a finite label in every row of {where}, got {label!r} in row {row}; "
                "mend or drop the row"
            )
        numbers.append(number)
    return numbers


def _lists(values: Sequence[object], name: str, where: str) -> list[list[Label]]:
    """Lists, or texts of items apart by white space, as lists."""
    found: list[list[Label]] = []
    for row, value in enumerate(values):
        if not isinstance(value, list | str):
            raise DataError(
                f"expected a list (or a text apart by spaces) in column {name!r} of {where}, got "
                f"{value!r} in row {row}"
            )
        found.append(list(value.split()) if isinstance(value, str) else value)
    return found


def _tokens(rows: Dataset, columns: ColumnsConfig, classes: Sequence[str], where: str) -> Dataset:
    from datasets import Dataset, Features, List, Value

    tokens = _lists(_column(rows, columns.tokens, where).to_pylist(), columns.tokens, where)
    tags = _lists(_column(rows, columns.label, where).to_pylist(), columns.label, where)
    names = _declared_names(rows, columns.label)
    for row, (words, row_tags) in enumerate(zip(tokens, tags, strict=True)):
        if len(words) != len(row_tags):
            raise DataError(
                f"expected one tag for each token in {where}, got {len(words)} tokens and "
                f"{len(row_tags)} tags in row {row}"
            )
    kept = [row for row, words in enumerate(tokens) if words]  # a blank line is no sentence
    if not kept:
        raise DataError(f"expected tokens in {where}, got none in any row")
    flat = class_ids([tag for row in kept for tag in tags[row]], names, classes, where)
    ids, start = [], 0
    for row in kept:
        ids.append(flat[start : start + len(tokens[row])])
        start += len(tokens[row])
    words_of = [[str(word) for word in tokens[row]] for row in kept]
    features = Features({"tokens": List(Value("string")), "labels": List(Value("int64"))})
    return Dataset.from_dict({"tokens": words_of, "labels": ids}, features=features)


def _images(rows: Dataset, columns: ColumnsConfig, classes: Sequence[str], where: str) -> Dataset:
    from datasets import Image
    from datasets.exceptions import DatasetsError

    labels = _column(rows, columns.label, where).to_pylist()
    ids = class_ids(labels, _declared_names(rows, columns.label), classes, where)
    _column(rows.select([0]), columns.image, where)
    images = rows.select_columns([columns.image])
    if columns.image != "image":
        images = images.rename_column(columns.image, "image")
    try:
        images = images.cast_column("image", Image())
    except (DatasetsError, TypeError, ValueError) as error:
        raise DataError(
            f"expected images (or their bytes, or paths) in column {columns.image!r} of {where}, "
            f"got {rows.features[columns.image]}"
        ) from error
    return images.add_column("label", ids)


def _declared_names(rows: Dataset, column: str) -> list[str] | None:
    """The names that a column declares for its ids (``ClassLabel``), alone or in lists."""
    from datasets import ClassLabel

    feature = rows.features.get(column)
    feature = getattr(feature, "feature", feature)
    return list(feature.names) if isinstance(feature, ClassLabel) else None
