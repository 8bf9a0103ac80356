"""A transformers encoder cut in two: a frozen stem below, whose output can be cached, and a body.

Both halves are transformers' own model of the same class, so its forward pass, masks and kernels
stay its own: the stem keeps the layers below the cut, the body the ones above it and reads the
stem's output where its embeddings were.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from foretune.core import ModelError
from foretune.train.models.text_base import with_dropout

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

_LAYER = re.compile(r"^((?:encoder|transformer)\.layers?\.)(\d+)(\..+)$")
_SHARED = "encoder.albert_layer_groups."


class _PassThrough(nn.Module):
    """Stands where the embeddings were: gives back the hidden states it is given."""

    def forward(
        self, *given: Tensor | None, inputs_embeds: Tensor | None = None, **_: object
    ) -> Tensor:
        # BERT names its arguments, DistilBERT does not; ids and positions are whole numbers.
        return next(
            value
            for value in (inputs_embeds, *given)
            if value is not None and value.is_floating_point()
        )


class SplitEncoder(nn.Module):
    """Text encoder: token ids (batch, length) to hidden states (batch, length, width).

    Args:
        config: The checkpoint's configuration.
        state: The checkpoint's weights; None: to be loaded later.
        layers: Layers kept from below; None or more than there are: all.
        frozen: Fraction of the kept layers in the stem; the embeddings are in it with any.
        dropout: Of the body's hidden states; the stem has none.

    Attributes:
        stem: The frozen half; None where everything learns.
        body: The learning half; None where nothing does.
        cut: Layers in the stem.
    """

    def __init__(
        self,
        config: PreTrainedConfig,
        state: dict[str, Tensor] | None,
        *,
        layers: int | None,
        frozen: float,
        dropout: float,
    ) -> None:
        super().__init__()
        depth = int(config.num_hidden_layers)
        kept = depth if layers is None else min(layers, depth)
        shared = config.model_type == "albert"
        self.width = int(config.hidden_size)
        self.cut = round(frozen * kept)
        if shared and frozen < 1:
            self.cut = 0  # one layer serves every depth: below all of them, the embeddings alone
        self.stem: nn.Module | None = None
        self.body: nn.Module | None = None
        if frozen > 0:
            self.stem = _build(config, state, start=0, stop=self.cut, dropout=0.0)
            self.stem.requires_grad_(False).eval()
        if self.cut < kept or frozen == 0:
            self.body = _build(
                config, state, start=self.cut, stop=kept, dropout=dropout, headless=frozen > 0
            )

    def train(self, mode: bool = True) -> SplitEncoder:
        """Switch dropout on or off; the stem never has any."""
        super().train(mode)
        if self.stem is not None:
            self.stem.eval()
        return self

    def run_stem(self, ids: Tensor, mask: Tensor, types: Tensor | None) -> Tensor:
        """The stem's output (batch, length, width), without gradient."""
        assert self.stem is not None
        with torch.no_grad():
            return _run(self.stem, ids, mask, types)

    def run_body(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """The encoder's output from the stem's."""
        if self.body is None:
            return hidden
        output: Tensor = self.body(inputs_embeds=hidden, attention_mask=mask).last_hidden_state
        return output

    def forward(self, ids: Tensor, mask: Tensor, types: Tensor | None) -> Tensor:
        """Hidden states (batch, length, width)."""
        if self.stem is not None:
            return self.run_body(self.run_stem(ids, mask, types), mask)
        assert self.body is not None
        return _run(self.body, ids, mask, types)


def _run(model: nn.Module, ids: Tensor, mask: Tensor, types: Tensor | None) -> Tensor:
    extra = {} if types is None else {"token_type_ids": types}
    output: Tensor = model(input_ids=ids, attention_mask=mask, **extra).last_hidden_state
    return output


def _build(
    config: PreTrainedConfig,
    state: dict[str, Tensor] | None,
    *,
    start: int,
    stop: int,
    dropout: float,
    headless: bool = False,
) -> PreTrainedModel:
    """The model with the layers from ``start`` to ``stop``, and its embeddings if not headless.

    Weights are not drawn: they are all loaded, here or later.
    """
    from transformers import AutoModel
    from transformers.initialization import no_init_weights

    with no_init_weights():
        model = AutoModel.from_config(with_dropout(config, dropout, layers=stop - start))
    for name in ("pooler", "pooler_activation"):
        if hasattr(model, name):
            setattr(model, name, None)
    projections = (
        (model, "embeddings_project"),
        (model.encoder if hasattr(model, "encoder") else model, "embedding_hidden_mapping_in"),
    )
    if headless:
        model.embeddings = _PassThrough()
        for owner, name in projections:
            if hasattr(owner, name):
                setattr(owner, name, nn.Identity())
    if state is not None:
        chosen = _chosen(state, start, stop, wanted=set(model.state_dict()))
        missing, _ = model.load_state_dict(chosen, strict=False)
        if missing:
            raise ModelError(
                f"cannot keep {stop - start} layers of a {config.model_type} encoder: no weights"
                f" found for {missing[0]}"
            )
    return model


def _chosen(state: dict[str, Tensor], start: int, stop: int, wanted: set[str]) -> dict[str, Tensor]:
    """The weights of layers ``start`` to ``stop``, numbered from 0, and of all that is no layer."""
    chosen = {}
    for name, value in state.items():
        layer = _LAYER.match(name)
        if layer is None:
            chosen[name] = value
        elif start <= int(layer[2]) < stop:
            chosen[f"{layer[1]}{int(layer[2]) - start}{layer[3]}"] = value
    return {name: value for name, value in chosen.items() if name in wanted}
