"""Which models does a search go on with? Those that a few labelled rows speak for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from foretune.build import Setup, chooses_models, past_studies, space_of, study_name_of
from foretune.config.schema.root import RootConfig
from foretune.config.schema.trainer import HeadStart
from foretune.core import DataError, ModelError
from foretune.history.attrs import HEAD_START, SELECTION
from foretune.history.store import study_attribute
from foretune.meta.cache import cache_folder
from foretune.selection import (
    ModelChoice,
    choose_model,
    learned_start,
    parse_start,
    past_selections,
    selection_attribute,
)

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

    from foretune.select import Episode

_LEARNING = ("meta", "bandit")
_SHARE = 0.05  # of a search's budget of seconds, for probing
_SHOWN = 3


def choose(setup: Setup, config: RootConfig, *, max_s: float | None = None) -> ModelChoice:
    """Judge the models of ``setup`` by a few labelled rows, as ``config.selection`` says.

    Raises:
        DataError: The support set cannot tell models apart.
        ModelError: No model can be judged.
    """
    past: list[Episode] = []
    if config.selection.method in _LEARNING:
        records = past_studies(config, setup.data.info)
        past = past_selections(setup.data.info, records, shipped=config.selection.shipped)
    return choose_model(
        setup.data,
        setup.cards,
        selection=config.selection,
        trainer=config.trainer,
        cache_dir=cache_folder(config.search.meta.cache_dir),
        past=past,
        max_s=config.selection.max_s if config.selection.max_s is not None else max_s,
    )


def narrow(setup: Setup, config: RootConfig, storage: RDBStorage) -> Setup:
    """``setup`` with the models that the support set speaks for, the chosen one first.

    A search that is taken up again goes on with the models that it had. Where the support set
    tells nothing (one class, no model that can be judged), all models stay, and a note says why.
    """
    if not chooses_models(setup, config):
        return setup
    before = study_attribute(storage, study_name_of(setup, config), SELECTION)
    if isinstance(before, Mapping):
        kept = [name for name in before.get("kept", ()) if name in setup.cards]
        if kept:
            note = f"model: {kept[0]} was chosen when this search began"
            return _with(setup, kept, dict(before), (note,))
    budget_s = config.search.budget(on_cpu=False).budget_s
    try:
        found = choose(setup, config, max_s=None if budget_s is None else _SHARE * budget_s)
    except (DataError, ModelError) as error:
        note = f"model: none is preferred: {error}"
        return replace(setup, notes=(*setup.notes, note))
    return _with(setup, found.kept, selection_attribute(found), _notes(found))


def with_head_start(setup: Setup, config: RootConfig, storage: RDBStorage) -> Setup:
    """``setup`` with what new heads start from, learnt from past tasks where these are enough.

    A search that is taken up again goes on with the start that it had.
    """
    if config.trainer.head_start is not HeadStart.adapted:
        return setup
    before = study_attribute(storage, study_name_of(setup, config), HEAD_START)
    if (start := parse_start(before)) is not None:
        note = "head: its start is as it was when this search began"
    else:
        folder = cache_folder(config.search.meta.cache_dir)
        start, note = learned_start(folder, setup.data.info, config.selection)
    return replace(setup, head_start=start, notes=(*setup.notes, note))


def _with(
    setup: Setup, kept: list[str] | tuple[str, ...], chosen: Mapping[str, object],
    notes: tuple[str, ...],
) -> Setup:  # fmt: skip
    cards = {name: setup.cards[name] for name in kept}
    return replace(
        setup,
        cards=cards,
        space=space_of(setup.data.info.kind, cards, setup.space_config),
        notes=(*setup.notes, *notes),
        selection=chosen,
    )


def _notes(found: ModelChoice) -> tuple[str, ...]:
    others = ", ".join(found.kept[1:])
    kept = f" The search goes on with it and {others}." if others else ""
    if others and not found.choice.is_sure:
        kept += " Which of them comes first is left to past tasks that tried both."
    ranked = ", ".join(f"{m.name} {m.score:.3f}" for m in found.members[:_SHOWN])
    seen = f"seen from {found.n_rows} labelled rows in {found.probe_s:.1f} s by {found.selector}"
    return (
        *found.left_out,
        *([found.learnt] if found.learnt else []),
        f"model: {found.choice.reason}{kept}",
        f"model: {seen}: {ranked}",
    )
