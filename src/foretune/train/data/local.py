"""How are the user's own files read? One folder a task, or files and image folders by name.

A task's folder holds ``train``, ``validation`` and ``test``, each as ``.parquet``, ``.csv``,
``.tsv`` or ``.jsonl`` or as a folder of images with one folder a class, and perhaps
``dataset.json``, which names the columns and the classes. Nothing is written beside them and
nothing is unpickled.
"""

from __future__ import annotations

import os
from pathlib import Path

from foretune.config.schema.task import TaskConfig
from foretune.core import DataError, TaskKind, unknown_name
from foretune.train.data.description import DESCRIPTION, read_description
from foretune.train.data.files import find_split, read_rows
from foretune.train.data.task_data import RawTask


def load_folder(task: TaskConfig, data_dir: str) -> RawTask:
    """The task's rows from its folder in ``data_dir``, or from ``data_dir`` if it is that folder.

    A task of the user's own may also have its splits in ``data_dir`` itself; a named data set may
    not, as rows of something else would be taken for it.

    Raises:
        DataError: There is no such folder, it has no training rows, or a file cannot be read.
    """
    root = Path(data_dir).expanduser()
    if not root.is_dir():
        raise DataError(
            f"expected a folder at data.dir={data_dir}, got "
            f"{'a file' if root.exists() else 'nothing'}; give the folder that holds one folder a "
            "task"
        )
    folder = root / task.folder_name()
    is_own = root.resolve().name == folder.name or not task.hub.id
    if not folder.is_dir() and is_own and find_split(root, "train"):
        folder = root
    if not folder.is_dir():
        raise DataError(
            f"{unknown_name('task folder', folder.name, _tasks(root))}; in data.dir={data_dir}"
        )
    described = read_description(folder)
    if described.task not in (None, task.kind):
        raise DataError(
            f"expected rows for {task.kind} in {folder}, got {described.task} by its {DESCRIPTION}"
        )
    train = find_split(folder, "train")
    if train is None:
        raise DataError(
            f"expected train.parquet, train.csv, train.tsv, train.jsonl or a folder train/ of "
            f"images in {folder}, got {', '.join(sorted(os.listdir(folder))) or 'nothing'}"
        )
    validation, test = find_split(folder, "validation"), find_split(folder, "test")
    return RawTask(
        name=task.name,
        source="local",
        origin=f"{folder}, {described.origin}" if described.origin else str(folder),
        columns=described.columns(TaskKind(task.kind), task.columns),
        classes=described.classes or tuple(task.classes),
        train=read_rows(train),
        validation=read_rows(validation) if validation else None,
        test=read_rows(test) if test else None,
    )


def load_files(task: TaskConfig) -> RawTask:
    """The rows of ``task.files``.

    Raises:
        DataError: A file does not exist or cannot be read.
    """
    paths = {
        split: Path(name).expanduser() if name else None
        for split, name in (
            ("train", task.files.train),
            ("validation", task.files.validation),
            ("test", task.files.test),
        )
    }
    rows = {split: read_rows(path) if path else None for split, path in paths.items()}
    if rows["train"] is None:
        raise DataError("expected task.files.train, got none")
    return RawTask(
        name=task.name,
        source="local",
        origin=", ".join(str(path) for path in paths.values() if path),
        columns=task.columns,
        classes=tuple(task.classes),
        train=rows["train"],
        validation=rows["validation"],
        test=rows["test"],
    )


def _tasks(root: Path) -> list[str]:
    """The folders that hold a task."""
    return [
        entry.name
        for entry in root.iterdir()
        if entry.is_dir() and ((entry / DESCRIPTION).exists() or find_split(entry, "train"))
    ]
