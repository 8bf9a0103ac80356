"""Words with a tag each: the tag is predicted at the word's first token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from foretune.train.ragged import Index, Ragged
from foretune.train.units.base import Batch, Output
from foretune.train.units.text_arrays import Tokens, plain_settings

if TYPE_CHECKING:
    from datasets import Dataset
    from torch import Tensor, nn
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class TagSplit:
    """Sentences as tokens.

    Attributes:
        tokens: Token ids with special tokens.
        words: Of each sentence, where each word's first token is; words cut off are missing.
        tags: Of each sentence, the tags of those words; empty where labels are absent.
        n_words: Words of each sentence before cutting (n,).
    """

    tokens: Tokens
    words: Ragged
    tags: Ragged | None
    n_words: Index

    @property
    def lengths(self) -> Index:
        """Length of each sentence in tokens."""
        return self.tokens.lengths

    @property
    def sequences(self) -> Ragged:
        """Token ids of every sentence."""
        return self.tokens.ids

    @property
    def parts(self) -> int:
        """One sequence an example."""
        return 1


@dataclass(frozen=True)
class TagUnit:
    """Token classification.

    Attributes:
        tokenizer: The model's tokenizer.
        max_length: Tokens a sentence; what is cut off is tagged ``outside``.
        outside: Id of the tag of words that are no entity.
    """

    tokenizer: PreTrainedTokenizerBase
    max_length: int
    outside: int

    def settings(self) -> dict[str, Any]:
        """All but the tokenizer, as plain values."""
        return plain_settings(self)

    def prepare(self, rows: Dataset) -> TagSplit:
        """Tokenise ``tokens`` word by word and take ``labels``.

        A word that the tokenizer makes nothing of (a lone control character) is read as unknown.
        """
        sentences: list[list[str]] = [list(words) for words in rows[:]["tokens"]]
        labels = rows[:]["labels"] if "labels" in rows.column_names else None
        flat = [word for words in sentences for word in words]
        pieces = self._pieces(flat)
        edges = self.tokenizer("")["input_ids"]
        head, tail = edges[: (len(edges) + 1) // 2], edges[(len(edges) + 1) // 2 :]
        room = self.max_length - len(edges)
        ids, words, tags, at = [], [], [], 0
        for number, sentence in enumerate(sentences):
            body: list[int] = []
            starts: list[int] = []
            for word in pieces[at : at + len(sentence)]:
                if len(body) + len(word) > room:
                    break
                starts.append(len(head) + len(body))
                body += word
            if not starts:  # one word longer than the room: its beginning
                starts, body = [len(head)], pieces[at][:room] if sentence else []
            ids.append(head + body + tail)
            words.append(starts)
            if labels is not None:
                tags.append(list(labels[number])[: len(starts)] or [self.outside])
            at += len(sentence)
        tokens = Tokens(Ragged.of(ids), None, 1, int(self.tokenizer.pad_token_id or 0))
        return TagSplit(
            tokens,
            Ragged.of(words),
            None if labels is None else Ragged.of(tags),
            np.asarray([len(sentence) for sentence in sentences]),
        )

    def _pieces(self, words: list[str]) -> list[list[int]]:
        """Token ids of each word, as the tokenizer splits it within a sentence."""
        if not words:
            return []
        # Byte-level tokenizers (RoBERTa's) mark a word within a sentence by the space before it.
        space = " " if getattr(self.tokenizer, "add_prefix_space", None) is False else ""
        encoded = self.tokenizer([space + word for word in words], add_special_tokens=False)
        unknown = int(self.tokenizer.unk_token_id or 0)
        return [piece or [unknown] for piece in encoded["input_ids"]]

    def collate(self, split: TagSplit, index: Index, *, inputs: bool) -> Batch:
        """Tokens; ``words`` (b, W), ``real`` (b, W) True at words, ``targets`` (b, W)."""
        import torch

        batch = split.tokens.collate(index, inputs=inputs)
        places, real = split.words.places(index)
        batch["words"] = torch.from_numpy(np.where(real, split.words.values[places], 0))
        batch["real"] = torch.from_numpy(real)
        if split.tags is not None:
            batch["targets"] = torch.from_numpy(split.tags.pad(index, fill=self.outside))
        return batch

    def augment(self, batch: Batch) -> Batch:
        """Sentences stay as they are."""
        return batch

    def loss(self, network: nn.Module, output: Tensor, batch: Batch) -> Tensor:
        """Mean loss over words, by the head: cross-entropy or the CRF's."""
        return network.head.loss(output, batch["targets"], batch["real"])  # type: ignore[operator,union-attr]

    def keep(self, network: nn.Module, output: Tensor, batch: Batch) -> Tensor:
        """The best tags (b, W)."""
        return network.head.decode(output, batch["real"])  # type: ignore[operator,union-attr]

    def predictions(self, outputs: Sequence[Output], split: TagSplit) -> list[list[int]]:
        """Tag ids of each sentence's words, as many as it has."""
        found: list[list[int]] = [[] for _ in range(len(split.n_words))]
        kept_words = split.words.lengths
        for index, tags in outputs:
            for row, best in zip(index, tags, strict=True):
                n, kept = (
                    int(split.n_words[row]),
                    min(int(kept_words[row]), int(split.n_words[row])),
                )
                found[row] = [int(tag) for tag in best[:kept]] + [self.outside] * (n - kept)
        return found

    def references(self, rows: Dataset) -> list[list[int]]:
        """The labels."""
        return [list(tags) for tags in rows[:]["labels"]]
