"""Which class is a label? Labels arrive as names, ids or numbers and leave as checked class ids."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

from foretune.core import DataError

Label = Hashable
"""A label as it stands in a file: a name, an id, a number, or None."""


def find_classes(labels: Sequence[Label], names: Sequence[str] | None, where: str) -> list[str]:
    """The classes that the training rows show.

    Args:
        labels: The labels of the training rows; of token classification, of all tokens.
        names: The names that the column itself declares for its ids, if it does.
        where: Which rows these are, for an error.

    Raises:
        DataError: The labels are missing or are fractions.

    >>> find_classes(["pos", "neg", "pos"], None, "train")
    ['neg', 'pos']
    """
    if names:
        return list(names)
    distinct = set(_distinct(labels, where).values())
    if all(isinstance(label, int) for label in distinct):
        return [str(label) for label in sorted(distinct, key=int)]
    # O, the tag of a token outside every entity, has id 0 by convention.
    return sorted((str(label) for label in distinct), key=lambda name: (name != "O", name))


def class_ids(
    labels: Sequence[Label], names: Sequence[str] | None, classes: Sequence[str], where: str
) -> list[int]:
    """The class id of each label.

    A declared name or a text counts by name; a number counts by name where the classes are called
    by such numbers, else as an id.

    Raises:
        DataError: A label is missing, is no known class or is out of range.
    """
    ids = {name: k for k, name in enumerate(classes)}
    if names is not None and set(names) != set(classes):
        if len(names) != len(classes):
            raise DataError(
                f"expected the classes {_shown(classes)} in {where}, got {_shown(names)}; set "
                "task.classes to what the data has"
            )
        names = None  # the same classes under other names (T-shirt/top, T - shirt / top)
    known: dict[Label, int] = {}
    for label, plain in _distinct(labels, where).items():
        if names is not None and isinstance(plain, int) and 0 <= plain < len(names):
            known[label] = ids[names[plain]]
        elif str(plain) in ids:
            known[label] = ids[str(plain)]
        elif isinstance(plain, int) and 0 <= plain < len(classes):
            known[label] = plain
        else:
            raise DataError(
                f"expected labels of the {len(classes)} classes {_shown(classes)} (or ids 0 to "
                f"{len(classes) - 1}) in {where}, got {label!r} at position {labels.index(label)}; "
                "mend the rows or set task.classes"
            )
    return [known[label] for label in labels]


def _distinct(labels: Sequence[Label], where: str) -> dict[Label, str | int]:
    """Each distinct label, and what it is: a name or a whole number."""
    found: dict[Label, str | int] = {}
    for position, label in enumerate(labels):
        if isinstance(label, Hashable) and label in found:
            continue
        if isinstance(label, bool):
            found[label] = int(label)
        elif isinstance(label, str | int):
            found[label] = label
        elif isinstance(label, float) and label.is_integer():
            found[label] = int(label)  # a csv column of ids with a gap is read as floats
        elif label is None or (isinstance(label, float) and math.isnan(label)):
            raise DataError(
                f"expected a label in every row of {where}, got none at position {position}; mend "
                "or drop the row"
            )
        else:
            raise DataError(
                f"expected class names or whole numbers as labels in {where}, got {label!r} at "
                f"position {position}; use task.kind=text-regression for numbers to be predicted"
            )
    return found


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
