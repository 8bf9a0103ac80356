"""The whole network of a trial: an encoder, a head, and what of it can be computed once."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from foretune.config.schema.model import Library, ModelCard
from foretune.core import TaskKind
from foretune.train.models.bilstm import BiLSTM
from foretune.train.models.heads import AnswerHead, Batch, SequenceHead, TokenHead
from foretune.train.models.image_encoder import ImageEncoder
from foretune.train.models.split_encoder import SplitEncoder
from foretune.train.models.text_base import TextBase
from foretune.train.params import TrialParams


@dataclass(frozen=True)
class Frozen:
    """What a network computes the same way for every trial with this key.

    Attributes:
        key: What it depends on beside the checkpoint and the data.
        per_token: Whether it is a vector a token (cut in the encoder) or one an example.
        width: Of the vectors.
    """

    key: Hashable
    per_token: bool
    width: int


class TextNetwork(nn.Module):
    """Text encoder and head; reads a unit's batch.

    Of a batch it takes ``features`` (the head's input, cached), else ``hidden`` (the frozen stem's
    output, cached), else ``ids``.
    """

    def __init__(
        self,
        encoder: SplitEncoder | BiLSTM,
        head: SequenceHead | TokenHead | AnswerHead,
    ) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    @property
    def frozen(self) -> Frozen | None:
        """What can be computed once; None: nothing."""
        if not isinstance(self.encoder, SplitEncoder) or self.encoder.stem is None:
            return None
        if self.encoder.body is None and isinstance(self.head, SequenceHead):
            width = self.head.linear.in_features
            return Frozen((self.encoder.cut, self.head.pooling), False, width)
        return Frozen(self.encoder.cut, True, self.encoder.width)

    def run_frozen(self, batch: Batch) -> Tensor:
        """What can be computed once, for a batch: (b, width) or (sequences, tokens, width)."""
        assert isinstance(self.encoder, SplitEncoder)
        hidden = self.encoder.run_stem(batch["ids"], batch["mask"], batch.get("types"))
        if self.encoder.body is None and isinstance(self.head, SequenceHead):
            return self.head.features(hidden, batch)
        return hidden

    def features(self, batch: Batch) -> Tensor:
        """What the head reads."""
        if "features" in batch:
            return batch["features"]
        if "hidden" in batch:
            assert isinstance(self.encoder, SplitEncoder)
            hidden = self.encoder.run_body(batch["hidden"], batch["mask"])
        else:
            hidden = self.encoder(batch["ids"], batch["mask"], batch.get("types"))
        return self.head.features(hidden, batch)

    def forward(self, batch: Batch) -> Tensor:
        """The head's output."""
        output: Tensor = self.head(self.features(batch))
        return output


class ImageNetwork(nn.Module):
    """Image encoder, dropout and a linear layer; reads ``pixels`` (bytes) or cached ``features``.

    Pixels are resized to the card's ``input_size`` and normalised here, on the device.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, card: ModelCard, encoder: ImageEncoder, n_classes: int, *, dropout: float
    ) -> None:
        super().__init__()
        self.encoder, self.size = encoder, card.input_size
        for name, values in (("mean", card.mean), ("std", card.std)):
            scaled = 255.0 * torch.tensor(values).view(1, 3, 1, 1)
            self.register_buffer(name, scaled, persistent=False)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(encoder.width, n_classes))

    @property
    def frozen(self) -> Frozen | None:
        """The features of an encoder that does not learn, from images as they are."""
        if any(parameter.requires_grad for parameter in self.encoder.parameters()):
            return None
        return Frozen(self.encoder.kept, False, self.encoder.width)

    def run_frozen(self, batch: Batch) -> Tensor:
        """Features (b, width), with a gradient where the encoder learns."""
        pixels = (batch["pixels"].float() - self.mean) / self.std
        if pixels.shape[2] != self.size:
            pixels = nn.functional.interpolate(
                pixels, size=(self.size, self.size), mode="bilinear", antialias=False
            )
        features: Tensor = self.encoder(pixels.contiguous(memory_format=torch.channels_last))
        return features

    def features(self, batch: Batch) -> Tensor:
        """What the head reads."""
        return batch["features"] if "features" in batch else self.run_frozen(batch)

    def forward(self, batch: Batch) -> Tensor:
        """Class scores (b, classes)."""
        output: Tensor = self.head(self.features(batch))
        return output


Network = TextNetwork | ImageNetwork


def build_text_network(
    base: TextBase,
    params: TrialParams,
    *,
    kind: TaskKind,
    n_outputs: int,
    parts: int,
    load: bool,
) -> TextNetwork:
    """A text network with the base's weights and a new head.

    Args:
        base: The checkpoint.
        params: The trial's parameters.
        kind: The kind of the task: which head.
        n_outputs: Classes or tags; 1 for a number.
        parts: Sequences an example.
        load: Whether to start from the base's weights; if not, a state is loaded later.
    """
    card, state = base.card, base.state if load else None
    encoder: SplitEncoder | BiLSTM
    if card.library is Library.bilstm:
        encoder = BiLSTM(
            vocabulary=base.state["embeddings"].shape[0],
            embedding=base.state["embeddings"].shape[1],
            state=state,
            hidden=int(card.architecture.get("hidden", card.hidden // 2)),
            layers=min(params.layers or card.depth, card.depth),
            frozen=params.frozen,
            dropout=params.dropout,
        )
    else:
        assert base.config is not None
        encoder = SplitEncoder(
            base.config, state, layers=params.layers, frozen=params.frozen, dropout=params.dropout
        )
    head: SequenceHead | TokenHead | AnswerHead
    if kind is TaskKind.TOKEN_CLASSIFICATION:
        crf = card.library is Library.bilstm
        head = TokenHead(encoder.width, n_outputs, crf=crf, dropout=params.dropout)
    elif kind is TaskKind.QUESTION_ANSWERING:
        head = AnswerHead(encoder.width, dropout=params.dropout)
    else:
        head = SequenceHead(
            encoder.width,
            n_outputs,
            pooling=params.pooling,
            parts=parts,
            dropout=params.dropout,
        )
    return TextNetwork(encoder, head)


def build_image_network(
    card: ModelCard, state: dict[str, Tensor] | None, params: TrialParams, n_classes: int
) -> ImageNetwork:
    """An image network with the given weights and a new head."""
    encoder = ImageEncoder(card, state, layers=params.layers, frozen=params.frozen)
    network = ImageNetwork(card, encoder, n_classes, dropout=params.dropout)
    return network.to(memory_format=torch.channels_last)
