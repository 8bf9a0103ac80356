"""What does a selector learn from? Past tasks on which several models were fine-tuned."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from foretune.core import HistoryError


@dataclass(frozen=True)
class Outcome:
    """One model on one task.

    Attributes:
        model: Its name.
        score: What its fine-tuning reached, higher is better.
        seconds: What that took; NaN: not known.
        probes: The probes' scores on the support set.
        descriptors: Numbers that describe the model.
    """

    model: str
    score: float
    seconds: float
    probes: Mapping[str, float]
    descriptors: Mapping[str, float]


@dataclass(frozen=True)
class Episode:
    """A past selection: one support set of one task, and what came of each model.

    Attributes:
        task: The task; variants of the same source share the name.
        kind: The kind of the task.
        n_rows: Rows of the support set.
        outcomes: One a model.
    """

    task: str
    kind: str
    n_rows: int
    outcomes: tuple[Outcome, ...]


def write_episodes(episodes: Sequence[Episode], path: Path) -> None:
    """As JSON, beside and renamed; NaN becomes null."""
    text = json.dumps([_plain(asdict(episode)) for episode in episodes], indent=0)
    part = path.with_suffix(".part")
    part.write_text(text + "\n", encoding="utf-8")
    part.replace(path)


def read_episodes(path: Path) -> list[Episode]:
    """What `write_episodes` wrote.

    Raises:
        HistoryError: The file is none of these.
    """
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        return [_episode(entry) for entry in held]
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise HistoryError(
            f"expected past selections in {path}, it does not read: {error}; delete it or name"
            " another"
        ) from error


def _episode(entry: Mapping[str, object]) -> Episode:
    outcomes = entry["outcomes"]
    if not isinstance(outcomes, list):
        raise TypeError(f"expected a list of outcomes, got {outcomes!r}")
    return Episode(
        task=str(entry["task"]),
        kind=str(entry["kind"]),
        n_rows=int(str(entry["n_rows"])),
        outcomes=tuple(
            Outcome(
                model=str(own["model"]),
                score=float(own["score"]),
                seconds=_number(own["seconds"]),
                probes={str(k): _number(v) for k, v in own["probes"].items()},
                descriptors={str(k): float(v) for k, v in own["descriptors"].items()},
            )
            for own in outcomes
        ),
    )


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _plain(value: object) -> object:
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _plain(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(member) for member in value]
    return value
