"""What does a folder's ``dataset.json`` say about its rows?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from foretune.config.schema.task import ColumnsConfig
from foretune.core import DataError, TaskKind

DESCRIPTION = "dataset.json"

_SLOTS = {
    TaskKind.TEXT_CLASSIFICATION: ("text", "text_pair"),
    TaskKind.TEXT_REGRESSION: ("text", "text_pair"),
    TaskKind.TOKEN_CLASSIFICATION: ("tokens",),
    TaskKind.QUESTION_ANSWERING: ("question", "context"),
    TaskKind.IMAGE_CLASSIFICATION: ("image",),
}
"""Which columns the inputs that ``dataset.json`` lists are, in order."""


@dataclass(frozen=True)
class Description:
    """A folder's ``dataset.json``, as far as it says something.

    Attributes:
        task: The kind of the task (``text-classification``).
        input: The columns that go in, in order: text and its pair, question and context.
        target: The column to be predicted.
        classes: Names of the classes in the order of their ids.
        origin: Where the rows came from, for a person.
    """

    task: str | None = None
    input: tuple[str, ...] = ()
    target: str | None = None
    classes: tuple[str, ...] = ()
    origin: str | None = None

    def columns(self, kind: TaskKind, columns: ColumnsConfig) -> ColumnsConfig:
        """The columns that the description names, else those of ``columns``.

        Raises:
            DataError: It lists more inputs than ``kind`` has.
        """
        slots = _SLOTS[kind]
        if len(self.input) > len(slots):
            raise DataError(
                f"expected at most {len(slots)} input columns for {kind} in {DESCRIPTION}, got "
                f"{', '.join(self.input)}"
            )
        found = replace(columns)
        if self.input:
            found.text_pair = None
        for slot, name in zip(slots, self.input, strict=False):
            setattr(found, slot, name)
        if self.target and kind is TaskKind.QUESTION_ANSWERING:
            found.answers = self.target
        elif self.target:
            found.label = self.target
        return found


def read_description(folder: Path) -> Description:
    """The folder's ``dataset.json``; an empty description where there is none.

    Raises:
        DataError: It is no JSON object, or an entry is of the wrong type.
    """
    path = folder / DESCRIPTION
    if not path.exists():
        return Description()
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"expected JSON in {path}, got what cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise DataError(f"expected an object in {path}, got a {type(found).__name__}")
    return Description(
        task=_text(found, "task", path),
        input=_names(found, "input", path),
        target=_text(found, "target", path),
        classes=_names(found, "classes", path),
        origin=_text(found, "origin", path),
    )


def _text(found: Mapping[str, object], key: str, path: Path) -> str | None:
    value = found.get(key)
    if value is not None and not isinstance(value, str):
        raise DataError(f"expected {key!r} in {path} to be a text, got {value!r}")
    return value


def _names(found: Mapping[str, object], key: str, path: Path) -> tuple[str, ...]:
    value = found.get(key, [])
    if not isinstance(value, list):
        raise DataError(f"expected {key!r} in {path} to be a list, got {value!r}")
    return tuple(str(name) for name in value)
