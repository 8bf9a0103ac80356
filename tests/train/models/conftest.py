"""A small checkpoint on disk."""

import pytest

from foretune.train import load_cards
from foretune.train.models.text_base import load_text_base


@pytest.fixture(scope="module")
def saved(tmp_path_factory, conf):
    """A small transformers checkpoint on disk, as save_pretrained leaves it."""
    from transformers import AutoModel

    folder = tmp_path_factory.mktemp("checkpoint")
    base = load_text_base(load_cards(conf, ["bert_tiny"])["bert_tiny"], ["a lovely awful film"])
    model = AutoModel.from_config(base.config)
    model.load_state_dict(base.state)
    model.save_pretrained(folder)
    base.tokenizer.save_pretrained(folder)
    return folder
