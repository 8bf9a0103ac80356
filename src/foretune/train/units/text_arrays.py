"""How texts become token ids: tokenised once, cut to length, stacked into batches."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np

from foretune.config.schema.trainer import Truncation
from foretune.train.ragged import Index, Ragged

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

HEAD_SHARE = 4  # head_tail keeps a quarter head (Sun et al., 2019, keep 128 + 382 of 512)


@dataclass(frozen=True)
class Tokens:
    """Token ids and, where a model reads them, token types; ``parts`` sequences an example."""

    ids: Ragged
    types: Ragged | None
    parts: int
    pad_id: int

    @property
    def lengths(self) -> Index:
        """Length of each example: of its longest sequence."""
        return self.ids.lengths.reshape(self.parts, -1).max(0)

    def rows(self, index: Index) -> Index:
        """The sequences of some examples: all first parts, then all second ones."""
        n = len(self.ids) // self.parts
        return np.concatenate([index + part * n for part in range(self.parts)])

    def collate(self, index: Index, *, inputs: bool) -> dict[str, Tensor]:
        """Inputs of some examples: ids, mask and types, each (parts x b, longest)."""
        import torch

        rows = self.rows(index)
        places, real = self.ids.places(rows)
        batch = {"mask": torch.from_numpy(real.astype(np.int64))}
        if inputs:
            batch["ids"] = torch.from_numpy(np.where(real, self.ids.values[places], self.pad_id))
            if self.types is not None:
                batch["types"] = torch.from_numpy(self.types.pad(rows, fill=0))
        return batch


def tokenise(
    texts: Sequence[str],
    pairs: Sequence[str] | None,
    *,
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    truncation: Truncation,
    separate: bool,
) -> Tokens:
    """Texts, or pairs of them, as token ids of at most ``max_length`` with special tokens.

    A single text is cut as ``truncation`` says. A joint pair loses from the end of its longer text.

    Args:
        texts: One text a row.
        pairs: A second text a row; None: there are none.
        tokenizer: A fast tokenizer.
        max_length: Tokens a sequence.
        truncation: What is kept of a longer text.
        separate: Read the two texts of a pair as sequences of their own.
    """
    pad_id = int(tokenizer.pad_token_id or 0)
    if pairs is not None and not separate:
        encoded = tokenizer(list(texts), list(pairs), truncation=True, max_length=max_length)
        types = encoded.get("token_type_ids") if "token_type_ids" in _inputs(tokenizer) else None
        return Tokens(
            Ragged.of(encoded["input_ids"]), None if types is None else Ragged.of(types), 1, pad_id
        )
    every = [*texts, *(pairs or ())]
    empty = tokenizer("")["input_ids"]  # the special tokens alone: [CLS], [SEP]
    head, tail = empty[: (len(empty) + 1) // 2], empty[(len(empty) + 1) // 2 :]
    room = max_length - len(empty)
    bodies = tokenizer(every, add_special_tokens=False, verbose=False)["input_ids"]
    ids = Ragged.of([head + _cut(body, room, truncation) + tail for body in bodies])
    return Tokens(ids, None, 1 if pairs is None else 2, pad_id)


def plain_settings(unit: Any) -> dict[str, Any]:
    """The fields of a unit but its tokenizer, as values that JSON knows."""
    fields = {field.name: getattr(unit, field.name) for field in dataclasses.fields(unit)}
    fields.pop("tokenizer", None)
    return {
        name: value.value if isinstance(value, Enum) else value for name, value in fields.items()
    }


def _cut(body: list[int], room: int, truncation: Truncation) -> list[int]:
    if len(body) <= room:
        return body
    first = room // HEAD_SHARE if truncation is Truncation.head_tail else room
    return body[:first] + body[len(body) - (room - first) :] if first < room else body[:room]


def _inputs(tokenizer: PreTrainedTokenizerBase) -> Sequence[str]:
    return tokenizer.model_input_names
