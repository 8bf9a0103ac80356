"""Questions on a context: where the answer starts and ends.

A long context is read in windows that overlap; each window is an example, and a question's answer
is the best span of all its windows. A window without the answer points at its first token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from foretune.train.ragged import Index, Ragged
from foretune.train.units.base import Batch, Output
from foretune.train.units.text_arrays import Tokens, plain_settings

if TYPE_CHECKING:
    from datasets import Dataset
    from torch import Tensor, nn
    from transformers import PreTrainedTokenizerBase

N_BEST = 20  # starts and ends that are combined, as in the SQuAD baselines
LONGEST_ANSWER = 30  # tokens, likewise


@dataclass(frozen=True)
class AnswerSplit:
    """Windows on contexts.

    Attributes:
        tokens: Token ids of each window: question, then a stretch of the context.
        context: Of each window, where the context's tokens begin and end (windows, 2).
        characters: Of each token, where it begins and ends in the context (all tokens, 2).
        spans: Of each window, the answer's first and last token (windows, 2); None: no labels.
        rows: Which row each window is of (windows,).
        contexts: The context of each row.
    """

    tokens: Tokens
    context: Index
    characters: Index
    spans: Index | None
    rows: Index
    contexts: Sequence[str]

    @property
    def lengths(self) -> Index:
        """Length of each window in tokens."""
        return self.tokens.lengths

    @property
    def sequences(self) -> Ragged:
        """Token ids of every window."""
        return self.tokens.ids

    @property
    def parts(self) -> int:
        """One sequence an example."""
        return 1


@dataclass(frozen=True)
class AnswerUnit:
    """Question answering by spans.

    Attributes:
        tokenizer: The model's tokenizer.
        max_length: Tokens a window.
        stride: Tokens that two windows share.
    """

    tokenizer: PreTrainedTokenizerBase
    max_length: int
    stride: int

    def settings(self) -> dict[str, Any]:
        """All but the tokenizer, as plain values."""
        return plain_settings(self)

    def prepare(self, rows: Dataset) -> AnswerSplit:
        """Tokenise ``question`` and ``context`` into windows and find ``answers`` in them."""
        questions = [question.strip() for question in rows[:]["question"]]
        contexts = rows[:]["context"]
        encoded = self.tokenizer(
            questions,
            contexts,
            truncation="only_second",
            max_length=self.max_length,
            stride=self.stride,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
            return_token_type_ids=True,
        )
        which = np.asarray(encoded["overflow_to_sample_mapping"], dtype=np.int64)
        bounds = []
        for window in range(len(which)):
            at = [place for place, part in enumerate(encoded.sequence_ids(window)) if part == 1]
            bounds.append((at[0], at[-1] + 1) if at else (0, 1))
        context = np.asarray(bounds, dtype=np.int64).reshape(-1, 2)
        characters = np.concatenate(
            [np.asarray(pairs, dtype=np.int64) for pairs in encoded["offset_mapping"]]
        )
        types = None
        if "token_type_ids" in self.tokenizer.model_input_names:
            types = Ragged.of(encoded["token_type_ids"])
        tokens = Tokens(
            Ragged.of(encoded["input_ids"]), types, 1, int(self.tokenizer.pad_token_id or 0)
        )
        split = AnswerSplit(tokens, context, characters, None, which, contexts)
        if "answers" not in rows.column_names:
            return split
        spans = _spans(split, rows[:]["answers"])
        return AnswerSplit(tokens, context, characters, spans, which, contexts)

    def collate(self, split: AnswerSplit, index: Index, *, inputs: bool) -> Batch:
        """Tokens; ``context`` (b, T) True at its tokens and the first; ``spans`` (b, 2)."""
        import torch

        batch = split.tokens.collate(index, inputs=inputs)
        steps = np.arange(batch["mask"].shape[1])
        first, last = split.context[index, 0, None], split.context[index, 1, None]
        batch["context"] = torch.from_numpy(((steps >= first) & (steps < last)) | (steps == 0))
        if split.spans is not None:
            batch["spans"] = torch.from_numpy(split.spans[index])
        return batch

    def augment(self, batch: Batch) -> Batch:
        """Texts stay as they are."""
        return batch

    def loss(self, network: nn.Module, output: Tensor, batch: Batch) -> Tensor:
        """Mean of the cross-entropies of start and end over the window's context."""
        from torch.nn import functional

        scores = output.masked_fill(~batch["context"][..., None], -1e4)
        return functional.cross_entropy(scores, batch["spans"])

    def keep(self, network: nn.Module, output: Tensor, batch: Batch) -> Tensor:
        """Start and end scores (b, T, 2)."""
        return output

    def predictions(self, outputs: Sequence[Output], split: AnswerSplit) -> list[str]:
        """Each row's best span of all its windows, as text."""
        best: list[tuple[float, str]] = [(-np.inf, "")] * len(split.contexts)
        for index, scores in outputs:
            for window, score in zip(index, scores, strict=True):
                row = int(split.rows[window])
                value, first, last = _best_span(score, *split.context[window])
                if value > best[row][0]:
                    at = split.tokens.ids.offsets[window]
                    begin = split.characters[at + first, 0]
                    end = split.characters[at + last, 1]
                    best[row] = (value, split.contexts[row][begin:end])
        return [text for _, text in best]

    def references(self, rows: Dataset) -> list[list[str]]:
        """Of each question, the texts that count as right."""
        return [list(answers["text"]) for answers in rows[:]["answers"]]


def _best_span(scores: npt.NDArray[np.float32], begin: int, end: int) -> tuple[float, int, int]:
    """The best span in tokens [begin, end): its score over the first token's, start, last token.

    Windows are compared by how much better their best span is than "not here".
    """
    starts, ends = scores[begin:end, 0], scores[begin:end, 1]
    first = np.argsort(-starts, kind="stable")[:N_BEST]
    last = np.argsort(-ends, kind="stable")[:N_BEST]
    values = starts[first][:, None] + ends[last][None]
    length = last[None] - first[:, None]
    values = np.where((length >= 0) & (length < LONGEST_ANSWER), values, -np.inf)
    if not np.isfinite(values).any():
        top = int(first[0])
        return float(starts[top] + ends[top] - scores[0].sum()), begin + top, begin + top
    row, column = np.unravel_index(int(values.argmax()), values.shape)
    value = float(values[row, column] - scores[0].sum())
    return value, begin + int(first[row]), begin + int(last[column])


def _spans(split: AnswerSplit, answers: Sequence[dict[str, Any]]) -> Index:
    """The first and last token (windows, 2) of each window's first answer; 0, 0 if not in it."""
    spans = np.zeros((len(split.rows), 2), dtype=np.int64)
    offsets = split.tokens.ids.offsets
    for window, row in enumerate(split.rows):
        answer = answers[row]
        if not len(answer["text"]):
            continue
        begin = int(answer["answer_start"][0])
        end = begin + len(answer["text"][0])
        first, last = split.context[window]
        characters = split.characters[offsets[window] + first : offsets[window] + last]
        if not len(characters) or characters[0, 0] > begin or characters[-1, 1] < end:
            continue
        inside = np.flatnonzero((characters[:, 1] > begin) & (characters[:, 0] < end))
        if len(inside):
            spans[window] = first + inside[0], first + inside[-1]
    return spans
