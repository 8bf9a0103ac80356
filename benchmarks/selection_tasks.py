"""Which tasks judge the selectors, and which do they learn from? Real, packaged, and cut ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from hydra import compose, initialize_config_dir

from foretune.build import build_setup
from foretune.config.compose import register_schemas, to_config
from foretune.config.location import conf_folder
from foretune.config.schema.root import RootConfig
from foretune.train import ModelCard, TaskData


@dataclass(frozen=True)
class BenchTask:
    """A task of the benchmark.

    Attributes:
        name: Of the task or of its cut.
        family: Its source; a family is never both learnt from and scored.
        scored: Whether selectors are judged on it; if not, they only learn from it.
    """

    name: str
    family: str
    scored: bool
    data: TaskData
    cards: dict[str, ModelCard]
    config: RootConfig


REAL = ("ag_news", "glue/sst2", "imdb", "glue/stsb", "wnut17", "squad", "cifar10")
PACKAGED = ("imdb", "glue/mrpc", "glue/stsb", "wnut17", "squad", "cifar10", "fashion_mnist")
# Cuts to a few classes are tasks of their own, of the family that they are cut from.
CUTS = {"ag_news": ((0, 1), (2, 3), (0, 2, 3)), "cifar10": ((0, 1, 8, 9), (2, 3, 4, 5, 6, 7))}


def bench_tasks(overrides: Sequence[str], data_dir: Path | None, *, smoke: bool) -> list[BenchTask]:
    """Every task that the data at hand allows."""
    found = []
    if data_dir is not None:
        for name in REAL[:2] if smoke else REAL:
            found += list(_tasks(name, [f"data.dir={data_dir}", *overrides], scored=True))
    for name in PACKAGED[-1:] if smoke else PACKAGED:
        found += list(_tasks(name, ["data.source=packaged", *overrides], scored=False))
    return found


def _tasks(name: str, overrides: Sequence[str], *, scored: bool) -> Iterator[BenchTask]:
    register_schemas()
    with initialize_config_dir(config_dir=str(conf_folder()), version_base="1.3"):
        config = to_config(compose("config", overrides=[f"task={name}", *overrides]))
    setup = build_setup(config, conf_folder())
    data, cards = setup.data, dict(setup.cards)
    family = data.info.name
    if not scored:
        cards = _cheap(cards)
    yield BenchTask(family, family, scored, data, cards, config)
    for classes in CUTS.get(name, ()) if scored else ():
        name = f"{family}{list(classes)}"
        yield BenchTask(name, family, False, _cut(data, classes), _cheap(cards), config)


def _cheap(cards: dict[str, ModelCard]) -> dict[str, ModelCard]:
    """Without members that go on from another: to learn from, one of a kind is enough."""
    started = [c for c in cards.values() if c.tokenizer.split(",")[0] in cards]
    return {name: card for name, card in cards.items() if card not in started}


def _cut(data: TaskData, classes: Sequence[int]) -> TaskData:
    """The rows of a few classes alone."""
    place = {label: k for k, label in enumerate(classes)}

    def rows(split: str):
        held = getattr(data, split)
        labels = np.asarray(held["label"])
        kept = held.select(np.flatnonzero(np.isin(labels, classes)))
        mapped = [place[int(label)] for label in kept["label"]]
        return kept.remove_columns("label").add_column("label", mapped)

    splits = {split: rows(split) for split in ("train", "validation", "test")}
    info = dataclasses.replace(
        data.info,
        name=f"{data.info.name}{list(classes)}",
        classes=tuple(data.info.classes[k] for k in classes),
        fingerprint=f"{data.info.fingerprint}-{'-'.join(map(str, classes))}",
        rows={split: len(held) for split, held in splits.items()},
    )
    return dataclasses.replace(data, info=info, extra={}, **splits)
