"""A linear-chain conditional random field (Lafferty et al., 2001) over tags.

B sequences of at most T words, K tags. Words of a sequence are contiguous from position 0.
    emissions: (B, T, K) scores of each tag at each word
    tags: (B, T) the true tags; anything where mask is False
    mask: (B, T) bool, True at words; every sequence has at least one
    transitions: (K, K) score of going from row's tag to column's
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class CRF(nn.Module):
    """Scores whole tag sequences: emissions, transitions, a start and an end score."""

    def __init__(self, n_tags: int) -> None:
        super().__init__()
        self.start = nn.Parameter(torch.empty(n_tags).uniform_(-0.1, 0.1))
        self.end = nn.Parameter(torch.empty(n_tags).uniform_(-0.1, 0.1))
        self.transitions = nn.Parameter(torch.empty(n_tags, n_tags).uniform_(-0.1, 0.1))

    def nll(self, emissions: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
        """Negative log-likelihood of the true tags, mean over all words."""
        tags = tags.masked_fill(~mask, 0)
        weight = mask.to(emissions.dtype)
        at = emissions.gather(2, tags[..., None]).squeeze(2) * weight
        moves = self.transitions[tags[:, :-1], tags[:, 1:]] * weight[:, 1:]
        last = tags.gather(1, mask.sum(1, keepdim=True) - 1).squeeze(1)
        score = self.start[tags[:, 0]] + at.sum(1) + moves.sum(1) + self.end[last]
        alpha = self.start + emissions[:, 0]  # (B, K)
        for t in range(1, emissions.shape[1]):
            step = torch.logsumexp(alpha[:, :, None] + self.transitions, 1) + emissions[:, t]
            alpha = torch.where(mask[:, t, None], step, alpha)
        return (torch.logsumexp(alpha + self.end, 1) - score).sum() / weight.sum()

    @torch.no_grad()
    def decode(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """The best tags (B, T) by Viterbi; 0 where mask is False."""
        delta, back = self.start + emissions[:, 0], []
        stay = torch.arange(emissions.shape[2], device=emissions.device).expand_as(delta)
        for t in range(1, emissions.shape[1]):
            best, source = (delta[:, :, None] + self.transitions).max(1)
            alive = mask[:, t, None]
            back.append(torch.where(alive, source, stay))
            delta = torch.where(alive, best + emissions[:, t], delta)
        tag = (delta + self.end).argmax(1)
        path = [tag]
        for source in reversed(back):
            tag = source.gather(1, tag[:, None]).squeeze(1)
            path.append(tag)
        return torch.stack(path[::-1], 1).masked_fill(~mask, 0)
