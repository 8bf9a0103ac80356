"""Which pretrained models there are to choose from, and how the local ones are pretrained."""

from __future__ import annotations

import dataclasses
import math
import re
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from foretune.config.schema.model import Pair
from foretune.core import unknown_name

TEXT_ENCODERS = ("bert", "roberta", "albert", "distilbert", "bilstm")
IMAGE_ENCODERS = ("resnet", "efficientnet")
KINDS = ("hub", "packaged", "local")
"""Words that stand for all members of a kind in ``pool.members``."""
_GPU_KEYS = ("architecture", "vocabulary", "max_length", "input_size", "steps_times")
_PLAIN_NAME = re.compile(r"[A-Za-z][\w-]*")


class Learns(Enum):
    """What a stage of pretraining learns: hidden words, a task's labels, how an image is turned."""

    masked = "masked"
    labels = "labels"
    rotations = "rotations"


class Pieces(Enum):
    """How words are cut into pieces."""

    wordpiece = "wordpiece"
    byte_bpe = "byte_bpe"
    unigram = "unigram"


@dataclass
class StageConfig:
    """One stage of pretraining.

    Attributes:
        learns: What is learnt.
        sources: The tasks whose training rows are read; ``labels`` learns the first that is had.
        steps: Optimiser steps, where the time allows.
        lr: Peak learning rate; it falls to zero as the steps or the time run out.
        batch_size: Rows a step.
    """

    learns: Learns = Learns.masked
    sources: list[str] = field(default_factory=list)
    steps: int = 1000
    lr: float = 1e-3
    batch_size: int = 32


@dataclass
class RecipeConfig:
    """How one local member is made.

    Attributes:
        encoder: One of ``TEXT_ENCODERS`` or ``IMAGE_ENCODERS``.
        architecture: Fields of transformers' configuration; ``{name: ...}`` of timm's; a BiLSTM's
            ``embedding``, ``hidden`` and ``layers``.
        start: A text member of conf/model/ that it goes on from, with its tokenizer and
            architecture; empty: it starts from nothing.
        pieces: How words are cut into pieces.
        vocabulary: The most pieces.
        max_length: Tokens of a sequence in pretraining.
        input_size: Side of an image in pixels.
        pair: How it reads a pair of texts.
        stages: What it learns, in order.
        default: Its known-good configuration.
        task_defaults: What that changes on a kind of task.
        space: Ranges that hold under it.
        gpu: What is larger where there is a GPU: ``architecture``, ``vocabulary``, ``max_length``,
            ``input_size``, and ``steps_times`` as many steps.
    """

    encoder: str = "bert"
    architecture: dict[str, Any] = field(default_factory=dict)
    start: str = ""
    pieces: Pieces = Pieces.wordpiece
    vocabulary: int = 8192
    max_length: int = 64
    input_size: int = 32
    pair: Pair = Pair.joint
    stages: list[StageConfig] = field(default_factory=list)
    default: dict[str, Any] = field(default_factory=dict)
    task_defaults: dict[str, Any] = field(default_factory=dict)
    space: dict[str, Any] = field(default_factory=dict)
    gpu: dict[str, Any] = field(default_factory=dict)

    @property
    def reads_images(self) -> bool:
        """Whether it is an image network."""
        return self.encoder in IMAGE_ENCODERS

    def on_gpu(self) -> RecipeConfig:
        """The recipe with the sizes that a GPU has time for."""
        gpu = dict(self.gpu)
        times = float(gpu.pop("steps_times", 1.0))
        architecture = {**self.architecture, **gpu.pop("architecture", {})}
        stages = [dataclasses.replace(s, steps=round(times * s.steps)) for s in self.stages]
        return dataclasses.replace(self, architecture=architecture, stages=stages, **gpu)

    def problems(self, where: str) -> list[str]:
        """Every problem of this recipe, one sentence each."""
        found = []
        if self.encoder not in TEXT_ENCODERS + IMAGE_ENCODERS:
            known = TEXT_ENCODERS + IMAGE_ENCODERS
            return [f"{where}.encoder: {unknown_name('encoder', self.encoder, known)}"]
        if self.reads_images and "name" not in self.architecture:
            found.append(f"{where}.architecture: expected name, such as test_resnet, got none")
        if self.start and (self.reads_images or self.encoder == "bilstm" or self.architecture):
            found.append(
                f"{where}.start: only transformers' text encoders go on from a member, and with its"
                " architecture: drop start or architecture"
            )
        if self.start and any(stage.learns is not Learns.labels for stage in self.stages):
            found.append(f"{where}.stages: what goes on from {self.start} learns labels alone")
        if not self.stages:
            found.append(f"{where}.stages: expected at least one, got none")
        for name, least in (("vocabulary", 32), ("max_length", 8), ("input_size", 8)):
            if getattr(self, name) < least:
                found.append(
                    f"{where}.{name}: expected at least {least}, got {getattr(self, name)}"
                )
        found += [
            f"{where}.gpu: {unknown_name('key', key, _GPU_KEYS)}"
            for key in self.gpu
            if key not in _GPU_KEYS
        ]
        for number, stage in enumerate(self.stages):
            at = f"{where}.stages[{number}]"
            if not stage.sources:
                found.append(f"{at}.sources: expected at least one task, got none")
            if stage.steps < 1 or stage.batch_size < 2 or not stage.lr > 0:
                found.append(
                    f"{at}: expected steps of at least 1, batch_size of at least 2 and lr above 0,"
                    f" got {stage.steps}, {stage.batch_size} and {stage.lr}"
                )
            other = Learns.masked if self.reads_images else Learns.rotations
            if stage.learns is other:
                found.append(f"{at}.learns: {self.encoder} cannot learn {stage.learns.value}")
        return found


@dataclass
class PoolConfig:
    """The ``pool`` section.

    Attributes:
        members: Whom ``model=auto`` takes: ``auto`` (every member that can be had), or names and
            kinds (``hub``, ``packaged``, ``local``).
        folder: Where the local members live, one folder each.
        build: The recipes that ``job=pretrain`` follows; empty: all of them.
        budget_s: Seconds that ``job=pretrain`` may take, shared among the members still to build.
        seed: Of the weights, the order and what is hidden.
        sources: The only tasks that members are pretrained on; empty: all that can be had.
        max_steps: At most so many steps a stage; None: as the recipes say.
        recipes: How local members are made, by name.
    """

    members: Any = "auto"
    folder: str = "pool"
    build: list[str] = field(default_factory=list)
    budget_s: float = 1800.0
    seed: int = 0
    sources: list[str] = field(default_factory=list)
    max_steps: int | None = None
    recipes: dict[str, RecipeConfig] = field(default_factory=dict)

    def problems(self) -> list[str]:
        """Every problem, one sentence each."""
        found = []
        if self.members != "auto" and (isinstance(self.members, str) or not list(self.members)):
            found.append(
                "pool.members: expected auto or a list such as [minilm,local], got"
                f" {self.members!r}"
            )
        if not (self.budget_s > 0 and math.isfinite(self.budget_s)):
            found.append(f"pool.budget_s: expected above 0, got {self.budget_s}")
        if self.seed < 0:
            found.append(f"pool.seed: expected 0 or more, got {self.seed}")
        if self.max_steps is not None and self.max_steps < 1:
            found.append(f"pool.max_steps: expected at least 1 or null, got {self.max_steps}")
        if not self.folder.strip():
            found.append("pool.folder: expected a folder, got nothing")
        found += [
            f"pool.build: {unknown_name('recipe', name, self.recipes)}"
            for name in self.build
            if name not in self.recipes
        ]
        for name, recipe in self.recipes.items():
            if not _PLAIN_NAME.fullmatch(name) or name in (*KINDS, "auto"):
                found.append(f"pool.recipes: expected a plain name that is no kind, got {name!r}")
            found += recipe.problems(f"pool.recipes.{name}")
        return found
