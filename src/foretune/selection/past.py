"""Which past selections are there? Those in the user's own studies, and those that ship."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from foretune.history import HistoryRecords, StudyRecord
from foretune.history.attrs import (
    FINGERPRINT,
    KIND,
    MODEL_DESCRIPTORS,
    SELECTION,
    TASK,
    Json,
    json_safe,
)
from foretune.select import Episode, Outcome, read_episodes

if TYPE_CHECKING:
    from foretune.core import TaskInfo
    from foretune.selection.choice import ModelChoice

_SHIPPED = "shipped.json"


def selection_attribute(found: ModelChoice) -> dict[str, Json]:
    """What a study keeps of the selection that came before its first trial."""
    return {
        "selector": found.selector,
        "n_rows": found.n_rows,
        "chosen": found.choice.name,
        "kept": list(found.kept),
        "sure": found.choice.is_sure,
        "scores": json_safe({m.name: m.score for m in found.members}),
        "probes": json_safe({m.name: _finite(m.probes) for m in found.members}),
    }


def past_selections(
    info: TaskInfo, records: HistoryRecords | None, *, shipped: bool = True
) -> list[Episode]:
    """Past selections on other tasks than ``info``: never those of its name or its data.

    Args:
        info: The task that a model is chosen for.
        records: Past studies; those without a selection or with trials of one model only say
            nothing.
        shipped: Whether the selections that come with the package count where the user's own are
            of fewer than three tasks.
    """
    own: list[Episode] = []
    for study in () if records is None else records.studies:
        same = study.user_attrs.get(FINGERPRINT) == info.fingerprint
        if not same and study.user_attrs.get(TASK) not in (info.name, info.asked):
            own += _episode(study)
    if shipped and len({e.task for e in own}) < 3:
        own += [e for e in shipped_selections() if e.task not in (info.name, info.asked)]
    return own


def shipped_selections() -> list[Episode]:
    """The selections that come with the package; none where the file is absent."""
    with resources.as_file(resources.files("foretune.selection") / _SHIPPED) as file:
        return read_episodes(Path(file)) if file.is_file() else []


def _episode(study: StudyRecord) -> Sequence[Episode]:
    held = study.user_attrs.get(SELECTION)
    probes = held.get("probes") if isinstance(held, Mapping) else None
    described = study.user_attrs.get(MODEL_DESCRIPTORS)
    column = next((c for c in study.columns if c.name == "model"), None)
    if not isinstance(held, Mapping) or not isinstance(probes, Mapping) or column is None:
        return ()
    sign = 1.0 if study.maximize else -1.0
    outcomes = []
    for k, model in enumerate(getattr(column.distribution, "choices", ())):
        own = (column.values == k) & study.scored
        if not own.any() or not isinstance(probes.get(model), Mapping):
            continue
        best = int(np.flatnonzero(own)[np.argmax(sign * study.values[own])])
        numbers = described.get(model, {}) if isinstance(described, Mapping) else {}
        outcomes.append(
            Outcome(
                model=str(model),
                score=sign * float(study.values[best]),
                seconds=float(study.seconds[best]),
                probes={str(name): _number(value) for name, value in probes[model].items()},
                descriptors={str(name): float(value) for name, value in numbers.items()},
            )
        )
    if len(outcomes) < 2:
        return ()
    kind, task = str(study.user_attrs.get(KIND, "")), str(study.user_attrs.get(TASK, study.name))
    return (Episode(task, kind, int(held.get("n_rows", 32)), tuple(outcomes)),)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def _finite(values: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if math.isfinite(value)}
