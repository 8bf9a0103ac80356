"""How are words cut into pieces? A tokenizer of each encoder's own kind, learnt from texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from foretune.config.schema.pool import Pieces, RecipeConfig
from foretune.train.models.text_base import train_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MOST_CHARACTERS = 2_000_000
LONGEST = 512  # tokens that a member can read
WITHOUT_TYPES = ("roberta", "distilbert", "bilstm")  # encoders that know no token types


def learn_pieces(texts: Sequence[str], recipe: RecipeConfig) -> PreTrainedTokenizerBase:
    """A fast tokenizer of at most ``recipe.vocabulary`` pieces, by tokenizers' own trainers.

    WordPiece as BERT has it, byte-level BPE as RoBERTa, Unigram as ALBERT. Of long corpora a random
    part is enough.
    """
    texts = _part(texts)
    if recipe.pieces is Pieces.wordpiece:
        tokenizer = train_tokenizer(texts, recipe.vocabulary)
    elif recipe.pieces is Pieces.byte_bpe:
        tokenizer = _byte_bpe(texts, recipe.vocabulary)
    else:
        tokenizer = _unigram(texts, recipe.vocabulary)
    if recipe.encoder in WITHOUT_TYPES:
        tokenizer.model_input_names = ["input_ids", "attention_mask"]
    return tokenizer


def _part(texts: Sequence[str]) -> list[str]:
    """Random texts of at most about ``MOST_CHARACTERS`` together."""
    shuffled = [texts[row] for row in np.random.default_rng(0).permutation(len(texts))]
    ends = np.cumsum([len(text) for text in shuffled])
    return shuffled[: int(np.searchsorted(ends, MOST_CHARACTERS)) + 1]


def _byte_bpe(texts: Sequence[str], vocabulary: int) -> PreTrainedTokenizerBase:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=True
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=LONGEST,
        pad_token="<pad>",
        unk_token="<unk>",
        cls_token="<s>",
        sep_token="</s>",
        mask_token="<mask>",
    )


def _unigram(texts: Sequence[str], vocabulary: int) -> PreTrainedTokenizerBase:
    from tokenizers import (
        Tokenizer,
        decoders,
        models,
        normalizers,
        pre_tokenizers,
        processors,
        trainers,
    )
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=vocabulary,
        special_tokens=["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"],
        unk_token="<unk>",
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    ids = {token: tokenizer.token_to_id(token) for token in ("[CLS]", "[SEP]")}
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=list(ids.items()),
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=LONGEST,
        pad_token="<pad>",
        unk_token="<unk>",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )
