"""How is the deep kernel meta-trained? In episodes and by the marginal likelihood, in turn."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from foretune.meta.context import MODEL_PARAM, Context
from foretune.meta.gp import cholesky, condition, log_density, log_marginal_likelihood
from foretune.meta.network import DeepKernel, Features
from foretune.meta.settings import MetaSettings
from foretune.meta.tasks import Tasks

_TASKS_PER_STEP = 8
_WEIGHT_DECAY = 1e-2
_MAX_GRADIENT = 1.0
_KERNEL_LR = 10.0  # the kernel's few numbers learn ten times as fast as the many weights
_CALIBRATION_SHARE = 0.15  # of the steps, after training
_CALIBRATION_LR = 0.03
_MIN_TO_LEAVE_OUT = 4
_LEFT_OUT = 5  # one in so many tasks is left out of a member's training, to calibrate it
_DROP = 0.5  # descriptors must help, not carry: half of the batches go without them


@dataclass(frozen=True)
class Batches:
    """Every task's points padded to one length, as float32 tensors.

    Attributes:
        X: (t, n, d) encoded configurations.      context: (t, n, c) descriptors.
        u: (t, n) normalised scores, 0 in padding.      sizes: (t,) real points.
        groups: (d,) parameter of each column.
        model_columns: (start, stop) of the one-hot columns of parameter ``model``.
        weights: (t,) how much each task counts.
    """

    X: Tensor
    context: Tensor
    u: Tensor
    sizes: np.ndarray
    groups: Tensor
    model_columns: tuple[int, int]
    weights: np.ndarray

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """All that training sees."""
        tensors = (self.X, self.context, self.u, self.groups)
        return (*(t.numpy() for t in tensors), self.sizes, self.weights)

    @classmethod
    def of(cls, tasks: Tasks, context: Context) -> Batches:
        """Encode and pad."""
        codec = tasks.codec
        sizes = np.array([len(t.u) for t in tasks.tasks])
        shape = (len(sizes), int(sizes.max()))
        X = np.zeros((*shape, codec.width), np.float32)
        C = np.zeros((*shape, context.width), np.float32)
        u = np.zeros(shape, np.float32)
        for k, task in enumerate(tasks.tasks):
            X[k, : sizes[k]] = codec.encode(task.raw)
            C[k, : sizes[k]] = context.rows(
                task.raw, codec, task=task.descriptors, models=task.models
            )
            u[k, : sizes[k]] = task.u
        j = codec.position.get(MODEL_PARAM)
        columns = np.flatnonzero(codec.groups == j) if j is not None else np.zeros(0, int)
        width = codec.params[j].width if j is not None and codec.params[j].choices else 0
        start = int(columns[0]) if width else 0
        return cls(
            X=torch.from_numpy(X), context=torch.from_numpy(C), u=torch.from_numpy(u), sizes=sizes,
            groups=torch.from_numpy(codec.groups), model_columns=(start, start + width),
            weights=np.array([t.weight for t in tasks.tasks]),
        )  # fmt: skip


def train(batches: Batches, settings: MetaSettings, *, members: int) -> DeepKernel:
    """Meta-train the ensemble; members differ by their initial weights and by every draw.

    Args:
        batches: The history.
        settings: Learning rate, steps, support size, and which of the two losses is used.
        members: How many networks.

    Returns:
        The networks in float64, frozen.
    """
    rng = np.random.default_rng(0)
    network = untrained(batches, members)
    seen, unseen = _chances(batches, members, settings.support_size)
    losses = _LOSSES[settings.ablation.training]
    # Adam's step for b tasks is the root of b times that for one (Krizhevsky 2014).
    lr = settings.meta_lr * math.sqrt(_TASKS_PER_STEP)
    kernel = [network.log_length, network.log_scales]
    optimiser = torch.optim.AdamW(
        [
            {"params": [*network.weights, *network.biases], "weight_decay": _WEIGHT_DECAY},
            {"params": kernel, "lr": settings.meta_lr * _KERNEL_LR, "weight_decay": 0.0},
        ],
        lr=lr,
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, settings.meta_iterations)
    with torch.enable_grad():
        for step in range(settings.meta_iterations):
            loss = losses[step % len(losses)](
                network, batches, _draw_tasks(seen, rng), settings.support_size, rng
            )
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), _MAX_GRADIENT * math.sqrt(members))
            optimiser.step()
            schedule.step()
        _calibrate(network, batches, unseen, settings, rng)
    return network.double().eval().requires_grad_(False)


def _calibrate(
    network: DeepKernel,
    batches: Batches,
    unseen: np.ndarray,
    settings: MetaSettings,
    rng: np.random.Generator,
) -> None:
    """Refit the kernel's scales and noise on tasks that each member never saw.

    A network that has seen a task predicts it too well; how much it may be trusted on a new one
    only tasks that were left out can tell.
    """
    steps = round(_CALIBRATION_SHARE * settings.meta_iterations)
    if not steps:
        return
    network.requires_grad_(False)
    network.log_scales.requires_grad_(True)
    optimiser = torch.optim.Adam([network.log_scales], lr=_CALIBRATION_LR)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        tasks = _draw_tasks(unseen, rng)
        loss = marginal_loss(network, batches, tasks, settings.support_size, rng)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()


def left_out(sizes: np.ndarray, members: int) -> np.ndarray:
    """Which tasks each member's training never sees, (M, t).

    Members leave out different tasks. With fewer than four tasks none can be spared.

    Args:
        sizes: Points of each task, (t,).
        members: M.
    """
    out = np.zeros((members, len(sizes)), bool)
    if len(sizes) >= _MIN_TO_LEAVE_OUT:
        n_out = max(1, len(sizes) // _LEFT_OUT)
        order = np.random.default_rng(0).permutation(len(sizes))
        for m in range(members):
            out[m, order[np.arange(m * n_out, (m + 1) * n_out) % len(sizes)]] = True
    return out


def _chances(batches: Batches, members: int, support: int) -> tuple[np.ndarray, np.ndarray]:
    """How likely each member draws each task: in training, and in calibration. (M, t) each."""
    weight = np.tile(np.minimum(batches.sizes, 2 * support) * batches.weights, (members, 1))
    unseen = left_out(batches.sizes, members)
    train_on = weight * ~unseen
    calibrate_on = weight * (unseen if unseen.any() else 1.0)
    return (
        train_on / train_on.sum(1, keepdims=True),
        calibrate_on / calibrate_on.sum(1, keepdims=True),
    )


def _draw_tasks(chances: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Tasks of one step, (M, b)."""
    return np.stack([rng.choice(len(c), _TASKS_PER_STEP, p=c) for c in chances])


def untrained(batches: Batches, members: int) -> DeepKernel:
    """Networks of the history's shape, the same initial weights every time."""
    return DeepKernel(members=members, n_context=batches.context.shape[-1], groups=batches.groups)


def marginal_loss(
    network: DeepKernel, batches: Batches, tasks: np.ndarray, support: int, rng: np.random.Generator
) -> Tensor:
    """Negative log marginal likelihood a point of up to ``2 * support`` points of each task.

    Args:
        network: The ensemble.
        batches: The history.
        tasks: Tasks that each member sees in this step, (M, b).
        support: Half the number of points.
        rng: Draws the points.

    Returns:
        Sum over members of the mean over tasks.
    """
    rows, real = _draw(batches.sizes[tasks], rng.random((*tasks.shape, batches.X.shape[1])))
    rows, real = rows[..., : 2 * support], real[..., : 2 * support]
    features, u = _gather(network, batches, tasks, rows, rng)
    weight = torch.from_numpy(real).to(u.dtype)
    L = cholesky(_padded(network.noisy_kernel(features), weight))
    residual = (u - features.mean) * weight
    return -(log_marginal_likelihood(L, residual) / weight.sum(-1)).mean(-1).sum()


def episode_loss(
    network: DeepKernel, batches: Batches, tasks: np.ndarray, support: int, rng: np.random.Generator
) -> Tensor:
    """Negative log likelihood of query points given a context, weighted to the good ones.

    Half of the contexts are biased to good points, as a running search would have seen.
    Arguments and result as in `marginal_loss`.
    """
    sizes = batches.sizes[tasks]
    n = round(math.exp(rng.uniform(0.0, math.log(2 * support))))
    n = min(n, max(1, int(sizes.min()) - 1))
    greed = (rng.random(tasks.shape) < 0.5) * rng.random(tasks.shape) * 2.0
    order = rng.gumbel(size=(*tasks.shape, batches.X.shape[1]))
    order += greed[..., None] * batches.u[tasks].numpy()
    rows, real = _draw(sizes, -order)
    queries, real_queries = _draw_rest(rows, real, n, 2 * support, rng)
    both = np.concatenate([rows[..., :n], queries], axis=-1)
    features, u = _gather(network, batches, tasks, both, rng)
    weight = torch.from_numpy(np.concatenate([real[..., :n], real_queries], axis=-1)).to(u.dtype)
    context, query = features.rows(0, n), features.rows(n, None)
    L = cholesky(_padded(network.noisy_kernel(context), weight[..., :n]))
    change, variance = condition(
        L=L, residual=(u[..., :n] - context.mean) * weight[..., :n],
        cross=network.kernel(context, query) * weight[..., :n, None],
        prior_variance=network.prior_variance[:, None, None],
    )  # fmt: skip
    nll = -log_density(u[..., n:], query.mean + change, variance + network.noise[:, None, None])
    importance = torch.sigmoid(2.0 * u[..., n:] - 1.0) * weight[..., n:]
    return ((importance * nll).sum((-1, -2)) / importance.sum((-1, -2))).sum()


_LOSSES: dict[str, tuple[Callable[..., Tensor], ...]] = {
    "marginal": (marginal_loss,),
    "episodes": (episode_loss,),
    "mixed": (episode_loss, marginal_loss),
}


def _draw(sizes: np.ndarray, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows in ascending order of ``keys``, padding last; and which are real. (M, b, n) both."""
    real = np.arange(keys.shape[-1]) < sizes[..., None]
    rows = np.argsort(np.where(real, keys, np.inf), axis=-1)
    return rows, np.take_along_axis(real, rows, axis=-1)


def _draw_rest(
    rows: np.ndarray, real: np.ndarray, n: int, limit: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Up to ``limit`` of the rows that the context left, drawn evenly, real ones first."""
    keys = rng.random(rows[..., n:].shape) + ~real[..., n:]
    order = np.argsort(keys, axis=-1)[..., :limit]
    return (
        np.take_along_axis(rows[..., n:], order, axis=-1),
        np.take_along_axis(real[..., n:], order, axis=-1),
    )


def _gather(
    network: DeepKernel,
    batches: Batches,
    tasks: np.ndarray,
    rows: np.ndarray,
    rng: np.random.Generator,
) -> tuple[Features, Tensor]:
    """Features and scores of the drawn rows; descriptors and model names dropped out at random."""
    at = tasks[..., None], rows
    X, context = batches.X[at], batches.context[at]
    if context.shape[-1]:
        kept = torch.from_numpy(rng.random((*tasks.shape, 1, 1)) >= _DROP)
        context = context * kept
        start, stop = batches.model_columns
        if stop > start:
            # A model that joined after the history is an unknown choice with descriptors.
            unnamed = torch.from_numpy(rng.random((*tasks.shape, 1, 1)) < _DROP) & kept
            named = X[..., start:stop]
            mean = named.sum(-1, keepdim=True) / (stop - start)
            X[..., start:stop] = torch.where(unnamed, mean.expand_as(named), named)
    return network.features(X, context), batches.u[at]


def _padded(K: Tensor, weight: Tensor) -> Tensor:
    """``K`` with padding (weight 0) independent of everything and of unit variance."""
    return K * weight[..., :, None] * weight[..., None, :] + torch.diag_embed(1.0 - weight)
