"""Which local members does the pool's folder hold, and which of them are broken?

A member is a folder with ``card.yaml``, its weights and its tokenizer. Its checkpoint is given
relative to the card, so that a pool can be moved.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml

from foretune.config.schema.model import ModelCard, Source
from foretune.train.cards import read_card
from foretune.train.models.checkpoint import WEIGHTS

CARD = "card.yaml"


@dataclass(frozen=True)
class LocalPool:
    """What a pool's folder holds.

    Attributes:
        cards: The members that can be had, by name.
        broken: Why the others cannot, by name.
    """

    cards: dict[str, ModelCard] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)


def read_pool(folder: Path) -> LocalPool:
    """The members in ``folder``; a broken one is no error, it is named with the reason.

    Names that start with a dot are members that are being written.
    """
    pool = LocalPool()
    try:
        held = sorted(item for item in folder.iterdir() if item.is_dir())
    except FileNotFoundError:
        return pool
    except OSError as error:
        pool.broken[str(folder)] = f"the folder cannot be read ({error.strerror})"
        return pool
    for item in held:
        if item.name.startswith("."):
            continue
        card, why = read_member(item)
        if card is None:
            pool.broken[item.name] = why
        else:
            pool.cards[item.name] = card
    return pool


def read_member(folder: Path) -> tuple[ModelCard | None, str]:
    """A member's card, its checkpoint an absolute path; or None and the reason."""
    file = folder / CARD
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None, f"there is no {CARD} in {folder}"
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        return None, f"{file} cannot be read: {str(error).splitlines()[0]}"
    if not isinstance(content, dict):
        return None, f"{file} holds no card"
    card, problems = read_card(content, where=str(file))
    if not problems and card.name != folder.name:
        problems = [f"{file}: expected name: {folder.name}, got {card.name!r}"]
    if not problems and card.source is not Source.path:
        problems = [f"{file}: expected source: path, got {card.source.value}"]
    if problems:
        return None, "; ".join(problems)
    at = (folder / card.checkpoint).resolve()
    if not at.is_relative_to(folder.resolve()):
        return None, f"{file}: expected a checkpoint in its own folder, got {card.checkpoint!r}"
    why = _damage(at / WEIGHTS if at.is_dir() else at, card.revision)
    return (None, why) if why else (replace(card, checkpoint=str(at)), "")


def weights_digest(file: Path) -> str:
    """A hash of a weights file: the ``revision`` of a local member."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()[:16]


def _damage(file: Path, revision: str | None) -> str:
    """What is wrong with a member's weights; empty: nothing."""
    try:
        if revision is not None and weights_digest(file) != revision:
            return f"{file} is damaged: it is not the file that its card was written for"
    except OSError as error:
        return f"{file} cannot be read ({error.strerror})"
    return "" if file.is_file() else f"there is nothing at {file}"
