"""Which parameters learn how fast, by which optimiser, on which schedule."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from foretune.train.params import TrialParams

MOMENTUM = 0.9


def build_optimiser(network: nn.Module, params: TrialParams) -> Optimizer:
    """The optimiser over all that learns.

    The head, and the LSTM of a BiLSTM, which is as new, learn ``head_lr_multiplier`` times as fast.
    Norms, biases and embeddings' one-dimensional parameters have no weight decay.
    """
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            new = name.startswith("head.") or ".lstm." in name
            groups.setdefault((new, parameter.ndim > 1), []).append(parameter)
    settings = [
        {
            "params": parameters,
            "lr": params.lr * (params.head_lr_multiplier if new else 1.0),
            "weight_decay": params.weight_decay if decays else 0.0,
        }
        for (new, decays), parameters in sorted(groups.items())
    ]
    makers: dict[str, Callable[..., Optimizer]] = {
        "adamw": torch.optim.AdamW,
        "adam": torch.optim.Adam,
        "sgd": torch.optim.SGD,
        "rmsprop": torch.optim.RMSprop,
    }
    extra: dict[str, Any] = {"sgd": {"momentum": MOMENTUM, "fused": True}, "rmsprop": {}}.get(
        params.optimiser, {"fused": True}
    )
    return makers[params.optimiser](settings, lr=params.lr, **extra)


def build_schedule(optimiser: Optimizer, params: TrialParams, n_steps: int) -> LambdaLR:
    """Rise over the first ``warmup`` of ``n_steps`` steps, then as ``schedule`` says."""
    rise = round(params.warmup * n_steps)

    def factor(step: int) -> float:
        if step < rise:
            return (step + 1) / (rise + 1)
        done = (step - rise) / max(1, n_steps - rise)
        if params.schedule == "linear":
            return max(0.0, 1.0 - done)
        if params.schedule == "cosine":
            return 0.5 * (1.0 + math.cos(math.pi * min(1.0, done)))
        return 1.0

    return LambdaLR(optimiser, factor)
