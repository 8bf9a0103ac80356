"""How a finished member lies on disk.

model.safetensors   weights
config.json         transformers' configuration, or what builds a BiLSTM or one of timm's models
tokenizer files     text members
head.safetensors    the layers that tell its source task's classes, where it has one
card.yaml           its card, with how it came about
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import yaml
from safetensors.torch import save_file

from foretune.config.schema.model import ModelCard
from foretune.core import TaskInfo, TaskKind
from foretune.train.cards import card_as_dict
from foretune.train.models.checkpoint import WEIGHTS
from foretune.train.models.text_base import BILSTM, TextBase, quiet
from foretune.train.params import TrialParams
from foretune.train.pool import CARD, weights_digest
from foretune.train.source_head import HEAD
from foretune.train.workshop import Base, build_network

if TYPE_CHECKING:
    from foretune.train.pretrain.learner import Head

STEP_ROWS, STEP_TOKENS, STEPS = 16, 128, 3


def write_member(folder: Path, card: ModelCard, base: Base, head: Head | None) -> ModelCard:
    """Write a member beside its place and move it there whole; the card as it was written.

    A broken folder in its place is replaced, a file is never left half written.
    """
    part = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        _write_weights(part, card, base)
        if head is not None:
            save_file(head.state, part / HEAD, metadata={"format": "pt"})
        card.revision = weights_digest(part / WEIGHTS)
        card.disk_mb = round((part / WEIGHTS).stat().st_size / 2**20, 2)
        content = card_as_dict(card)
        text = f"# python -m src.main task=TASK model={card.name}\n"
        text += yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
        (part / CARD).write_text(text, encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        part.replace(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return card


def measure_step(card: ModelCard, base: Base, device: torch.device) -> tuple[float, str]:
    """Seconds of a forward and backward pass over 16 rows, and what they were measured on."""
    image = not isinstance(base, TextBase)
    kind = TaskKind.IMAGE_CLASSIFICATION if image else TaskKind.TEXT_CLASSIFICATION
    info = TaskInfo(
        card.name, card.name, kind, "accuracy", ("accuracy",), True, ("a", "b"), "", "", False, ""
    )
    params = TrialParams(model=card.name, layers=card.depth)
    network = build_network(base, card, info, params, parts=1, load=True).to(device).train()
    generator = torch.Generator().manual_seed(0)
    if isinstance(base, TextBase):
        size = (STEP_ROWS, STEP_TOKENS)
        batch = {
            "ids": torch.randint(5, len(base.tokenizer), size, generator=generator),
            "mask": torch.ones(size, dtype=torch.long),
        }
    else:
        size4 = (STEP_ROWS, 3, card.input_size, card.input_size)
        batch = {"pixels": torch.randint(256, size4, generator=generator, dtype=torch.uint8)}
    batch = {name: value.to(device) for name, value in batch.items()}
    seconds = []
    for _ in range(STEPS):
        began = time.perf_counter()
        network(batch).float().sum().backward()
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - began)
    where = (
        torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else f"{device.type}, {torch.get_num_threads()} threads"
    )
    return round(statistics.median(seconds), 4), where


def _write_weights(part: Path, card: ModelCard, base: Base) -> None:
    if not isinstance(base, TextBase):
        save_file(base, part / WEIGHTS, metadata={"format": "pt"})
        _write_config(part, {"architecture": card.architecture["name"], "num_classes": 0})
        return
    base.tokenizer.save_pretrained(str(part))
    if base.config is None:
        save_file(base.state, part / WEIGHTS, metadata={"format": "pt"})
        _write_config(part, {"model_type": BILSTM, **card.architecture, "layers": card.depth})
        return
    from transformers import AutoModel

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # of the pooler, which nothing here has taught
        model = AutoModel.from_config(base.config)
    model.load_state_dict(base.state, strict=False)
    with quiet():
        model.save_pretrained(str(part))


def _write_config(part: Path, content: dict[str, Any]) -> None:
    (part / "config.json").write_text(json.dumps(content, indent=1), encoding="utf-8")
