"""How do a source's rows become a task's rows? Columns found, checked and given their names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from foretune.config.schema.task import ColumnsConfig
from foretune.core import DataError, TaskKind, mask_url, unknown_name
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
    import pyarrow as pa
    from datasets import Dataset

    if len(rows) == 0:
        raise DataError(f"expected rows in {where}, got none")
    if kind is TaskKind.IMAGE_CLASSIFICATION:
        return _images(rows, columns, classes, where)
    if kind is TaskKind.QUESTION_ANSWERING:
        has_ids = columns.id in rows.column_names
        return checked_answers(
            ids=_texts(rows, columns.id, where).to_pylist() if has_ids else None,
            questions=_texts(rows, columns.question, where).to_pylist(),
            contexts=_texts(rows, columns.context, where).to_pylist(),
            answers=_column(rows, columns.answers, where).to_pylist(),
            where=where,
        )
    if kind is TaskKind.TOKEN_CLASSIFICATION:
        return _tokens(rows, columns, classes, where)
    values = {"text": _texts(rows, columns.text, where)}
    if columns.text_pair:
        values["text_pair"] = _texts(rows, columns.text_pair, where)
    labels = _column(rows, columns.label, where).to_pylist()
    if kind is TaskKind.TEXT_REGRESSION:
        label = pa.array(_numbers(labels, where), pa.float64())
    else:
        names = _declared_names(rows, columns.label)
        label = pa.array(class_ids(labels, names, classes, where), pa.int64())
    return Dataset(pa.table({**values, "label": label}))


def _column(rows: Dataset, name: str, where: str) -> pa.ChunkedArray:
    if name not in rows.column_names:
        raise DataError(
            f"{unknown_name('column', name, rows.column_names)}; in {where}; set task.columns to "
            "what the columns are called"
        )
    return rows.select_columns([name]).with_format("arrow")[:].column(name)


def _texts(rows: Dataset, name: str, where: str) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    column = _column(rows, name, where)
    if column.null_count:
        row = pc.index(column.is_null(), True).as_py()
        raise DataError(
            f"expected text in column {name!r} of {where}, got nothing in row {row}; mend or drop "
            "the row"
        )
    kinds = (
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_integer,
        pa.types.is_floating,
    )
    if not any(is_kind(column.type) for is_kind in kinds):
        raise DataError(f"expected text in column {name!r} of {where}, got {column.type}")
    return column.cast(pa.string())


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
    import pyarrow as pa
    from datasets import Dataset

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
    flat_ids = iter(flat)
    ids = [[next(flat_ids) for _ in tokens[row]] for row in kept]
    words_of = [[str(word) for word in tokens[row]] for row in kept]
    return Dataset(
        pa.table(
            {
                "tokens": pa.array(words_of, pa.list_(pa.string())),
                "labels": pa.array(ids, pa.list_(pa.int64())),
            }
        )
    )


def _images(rows: Dataset, columns: ColumnsConfig, classes: Sequence[str], where: str) -> Dataset:
    import pyarrow as pa
    from datasets import Image

    labels = _column(rows, columns.label, where).to_pylist()
    ids = class_ids(labels, _declared_names(rows, columns.label), classes, where)
    _column(rows.select([0]), columns.image, where)
    images = rows.select_columns([columns.image])
    if columns.image != "image":
        images = images.rename_column(columns.image, "image")
    try:
        images = images.cast_column("image", Image())
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise DataError(
            f"expected images (or their bytes, or paths) in column {columns.image!r} of {where}, "
            f"got {rows.features[columns.image]}"
        ) from error
    _all_here(images, where)
    return images.add_column("label", ids)


def _all_here(images: Dataset, where: str) -> None:
    """Pass if no image is an address, which `datasets` would fetch while it trains."""
    import pyarrow.compute as pc

    for chunk in images.data.column("image").chunks:
        paths = pc.if_else(pc.is_null(chunk.field("bytes")), chunk.field("path"), None)
        away = pc.index(pc.match_substring(paths, "://"), True).as_py()
        if away >= 0:
            raise DataError(
                f"expected images or paths of files in {where}, got the address "
                f"{mask_url(str(paths[away]))}; fetch the images first and name the files"
            )


def _declared_names(rows: Dataset, column: str) -> list[str] | None:
    """The names that a column declares for its ids (``ClassLabel``), alone or in lists."""
    from datasets import ClassLabel

    feature = rows.features.get(column)
    feature = getattr(feature, "feature", feature)
    return list(feature.names) if isinstance(feature, ClassLabel) else None
