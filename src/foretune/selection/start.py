"""From where does a head start that has few rows to learn from? What past tasks taught is kept."""

from __future__ import annotations

import hashlib
import json
import logging
import math
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING

from foretune.core import TaskInfo
from foretune.selection.cache import past_supports

if TYPE_CHECKING:
    from foretune.config.schema.selection import SelectionConfig
    from foretune.select import HeadStart

_log = logging.getLogger(__name__)

LEAST_TASKS = 3  # as for the selectors that learn
_MOST = 16  # support sets of a task: one that was looked at often must not drown the others
_VERSION = 1  # of what is learnt, to be raised with a change of it


def learned_start(
    folder: Path, info: TaskInfo, selection: SelectionConfig
) -> tuple[HeadStart, str]:
    """A start that was meta-trained on the support sets of other tasks, and a line on it.

    The support sets are those that past selections (and ``job=pretrain``) left in the cache. Of
    the same ones the start is learnt once and kept beside them.

    Args:
        folder: The cache.
        info: The task, of whose name or data none of them is.
        selection: Learning rate, iterations, seed.

    Returns:
        The start; as it comes where there are fewer than three other tasks.
    """
    from foretune.select import HeadStart, meta_train

    found = past_supports(folder, info)
    if len(found) < LEAST_TASKS:
        return HeadStart(), (
            f"head: support sets of {len(found)} other tasks are kept, too few to learn from"
            f" ({LEAST_TASKS}): its start is taken as it comes"
        )
    used = [file for own in found.values() for file in sorted(own)[:_MOST]]
    settings = (_VERSION, selection.meta_lr, selection.meta_iterations, selection.seed)
    text = repr((*settings, sorted(file.name for file in used)))
    kept = folder / f"head-{hashlib.blake2b(text.encode(), digest_size=16).hexdigest()}.json"
    line = (
        f"head: its start is meta-trained on {len(used)} support sets of {len(found)} other tasks"
        f" ({', '.join(sorted(found))})"
    )
    start = _read(kept)
    if start is None:
        start = meta_train(
            [found[task][file] for task in found for file in sorted(found[task])[:_MOST]],
            rate=selection.meta_lr,
            iterations=selection.meta_iterations,
            seed=selection.seed,
        )
        _write(kept, start, sorted(found))
    return start, line


def parse_start(held: object) -> HeadStart | None:
    """A start from plain numbers; None: they are none."""
    from foretune.select import HeadStart

    if not isinstance(held, dict):
        return None
    values = [held.get(field.name) for field in fields(HeadStart)]
    numbers = [float(v) for v in values if isinstance(v, int | float) and math.isfinite(v)]
    return HeadStart(*numbers) if len(numbers) == len(values) else None


def _read(path: Path) -> HeadStart | None:
    try:
        return parse_start(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None


def _write(path: Path, start: HeadStart, tasks: list[str]) -> None:
    """Beside and renamed; a folder that cannot be written is no error."""
    try:
        part = path.with_suffix(".part")
        text = json.dumps({**asdict(start), "tasks": tasks}, indent=1)
        part.write_text(text + "\n", encoding="utf-8")
        part.replace(path)
    except OSError as error:
        _log.info("the head's start is not kept: %s", error)
