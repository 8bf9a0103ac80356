"""Learning to tell hidden pieces: transformers' own masked-language models, and a BiLSTM's.

15 % of the pieces are to be told: 80 % of these are masked, 10 % another piece, 10 % as they were
(Devlin et al., 2019). The output layer reads the hidden places alone, which halves a step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from foretune.train.models.bilstm import BiLSTM
from foretune.train.models.text_base import with_dropout
from foretune.train.ragged import Index, Ragged, training_batches

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase

SHARE, MASKED, OTHER = 0.15, 0.8, 0.1
DROPOUT = 0.1
HELD_OUT = 256  # sequences that measure how well pieces are told

Batch = dict[str, Tensor]


class MaskedNetwork(nn.Module):
    """A masked-language model of transformers: scores (n, vocabulary) of the hidden places."""

    def __init__(self, config: PreTrainedConfig, state: dict[str, Tensor] | None) -> None:
        super().__init__()
        from transformers import AutoModelForMaskedLM

        depth = int(config.num_hidden_layers)
        self.model: Any = AutoModelForMaskedLM.from_config(
            with_dropout(config, DROPOUT, layers=depth)
        )
        if state is not None:
            self.model.base_model.load_state_dict(state, strict=False)

    def forward(self, batch: Batch) -> Tensor:
        """Scores of the hidden places."""
        hidden = self.model.base_model(
            input_ids=batch["ids"], attention_mask=batch["mask"]
        ).last_hidden_state[batch["hidden"]]
        model = self.model
        if hasattr(model, "vocab_projector"):  # DistilBERT's head is no module of its own
            hidden = model.vocab_layer_norm(model.activation(model.vocab_transform(hidden)))
            scores: Tensor = model.vocab_projector(hidden)
            return scores
        for name in ("cls", "lm_head", "predictions"):
            if hasattr(model, name):
                scores = getattr(model, name)(hidden)
                return scores
        raise TypeError(f"{type(model).__name__} has no masked-language head that is known")

    def pretrained(self) -> dict[str, Tensor]:
        """The encoder's weights."""
        state: dict[str, Tensor] = self.model.base_model.state_dict()
        return {name: value.detach().cpu().clone() for name, value in state.items()}


class MaskedBiLSTM(nn.Module):
    """A BiLSTM that tells hidden pieces, its output tied to its embeddings."""

    def __init__(self, encoder: BiLSTM) -> None:
        super().__init__()
        self.encoder = encoder
        width = encoder.table.embedding_dim
        self.head = nn.Sequential(nn.Linear(encoder.width, width), nn.GELU(), nn.LayerNorm(width))
        self.bias = nn.Parameter(torch.zeros(encoder.table.num_embeddings))

    def forward(self, batch: Batch) -> Tensor:
        """Scores of the hidden places."""
        hidden = self.encoder(batch["ids"], batch["mask"], None)[batch["hidden"]]
        return nn.functional.linear(self.head(hidden), self.encoder.table.weight, self.bias)

    def pretrained(self) -> dict[str, Tensor]:
        """The encoder's weights."""
        return self.encoder.pretrained()


def sequences(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, max_length: int) -> Ragged:
    """Texts as sequences of at most ``max_length`` pieces, the special ones included."""
    special = tokenizer("")["input_ids"]
    head, tail = special[: (len(special) + 1) // 2], special[(len(special) + 1) // 2 :]
    room = max_length - len(special)
    rows = []
    for ids in tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]:
        rows += [
            [*head, *ids[start : start + room], *tail]
            for start in range(0, len(ids), room)
            if len(ids) - start > 3 or not start
        ]
    return Ragged.of(rows)


def hide(
    ids: Tensor, special: Tensor, *, mask_id: int, vocabulary: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Ids (b, t) with pieces hidden, and which places (b, t) are to be told; at least one a batch.

    Args:
        ids: Piece ids.
        special: Ids that are never hidden.
        mask_id: The mask's id.
        vocabulary: Number of pieces.
        generator: Draws.
    """
    real = ~torch.isin(ids, special)
    draw = torch.rand(ids.shape, generator=generator)
    told = (draw < SHARE) & real
    if not told.any():
        told = real & (draw == draw.masked_fill(~real, 2.0).min())
    how = torch.rand(ids.shape, generator=generator)
    others = torch.randint(vocabulary, ids.shape, generator=generator)
    hidden = torch.where(told & (how < MASKED), mask_id, ids)
    return torch.where(told & (how >= MASKED) & (how < MASKED + OTHER), others, hidden), told


def masked_batches(
    rows: Ragged,
    *,
    tokenizer: PreTrainedTokenizerBase,
    batch_size: int,
    seed: int,
    device: torch.device,
    once: bool = False,
) -> Iterator[Batch]:
    """Batches with hidden pieces: ``ids``, ``mask``, ``hidden`` (b, t) and ``targets`` (n,)."""
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    special = torch.tensor(tokenizer.all_special_ids)
    pad_id = int(tokenizer.pad_token_id or 0)

    def batch(index: Index) -> Batch:
        places, real = rows.places(index)
        ids = torch.from_numpy(np.where(real, rows.values[places], pad_id))
        shown, told = hide(
            ids,
            special,
            mask_id=int(tokenizer.mask_token_id or 0),
            vocabulary=len(tokenizer),
            generator=generator,
        )
        made = {
            "ids": shown,
            "mask": torch.from_numpy(real.astype(np.int64)),
            "hidden": told,
            "targets": ids[told],
        }
        return {name: value.to(device) for name, value in made.items()}

    while True:
        yield from map(batch, training_batches(rows.lengths, batch_size, rng))
        if once:
            return


@torch.no_grad()
def told_rightly(network: Callable[[Batch], Tensor], batches: Iterator[Batch]) -> float:
    """The share of hidden pieces that are told rightly."""
    right = total = 0
    for batch in batches:
        found = network(batch).argmax(1)
        right += int((found == batch["targets"]).sum())
        total += len(found)
    return right / max(1, total)
