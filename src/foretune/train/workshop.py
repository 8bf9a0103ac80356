"""What the trials on one task share: a model's weights, tokenised splits, frozen outputs."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from foretune.config.schema.model import Library, ModelCard, Pair
from foretune.config.schema.trainer import TrainerConfig
from foretune.core import TaskInfo, TaskKind
from foretune.train.cache import ByteCache
from foretune.train.data import TaskData
from foretune.train.feed import Feed
from foretune.train.frozen import frozen_output
from foretune.train.models.image_encoder import load_image_base
from foretune.train.models.network import Network, build_image_network, build_text_network
from foretune.train.models.text_base import TextBase, load_text_base
from foretune.train.params import TrialParams
from foretune.train.units import TaskUnit, build_unit

if TYPE_CHECKING:
    from datasets import Dataset

MB = 2**20
Base = TextBase | dict[str, torch.Tensor]


@dataclass(frozen=True)
class Bench:
    """One model on one task, ready to build networks and feeds.

    Attributes:
        card: The model.
        base: Its weights (and tokenizer).
        unit: The kind of task, for this model.
        parts: Sequences an example.
        build: Makes a network for a trial's parameters.
        feed: Gives a split of the task to a network.
        references: What predictions on a split are measured against.
    """

    card: ModelCard
    base: Base
    unit: TaskUnit
    parts: int
    build: Callable[[TrialParams], Network]
    feed: Callable[[Network, str], Feed]
    references: Callable[[str], list[Any]]


class Workshop:
    """Keeps what trials share; made once a process and task.

    Args:
        data: The task and its rows.
        config: How trials are trained.
        device: Where networks are.
    """

    def __init__(self, data: TaskData, config: TrainerConfig, device: torch.device) -> None:
        self._data, self._config, self._device = data, config, device
        self._benches: dict[str, Bench] = {}
        self._splits: dict[Hashable, Any] = {}
        self._frozen = ByteCache(config.cache_mb * MB)
        self.once_s = 0.0  # that went into what is kept

    def bench(self, card: ModelCard) -> Bench:
        """The bench of a model, set up when first asked for.

        Raises:
            ModelError: The model's checkpoint cannot be had.
        """
        if card.name not in self._benches:
            with self._once():
                self._benches[card.name] = self._set_up(card)
        return self._benches[card.name]

    @contextmanager
    def _once(self) -> Iterator[None]:
        """Count the seconds of making what is kept; of finding it made there are next to none."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.once_s += time.perf_counter() - began

    def _rows(self, split: str) -> Dataset:
        rows: Dataset = getattr(self._data, split)
        return rows

    def _set_up(self, card: ModelCard) -> Bench:
        info, train = self._data.info, self._data.train
        base = load_base(card, corpus(train))
        tokenizer = base.tokenizer if isinstance(base, TextBase) else None
        unit = build_unit(info, card, self._config, tokenizer=tokenizer, train=train)
        parts = 2 if card.pair is Pair.separate and "text_pair" in train.column_names else 1
        answers: dict[str, list[Any]] = {}

        def references(split: str) -> list[Any]:
            if split not in answers:
                answers[split] = unit.references(self._rows(split))
            return answers[split]

        def feed(network: Network, split: str) -> Feed:
            with self._once():
                prepared = self._prepared(card, unit, split)
                frozen = frozen_output(
                    network,
                    unit,
                    prepared,
                    key=(card.name, split),
                    cache=self._frozen,
                    batch_size=self._config.eval_batch_size,
                    device=self._device,
                )
            return Feed(unit, prepared, self._device, frozen)

        return Bench(
            card=card,
            base=base,
            unit=unit,
            parts=parts,
            build=lambda params: build_network(base, card, info, params, parts=parts, load=True),
            feed=feed,
            references=references,
        )

    def _prepared(self, card: ModelCard, unit: TaskUnit, split: str) -> Any:
        """A split made ready; models of one tokenizer (or of one image size) share it."""
        key = (split, *_reading(card))
        if key not in self._splits:
            self._splits[key] = unit.prepare(self._rows(split))
        return self._splits[key]


def load_base(card: ModelCard, texts: list[str]) -> Base:
    """A model's weights, and its tokenizer if it reads text.

    Raises:
        ModelError: The checkpoint cannot be had.
    """
    return load_image_base(card) if card.library is Library.timm else load_text_base(card, texts)


def build_network(
    base: Base, card: ModelCard, info: TaskInfo, params: TrialParams, *, parts: int, load: bool
) -> Network:
    """The network of a trial; ``load``: from the base's weights, else to be loaded later."""
    if isinstance(base, TextBase):
        return build_text_network(
            base,
            params,
            kind=info.kind,
            n_outputs=1 if info.kind is TaskKind.TEXT_REGRESSION else len(info.classes),
            parts=parts,
            load=load,
        )
    return build_image_network(card, base if load else None, params, len(info.classes))


def corpus(rows: Dataset) -> list[str]:
    """The texts of rows, for a tokenizer from scratch."""
    columns = ("text", "text_pair", "question", "context")
    texts = [str(text) for name in columns if name in rows.column_names for text in rows[:][name]]
    if "tokens" in rows.column_names:
        texts += [" ".join(words) for words in rows[:]["tokens"]]
    return texts


def _reading(card: ModelCard) -> tuple[Hashable, ...]:
    """What a prepared split depends on, of a card."""
    if card.library is Library.timm:
        return ("image", card.input_size)
    return ("text", card.source.value, card.checkpoint or card.name, card.revision, card.pair.value)
