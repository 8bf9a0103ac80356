"""The one training loop: epochs of steps, each epoch validated, for every kind of task.

Nothing here waits for a GPU inside a step: losses are added up on the device and looked at every
``CHECK_EVERY`` steps.
"""

from __future__ import annotations

import itertools
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
from foretune.train.snapshot import Snapshot

if TYPE_CHECKING:
    from accelerate import Accelerator

REHEARSED = 4  # steps, and batches of validation, after one to warm up (taste)
REHEARSED_S = 5.0  # or fewer, where they take so long
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


class Training:
    """One trial's training, which can be put down after an epoch and taken up again.

    Args:
        network: On its device.
        training: What it learns from.
        validation: What it is measured on.
        params: The trial's parameters.
        config: How trials are trained.
        accelerator: Of this process.
        measure: The task's metrics.
        seed: Of the order of the rows.
        micro_batches: Parts that each batch is computed in; the gradient is the whole batch's, but
            for batch norms that learn: their statistics are a part's.
    """

    def __init__(
        self,
        network: Network,
        training: Feed,
        validation: Feed,
        *,
        params: TrialParams,
        config: TrainerConfig,
        accelerator: Accelerator,
        measure: Measure,
        seed: int,
        micro_batches: int = 1,
    ) -> None:
        self._training, self._validation = training, validation
        self._params, self._config, self._measure = params, config, measure
        self._accelerator, self._micro = accelerator, micro_batches
        self._rng = np.random.default_rng(derive_seed(seed, "order"))
        self._n_batches = math.ceil(len(training) / params.batch_size)
        per_epoch = math.ceil(self._n_batches / config.gradient_accumulation)
        optimiser = build_optimiser(network, params)
        self._schedule = build_schedule(optimiser, params, params.epochs * per_epoch)
        self._learning = [p for p in network.parameters() if p.requires_grad]
        self.network = network  # as it is, without what accelerate puts around it
        self._network, self._optimiser = accelerator.prepare(network, optimiser)
        self._done = 0

    def epochs(self) -> Iterator[Epoch]:
        """Train, giving each epoch when its validation is done; who has seen enough stops asking.

        Raises:
            TrialFailed: The loss is no longer finite.
        """
        for number in range(self._done + 1, self._params.epochs + 1):
            began = time.perf_counter()
            mean_loss = self._epoch(number)
            training_s = time.perf_counter() - began
            metrics = evaluate(
                self._network,
                self._validation,
                batch_size=self._config.eval_batch_size,
                measure=self._measure,
            )
            _check(metrics["eval_loss"], number, self._n_batches)
            self._done = number
            yield Epoch(number, {"train_loss": mean_loss, **metrics, "epoch": number}, training_s)

    def _epoch(self, number: int) -> float:
        """One pass over the training rows; its mean loss."""
        self._network.train()
        total = torch.zeros((), device=self._accelerator.device)
        batches = self._training.order(self._params.batch_size, self._rng)
        for step, index in enumerate(batches, start=1):
            self._step(step, index, total)
            if step % CHECK_EVERY == 0 or step == self._n_batches:
                _check(float(total), number, step)
        return float(total) / self._n_batches

    def _step(self, step: int, index: np.ndarray, total: torch.Tensor) -> None:
        """Learn from the rows ``index``, and add their loss to ``total``."""
        accelerator, every = self._accelerator, self._config.gradient_accumulation
        for part in np.array_split(index, min(self._micro, len(index))):
            batch, share = self._training.to_learn(part), len(part) / len(index)
            loss = self._training.unit.loss(self._network, self._network(batch), batch) * share
            accelerator.backward(loss / every)
            total += loss.detach()
        if step % every == 0 or step == self._n_batches:
            if self._config.max_grad_norm is not None:
                accelerator.clip_grad_norm_(self._learning, self._config.max_grad_norm)
            self._optimiser.step()
            self._schedule.step()
            self._optimiser.zero_grad(set_to_none=True)

    def rehearse(self) -> float:
        """Seconds that all epochs would take, from a few steps; what they teach is for nothing."""
        self._network.train()
        total, took = torch.zeros((), device=self._accelerator.device), []
        batches = self._training.order(self._params.batch_size, self._rng)
        for step, index in enumerate(itertools.islice(batches, 1 + REHEARSED), start=1):
            began = time.perf_counter()
            self._step(step, index, total)
            float(total)  # waits for a GPU
            took.append(time.perf_counter() - began)
            if sum(took) > REHEARSED_S:
                break
        self._network.eval()
        size, n_looks = self._config.eval_batch_size, 0
        began = time.perf_counter()
        with torch.no_grad():
            for _, batch in itertools.islice(self._validation.evaluation(size), REHEARSED):
                float(self._network(batch).float().sum())
                n_looks += 1
        look_s = (time.perf_counter() - began) / max(n_looks, 1)
        step_s = sum(took[1:] or took) / len(took[1:] or took)  # the first one warms up
        looks = math.ceil(len(self._validation) / size)
        return self._params.epochs * (self._n_batches * step_s + looks * look_s)

    def tensors(self) -> dict[str, torch.Tensor]:
        """What `restore` needs that is a tensor, after an epoch."""
        found = {f"weights/{name}": value for name, value in learnt(self.network).items()}
        for index, state in self._optimiser.state_dict()["state"].items():
            for name, value in state.items():
                if isinstance(value, torch.Tensor):
                    found[f"optimiser/{index}/{name}"] = value
        found["random/cpu"] = torch.get_rng_state()
        if self._accelerator.device.type == "cuda":
            found["random/cuda"] = torch.cuda.get_rng_state(self._accelerator.device)
        return found

    def plain(self) -> dict[str, Any]:
        """What `restore` needs that is none."""
        scaler = self._accelerator.scaler
        return {
            "epoch": self._done,
            "order": self._rng.bit_generator.state,
            "schedule": self._schedule.state_dict(),
            "lr": [group["lr"] for group in self._optimiser.param_groups],
            "scaler": None if scaler is None else scaler.state_dict(),
        }

    def restore(self, snapshot: Snapshot) -> None:
        """Go on as if the epochs of ``snapshot`` had been trained here.

        Raises:
            KeyError: It is of another network.
        """
        plain, weights = snapshot.plain, snapshot.part("weights")
        with torch.no_grad():
            for name, value in learnt(self.network).items():
                value.copy_(weights[name])
        state: dict[int, dict[str, torch.Tensor]] = {}
        for key, value in snapshot.part("optimiser").items():
            index, _, name = key.partition("/")
            like = self._learning_by_index(int(index))
            alike = value.shape == like.shape  # then in the parameter's own memory layout
            own = torch.empty_like(like).copy_(value) if alike else value
            state.setdefault(int(index), {})[name] = own
        groups = self._optimiser.state_dict()["param_groups"]
        self._optimiser.load_state_dict({"state": state, "param_groups": groups})
        self._schedule.load_state_dict(dict(plain["schedule"]))
        for group, lr in zip(self._optimiser.param_groups, plain["lr"], strict=True):
            group["lr"] = lr
        if plain["scaler"] is not None and self._accelerator.scaler is not None:
            self._accelerator.scaler.load_state_dict(plain["scaler"])
        self._rng.bit_generator.state = plain["order"]
        torch.set_rng_state(snapshot.tensors["random/cpu"])
        if "random/cuda" in snapshot.tensors:
            torch.cuda.set_rng_state(snapshot.tensors["random/cuda"], self._accelerator.device)
        self._done = int(plain["epoch"])

    def _learning_by_index(self, index: int) -> torch.Tensor:
        """The parameter that the optimiser's state counts as ``index``."""
        parameters = [p for group in self._optimiser.param_groups for p in group["params"]]
        found: torch.Tensor = parameters[index]
        return found


def learnt(network: Network) -> dict[str, torch.Tensor]:
    """What training changes, by name: parameters that learn, and buffers that are kept."""
    found = {name: p for name, p in network.named_parameters() if p.requires_grad}
    parameters = dict(network.named_parameters(remove_duplicate=False))
    state = network.state_dict(keep_vars=True)
    return {**found, **{name: value for name, value in state.items() if name not in parameters}}


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
