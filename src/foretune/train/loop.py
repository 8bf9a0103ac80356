"""The one training loop: epochs of steps, each epoch validated, for every kind of task.

Nothing here waits for a GPU inside a step: losses are added up on the device and looked at every
``CHECK_EVERY`` steps.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from foretune.config.schema.trainer import TrainerConfig
from foretune.core import TrialFailed, derive_seed
from foretune.train.feed import Feed
from foretune.train.models.network import Network
from foretune.train.optim import build_optimiser, build_schedule
from foretune.train.params import TrialParams

if TYPE_CHECKING:
    from accelerate import Accelerator

CHECK_EVERY = 25  # steps; a diverged trial stops soon, and a GPU waits once in as many steps

Measure = Callable[[list[Any]], Mapping[str, float]]
"""Turns a split's predictions into the task's metrics."""


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to.

    Attributes:
        number: From 1.
        metrics: ``train_loss`` and validation's ``eval_*``.
        training_s: Seconds of its training alone.
    """

    number: int
    metrics: Mapping[str, float]
    training_s: float


def train(
    network: Network,
    training: Feed,
    validation: Feed,
    *,
    params: TrialParams,
    config: TrainerConfig,
    accelerator: Accelerator,
    measure: Measure,
    seed: int,
) -> Iterator[Epoch]:
    """Train, giving each epoch when its validation is done; who has seen enough stops asking.

    Raises:
        TrialFailed: The loss is no longer finite.
    """
    rng = np.random.default_rng(derive_seed(seed, "order"))
    n_batches = math.ceil(len(training) / params.batch_size)
    per_epoch = math.ceil(n_batches / config.gradient_accumulation)
    optimiser = build_optimiser(network, params)
    schedule = build_schedule(optimiser, params, params.epochs * per_epoch)
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    network, optimiser = accelerator.prepare(network, optimiser)
    for number in range(1, params.epochs + 1):
        began = time.perf_counter()
        network.train()
        total = torch.zeros((), device=accelerator.device)
        for step, batch in enumerate(training.training(params.batch_size, rng), start=1):
            loss = training.unit.loss(network, network(batch), batch)
            accelerator.backward(loss / config.gradient_accumulation)
            total += loss.detach()
            if step % config.gradient_accumulation == 0 or step == n_batches:
                if config.max_grad_norm is not None:
                    accelerator.clip_grad_norm_(learning, config.max_grad_norm)
                optimiser.step()
                schedule.step()
                optimiser.zero_grad(set_to_none=True)
            if step % CHECK_EVERY == 0 or step == n_batches:
                _check(float(total), number, step)
        training_s = time.perf_counter() - began
        metrics = evaluate(network, validation, batch_size=config.eval_batch_size, measure=measure)
        _check(metrics["eval_loss"], number, n_batches)
        mean_loss = float(total) / n_batches
        yield Epoch(number, {"train_loss": mean_loss, **metrics, "epoch": number}, training_s)


@torch.no_grad()
def evaluate(
    network: Network, feed: Feed, *, batch_size: int, measure: Measure
) -> dict[str, float]:
    """Loss and the task's metrics on a split, under the usual ``eval_`` names."""
    began = time.perf_counter()
    network.eval()
    total = torch.zeros((), device=feed.device)
    outputs: list[tuple[Any, torch.Tensor]] = []
    for index, batch in feed.evaluation(batch_size):
        output = network(batch).float()
        total += feed.unit.loss(network, output, batch) * len(index)
        outputs.append((index, feed.unit.keep(network, output, batch)))
    kept = [(index, values.cpu().numpy()) for index, values in outputs]
    metrics = measure(feed.unit.predictions(kept, feed.split))
    seconds = time.perf_counter() - began
    return {
        "eval_loss": float(total) / len(feed),
        **{f"eval_{name}": float(value) for name, value in metrics.items()},
        "eval_runtime": seconds,
        "eval_samples_per_second": len(feed) / seconds,
    }


@torch.no_grad()
def predict(network: Network, feed: Feed, *, batch_size: int) -> list[Any]:
    """A prediction for each row of a split."""
    network.eval()
    outputs: Sequence[tuple[Any, torch.Tensor]] = [
        (index, feed.unit.keep(network, network(batch).float(), batch))
        for index, batch in feed.evaluation(batch_size)
    ]
    kept = [(index, values.cpu().numpy()) for index, values in outputs]
    return feed.unit.predictions(kept, feed.split)


def _check(loss: float, epoch: int, step: int) -> None:
    if not math.isfinite(loss):
        raise TrialFailed(
            f"the loss is {loss} by step {step} of epoch {epoch}; a smaller learning rate or"
            " gradient clipping may help"
        )
