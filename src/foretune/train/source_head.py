"""What does a member that was pretrained with labels take rows for: which of its own classes?

The probabilities of the source task's classes are what LEEP is computed from (Nguyen et al., 2020).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from foretune.config.schema.model import Library, ModelCard, Source
from foretune.core import ModelError
from foretune.train.models.checkpoint import locate, read_weights
from foretune.train.models.image_encoder import as_timm_names
from foretune.train.probe import Prober

HEAD = "head.safetensors"
_CLASSIFIER = ("classifier.weight", "classifier.bias")  # of an image checkpoint with its own head


@dataclass(frozen=True)
class SourceHead:
    """The layers that tell a source task's classes from a member's vectors.

    Attributes:
        classes: The source task's classes; numbers where the checkpoint does not name them.
        weight: (classes, width).
        bias: (classes,).
        norm: Scale and shift of a norm before them; None: there is none.
    """

    classes: tuple[str, ...]
    weight: Tensor
    bias: Tensor
    norm: tuple[Tensor, Tensor] | None = None

    @property
    def width(self) -> int:
        """Of the vectors that it reads."""
        return self.weight.shape[1]

    @torch.no_grad()
    def probabilities(self, features: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Probabilities (n, classes) of vectors (n, width), as ``Prober.vectors`` gives them.

        Raises:
            ModelError: The vectors are of another width: the task reads the member in another way
                (pairs text by text, answers).
        """
        if features.ndim != 2 or features.shape[1] != self.width:
            raise ModelError(
                f"expected vectors of width {self.width} for the source head, got"
                f" {features.shape[1:]}: it has no meaning on this kind of task"
            )
        vectors = torch.from_numpy(np.asarray(features, dtype=np.float32))
        if self.norm is not None:
            vectors = functional.layer_norm(vectors, (self.width,), *self.norm)
        scores = functional.linear(vectors, self.weight, self.bias)
        found: npt.NDArray[np.float64] = scores.double().softmax(1).numpy()
        return found


def load_source_head(card: ModelCard) -> SourceHead | None:
    """The source head of a member; None: it has none.

    A member of the pool keeps it beside its weights; an image checkpoint may hold ImageNet's.

    Raises:
        ModelError: The checkpoint cannot be had, or the head is damaged.
    """
    if card.source in (Source.scratch, Source.hub):
        return None
    at = locate(card)
    if card.source_classes:
        return _kept(card, at / HEAD)
    if card.library is not Library.timm:
        return None
    state = as_timm_names(read_weights(at))
    if not all(name in state for name in _CLASSIFIER):
        return None
    weight, bias = (state[name].float() for name in _CLASSIFIER)
    return SourceHead(tuple(map(str, range(len(bias)))), weight, bias)


def source_probabilities(prober: Prober, card: ModelCard) -> npt.NDArray[np.float64] | None:
    """Probabilities (n, source classes) of the observations of ``prober.vectors(card)``.

    None where the member has no source head, or its head has no meaning on the task.

    Raises:
        ModelError: The checkpoint cannot be had, or the head is damaged.
    """
    head = load_source_head(card)
    if head is None:
        return None
    features = prober.vectors(card).features
    return head.probabilities(features) if features.shape[1] == head.width else None


def _kept(card: ModelCard, path: Path) -> SourceHead:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        state = load_file(path)
        weight, bias = state["linear.weight"], state["linear.bias"]
    except (OSError, KeyError, SafetensorError) as error:
        raise ModelError(
            f"model {card.name}: its source head {path} is damaged: {error}"
        ) from error
    if len(bias) != len(card.source_classes):
        raise ModelError(
            f"model {card.name}: expected {len(card.source_classes)} source classes in {path}, got"
            f" {len(bias)}"
        )
    norm = (state["norm.weight"], state["norm.bias"]) if "norm.weight" in state else None
    return SourceHead(tuple(card.source_classes), weight, bias, norm)
