"""What sits on an encoder: one small head a kind of task.

B examples, T tokens, W words, H the encoder's width, C outputs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from foretune.train.models.crf import CRF

Batch = dict[str, Tensor]


def pool(hidden: Tensor, mask: Tensor, pooling: str) -> Tensor:
    """One vector (B, H) of hidden states (B, T, H): the first token's, or the mean over tokens."""
    if pooling == "cls":
        return hidden[:, 0]
    weight = mask[..., None].to(hidden.dtype)
    return (hidden * weight).sum(1) / weight.sum(1)


class SequenceHead(nn.Module):
    """Classes or a number for a text or a pair: pool, normalise, drop out, one linear layer.

    A pair that is read text by text becomes [|u - v|, u * v, cos(u, v)] of its vectors u and v
    (after Reimers and Gurevych, 2019, who concatenate [u, v, |u - v|]). The head starts from the
    cosine alone, which is what a sentence encoder was trained for; all other weights start at 0.
    """

    def __init__(
        self, width: int, n_outputs: int, *, pooling: str, parts: int, dropout: float
    ) -> None:
        super().__init__()
        self.pooling, self.parts = pooling, parts
        self.norm = nn.LayerNorm(width) if parts == 1 else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(width if parts == 1 else 2 * width + 1, n_outputs)
        if parts > 1:
            nn.init.zeros_(self.linear.weight[:, :-1])
            nn.init.ones_(self.linear.weight[:, -1])

    def features(self, hidden: Tensor, batch: Batch) -> Tensor:
        """What the head reads of hidden states (parts x B, T, H): (B, F)."""
        pooled = pool(hidden, batch["mask"], self.pooling)
        if self.parts == 1:
            return pooled
        u, v = nn.functional.normalize(pooled, dim=1).chunk(2)
        scale = pooled.shape[1] ** 0.5  # features of about 1, whatever the width
        cosine = (u * v).sum(1, keepdim=True)
        return torch.cat([(u - v).abs() * scale, u * v * scale, cosine], 1)

    def forward(self, features: Tensor) -> Tensor:
        """Outputs (B, C)."""
        output: Tensor = self.linear(self.dropout(self.norm(features)))
        return output


class TokenHead(nn.Module):
    """Tags for words: the vector of each word's first token, a linear layer, a CRF if asked."""

    def __init__(self, width: int, n_tags: int, *, crf: bool, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(width, n_tags)
        self.crf = CRF(n_tags) if crf else None

    def features(self, hidden: Tensor, batch: Batch) -> Tensor:
        """The words' vectors (B, W, H)."""
        at = batch["words"][..., None].expand(-1, -1, hidden.shape[2])
        return hidden.gather(1, at)

    def forward(self, features: Tensor) -> Tensor:
        """Emissions (B, W, C)."""
        output: Tensor = self.linear(self.dropout(features))
        return output

    def loss(self, emissions: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
        """Mean loss over words; tags (B, W), mask (B, W) bool."""
        if self.crf is not None:
            return self.crf.nll(emissions, tags, mask)
        return nn.functional.cross_entropy(emissions[mask], tags[mask])

    def decode(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """The best tags (B, W)."""
        return emissions.argmax(2) if self.crf is None else self.crf.decode(emissions, mask)


class AnswerHead(nn.Module):
    """Where an answer starts and ends: two scores a token."""

    def __init__(self, width: int, *, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(width, 2)

    def features(self, hidden: Tensor, batch: Batch) -> Tensor:
        """The hidden states as they are (B, T, H)."""
        return hidden

    def forward(self, features: Tensor) -> Tensor:
        """Start and end scores (B, T, 2)."""
        output: Tensor = self.linear(self.dropout(features))
        return output
