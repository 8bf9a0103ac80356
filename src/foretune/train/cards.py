"""Which models there are: cards read from YAML files."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

import yaml

from foretune.config.schema.model import ModelCard
from foretune.core import ConfigError, unknown_name


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
        for name, value in dataclasses.asdict(plain_card(card)).items()
    }


def plain_card(card: ModelCard) -> ModelCard:
    """The card alone, where it is a section of the configuration."""
    return ModelCard(
        **{field.name: getattr(card, field.name) for field in dataclasses.fields(ModelCard)}
    )


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
