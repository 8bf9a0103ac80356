"""A text checkpoint as every trial starts from it: configuration, weights, tokenizer."""

from __future__ import annotations

import contextlib
import json
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foretune.config.schema.model import Library, ModelCard, Source
from foretune.core import ModelError
from foretune.train.models.checkpoint import locate, read_weights

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

# A folder may bring code of its own; transformers would ask whether to run it.
LOCAL: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
SCRATCH_VOCABULARY = 4096
BILSTM = "foretune_bilstm"  # model_type of a pretrained BiLSTM, in its config.json
SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
DROPOUTS = ("hidden_dropout_prob", "dropout", "resid_pdrop")
ATTENTION_DROPOUTS = ("attention_probs_dropout_prob", "attention_dropout")


@dataclass(frozen=True)
class TextBase:
    """What trials of one text model share.

    Attributes:
        card: Its card.
        tokenizer: Fast tokenizer.
        config: transformers' configuration; None where the encoder is not transformers'.
        state: Weights of the encoder by name; of a BiLSTM ``embeddings`` alone, or with a
            pretrained one's own; never changed.
    """

    card: ModelCard
    tokenizer: PreTrainedTokenizerBase
    config: PreTrainedConfig | None
    state: dict[str, torch.Tensor]

    @property
    def pad_id(self) -> int:
        """The padding token's id."""
        return int(self.tokenizer.pad_token_id or 0)


def load_text_base(card: ModelCard, corpus: Sequence[str]) -> TextBase:
    """Load a checkpoint; from scratch: train a tokenizer on ``corpus`` and draw weights.

    Weights from scratch are drawn once with a fixed seed, as a checkpoint would be: what a trial's
    own seed varies is the head, the order and the dropout.

    Raises:
        ModelError: The checkpoint cannot be had or is not what the card says.
    """
    if card.source is Source.scratch:
        tokenizer = train_tokenizer(corpus)
        config = None
        if card.library is Library.transformers:
            config = scratch_config(card, tokenizer)
        return TextBase(card, tokenizer, config, _drawn(card, config, len(tokenizer)))
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoTokenizer

    folder = locate(card)
    if card.library is Library.bilstm and _model_type(folder) == BILSTM:
        return _pretrained_bilstm(card, folder)
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), **LOCAL)
        config = AutoConfig.from_pretrained(str(folder), **LOCAL)
        model = _pretrained(folder)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise _not_loading(card, folder, error) from error
    if not tokenizer.is_fast:
        raise ModelError(f"model {card.name}: expected a fast tokenizer, {folder} has a slow one")
    if card.library is Library.bilstm:
        embeddings: Any = model.get_input_embeddings()
        table = embeddings.weight.detach().clone()
        return TextBase(card, tokenizer, None, {"embeddings": table})
    return TextBase(card, tokenizer, config, model.state_dict())


def _pretrained_bilstm(card: ModelCard, folder: Path) -> TextBase:
    from safetensors import SafetensorError
    from transformers import PreTrainedTokenizerFast

    try:
        state = read_weights(folder)
        tokenizer = PreTrainedTokenizerFast.from_pretrained(str(folder), **LOCAL)
    except (OSError, ValueError, SafetensorError) as error:
        raise _not_loading(card, folder, error) from error
    return TextBase(card, tokenizer, None, state)


def _model_type(folder: Path) -> str:
    try:
        return str(json.loads((folder / "config.json").read_text(encoding="utf-8"))["model_type"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _not_loading(card: ModelCard, folder: Path, error: Exception) -> ModelError:
    return ModelError(
        f"model {card.name}: expected a transformers checkpoint in {folder}, it does not load:"
        f" {str(error).splitlines()[0]}"
    )


def with_dropout(config: PreTrainedConfig, dropout: float, *, layers: int) -> PreTrainedConfig:
    """A copy of ``config`` with ``layers`` layers and dropout of the hidden states.

    Attention's own dropout is 0: it moves little, and without it attention takes torch's fused
    kernel on every device (a training step of 16 x 128 tokens on a CPU: 0.95 s instead of 1.10).
    """
    import copy

    changed = copy.deepcopy(config)
    changed.num_hidden_layers = layers
    for names, value in ((DROPOUTS, dropout), (ATTENTION_DROPOUTS, 0.0)):
        for name in names:
            if isinstance(getattr(changed, name, None), int | float):
                setattr(changed, name, value)
    return changed


def train_tokenizer(
    corpus: Sequence[str], vocabulary: int = SCRATCH_VOCABULARY
) -> PreTrainedTokenizerBase:
    """A WordPiece tokenizer of at most ``vocabulary`` pieces learnt from ``corpus``.

    The same from the same corpus in every process. By itself the trainer numbers the pieces inside
    words in the order of a hash table with a random seed, and breaks ties by these numbers: so
    they are given to it in order, as special tokens, which the tokenizer then made has not.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    def empty(model: models.WordPiece) -> Tokenizer:
        tokenizer = Tokenizer(model)
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        return tokenizer

    normalise = normalizers.BertNormalizer(lowercase=True).normalize_str
    inside = set().union(*map(normalise, corpus)) - set(string.whitespace + string.punctuation)
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary,
        special_tokens=[*SPECIAL_TOKENS, *(f"##{char}" for char in sorted(inside))],
        show_progress=False,
    )
    trained = empty(models.WordPiece(unk_token="[UNK]"))
    trained.train_from_iterator(corpus, trainer)
    tokenizer = empty(models.WordPiece(trained.get_vocab(), unk_token="[UNK]"))
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    ids = {token: tokenizer.token_to_id(token) for token in ("[CLS]", "[SEP]")}
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=list(ids.items()),
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=512,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )


def scratch_config(card: ModelCard, tokenizer: PreTrainedTokenizerBase) -> PreTrainedConfig:
    """Transformers' configuration of a card from scratch."""
    from transformers import AutoConfig

    fields: dict[str, Any] = dict(card.architecture)
    return AutoConfig.for_model(
        fields.pop("model_type"),
        vocab_size=len(tokenizer),
        pad_token_id=tokenizer.pad_token_id,
        **fields,
    )


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Transformers without its reports and bars."""
    from transformers.utils import logging as transformers_logging

    level = transformers_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(level)
        if bars:
            transformers_logging.enable_progress_bar()


def _pretrained(folder: Path) -> PreTrainedModel:
    """The encoder, without transformers' report on the heads that it leaves out."""
    from transformers import AutoModel

    with quiet():
        return AutoModel.from_pretrained(str(folder), use_safetensors=True, **LOCAL)


def _drawn(
    card: ModelCard, config: PreTrainedConfig | None, vocabulary: int
) -> dict[str, torch.Tensor]:
    import torch
    from transformers import AutoModel

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if config is not None:
            return AutoModel.from_config(config).state_dict()
        width = int(card.architecture.get("embedding", card.hidden))
        return {"embeddings": torch.randn(vocabulary, width) * 0.1}
