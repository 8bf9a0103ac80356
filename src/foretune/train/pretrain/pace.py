"""How far is a stage? The larger share of its steps and of its seconds; rates fall with it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from foretune.config.schema.pool import StageConfig
from foretune.core import TrialFailed

WARMUP = 0.06  # of the steps (RoBERTa's)
WEIGHT_DECAY = 0.01
MAX_NORM = 1.0
SAID_EVERY = 20  # steps

Batch = dict[str, Tensor]
OnStep = Callable[[int, float], None]


@dataclass(frozen=True)
class Ran:
    """What a stage came to: steps, seconds, and the mean loss of its last tenth."""

    steps: int
    seconds: float
    loss: float


def run_steps(
    network: nn.Module,
    batches: Iterable[Batch],
    loss_of: Callable[[Batch], Tensor],
    *,
    stage: StageConfig,
    steps: int,
    seconds: float,
    on_step: OnStep,
) -> Ran:
    """Train on endless ``batches`` until the steps or the seconds have run out.

    Raises:
        TrialFailed: The loss is no longer finite.
    """
    network.train()
    learning = [p for p in network.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(
        [
            {"params": [p for p in learning if p.ndim > 1], "weight_decay": WEIGHT_DECAY},
            {"params": [p for p in learning if p.ndim <= 1], "weight_decay": 0.0},
        ],
        lr=stage.lr,
        fused=True,
    )
    began = time.monotonic()
    losses: list[Tensor] = []
    for step, batch in enumerate(batches):
        done, spent = step / steps, (time.monotonic() - began) / seconds
        if spent > (step + 1) / steps:  # too slow for all steps; else the clock changes nothing
            done = spent
        if step >= steps or (done >= 1 and step):
            break
        for group in optimiser.param_groups:
            group["lr"] = stage.lr * _share(step / max(1, steps), done)
        loss = loss_of(batch)
        loss.backward()
        nn.utils.clip_grad_norm_(learning, MAX_NORM)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        losses.append(loss.detach())
        if step % SAID_EVERY == 0:
            value = float(losses[-1])
            if not math.isfinite(value):
                raise TrialFailed(f"the loss is {value} by step {step}: lower the stage's lr")
            on_step(step, value)
    last = torch.stack(losses[-max(1, len(losses) // 10) :]).mean()
    if not math.isfinite(float(last)):
        raise TrialFailed(f"the loss is {float(last)} at the end: lower the stage's lr")
    return Ran(len(losses), time.monotonic() - began, float(last))


def _share(of_steps: float, done: float) -> float:
    """The learning rate over its peak: a short rise, then straight down to 0."""
    return min(1.0, (of_steps + 0.002) / WARMUP) * max(0.0, 1.0 - done)
