"""Which past studies may a new study learn from, and what is learnt from them?"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from foretune.history import HistoryRecords, read_history
from foretune.meta.model import MetaModel
from foretune.meta.settings import MetaSettings

_log = logging.getLogger(__name__)


def recorded(history: Any, *, fingerprint: object, name: str | None) -> HistoryRecords:
    """A history without the study itself and without studies of the same data.

    Args:
        history: What `foretune.MetaSampler` takes.
        fingerprint: Of the new study's data; None: leave out none for their data.
        name: Of the new study, if it has one.
    """
    same = None if fingerprint is None else str(fingerprint)
    if not isinstance(history, HistoryRecords):
        names = () if name is None else (name,)
        return read_history(history, exclude_fingerprint=same, exclude_studies=names)
    kept = tuple(
        s
        for s in history.studies
        if s.name != name and (same is None or s.user_attrs.get("fingerprint") != same)
    )
    return replace(history, studies=kept)


def turn(records: HistoryRecords) -> HistoryRecords:
    """A history in which every study was recorded in the other direction."""
    return replace(
        records, studies=tuple(replace(s, maximize=not s.maximize) for s in records.studies)
    )


def learned(
    history: Any,
    settings: MetaSettings,
    cache_dir: Path | None,
    *,
    fingerprint: object,
    name: str,
    turned: bool,
) -> MetaModel | None:
    """What a study learns from a history, trained or kept; None where there is nothing to learn.

    Args:
        history: What `foretune.MetaSampler` takes.
        settings: The meta-model's numbers.
        cache_dir: Where trained models are kept; None: nowhere.
        fingerprint: Of the study's data; None: leave out none for their data.
        name: Of the study.
        turned: Whether every score's sign is turned.
    """
    records = recorded(history, fingerprint=fingerprint, name=name)
    if turned:
        _log.warning(
            "The study's trials rank the other way round than the history's: it is read with"
            " its scores' signs turned. Was a loss recorded as a score to maximise?"
        )
        records = turn(records)
    model = MetaModel.fit(records, settings, cache_dir)
    if model is None:
        level = logging.WARNING if records.studies else logging.INFO
        _log.log(level, "The history holds nothing to learn from; searching without it.")
        return None
    if settings.ablation.guard and model.transfer.none:
        _log.warning(
            "The history's %d studies say nothing of each other (rank correlation %.2f, at most"
            " %.2f); searching without it.", model.transfer.n_tasks,
            model.transfer.correlation, model.transfer.upper,
        )  # fmt: skip
        return None
    _log.info(
        "History: %d studies, %d trials; meta-model %s.", len(model.tasks.tasks),
        model.tasks.n_trials, "from cache" if model.from_cache else "trained",
    )  # fmt: skip
    return model
