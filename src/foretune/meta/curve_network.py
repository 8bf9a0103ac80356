"""What will a partial curve come to? A small ensemble that is trained in episodes.

An episode draws a past task and a few of its trials, the good ones more often, as a running search
would have completed; measures by the same estimate of a unit as in use; and asks how far the final
score of another trial lies from the best of these, given that trial's curve up to some point.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from foretune.meta.curves import MAX_CONTEXT, N_FEATURES, SLOPE_UNIT, CurveSet, compare
from foretune.meta.normalise import normalise

_EPISODES = 3_600  # over all tasks
_QUERIES = 32
_GREED = 3.0  # how much likelier a good trial is drawn: its normalised score times this, at most
_HIDDEN = 64
_BATCH = 384
_LR = 4e-3
_WEIGHT_DECAY = 1e-2
_CHANCE_WEIGHT = 2.0  # of the stop's question beside the score's
_DROP = 0.25  # of the batches know no configuration: any sampler's parameters may be new
_LEFT_OUT = 5  # one task in so many calibrates a member instead of teaching it
_MIN_TO_LEAVE_OUT = 5
_CALIBRATED_ON = 6_000  # rows a member
_SAME = 1e-3  # a column that differs by less in all episodes tells nothing
_FARTHEST = 4.0  # deviations from a column's mean: beyond, a network knows nothing


@dataclass(frozen=True)
class PastCurves:
    """One past study: its completed curves and their encoded configurations (n, d)."""

    curves: CurveSet
    X: np.ndarray


@dataclass(frozen=True)
class Episodes:
    """Rows of all episodes.

    Attributes:
        features: (N, f) float32: `compare`, then both configurations (of the trial and of the
            incumbent), centred.
        target: (N,) float32 final score less the incumbent's, placed as the features are.
        task: (N,) which past study.
        n_plain: Columns before the configurations.
    """

    features: np.ndarray
    target: np.ndarray
    task: np.ndarray
    n_plain: int


def with_configurations(plain: np.ndarray, query: np.ndarray, incumbent: np.ndarray) -> np.ndarray:
    """Features of curves (m, f) with encoded configurations (m, d) and (d,): (m, f + 2 d)."""
    own = query - 0.5
    best = np.broadcast_to(incumbent - 0.5, own.shape)
    return np.concatenate([plain, own, best], axis=1).astype(np.float32)


def draw_episodes(past: Sequence[PastCurves], rng: np.random.Generator) -> Episodes | None:
    """Episodes of every past study, as many of each; None where none can be drawn."""
    features, targets, tasks = [], [], []
    for k, study in enumerate(past):
        u = normalise(study.curves.final)[0]
        for _ in range(max(1, _EPISODES // len(past))):
            episode = Episode.draw(study, u, rng)
            if episode is not None:
                drawn = episode.rows(study)
                features.append(drawn[0])
                targets.append(drawn[1])
                tasks.append(np.full(len(drawn[1]), k))
    if not features:
        return None
    return Episodes(
        np.concatenate(features), np.concatenate(targets), np.concatenate(tasks), N_FEATURES
    )


@dataclass(frozen=True)
class Episode:
    """Completed curves of a past study, and others of it up to one point.

    Attributes:
        context: Rows of the completed ones, (n,).
        asked: Rows of the others, (m,).
        at: How many points of the grid are seen of these.
    """

    context: np.ndarray
    asked: np.ndarray
    at: int

    @classmethod
    def draw(cls, study: PastCurves, u: np.ndarray, rng: np.random.Generator) -> Episode | None:
        """As a running search may come to ask; None where nothing can be asked.

        Args:
            study: The past study.
            u: Its normalised scores, (n,).
            rng: Of the draw.
        """
        curves = study.curves
        n = min(round(math.exp(rng.uniform(0.0, math.log(MAX_CONTEXT)))), len(u) - 1)
        greed = _GREED * rng.random(2) * (rng.random(2) < 0.8)
        order = np.argsort(-(greed[0] * u + rng.gumbel(size=len(u))), kind="stable")
        rest = order[n:]
        rest = rest[np.argsort(-(greed[1] * u[rest] + rng.gumbel(size=len(rest))), kind="stable")]
        j = int(rng.integers(len(curves.grid) - 1))
        rest = rest[curves.reported[rest, j]][:_QUERIES]
        if not len(rest) or curves.rows(order[:n]).unit <= 0:
            return None
        return cls(order[:n], rest, j + 1)

    def rows(self, study: PastCurves) -> tuple[np.ndarray, np.ndarray]:
        """Features (m, f) and targets (m,) of the trials that are asked about."""
        curves = study.curves
        context, seen = curves.rows(self.context), curves.rows(self.asked)
        x = float(curves.grid[self.at - 1])
        plain = compare(
            context, x, first_x=float(curves.grid[0]), query=seen.at(x),
            best=seen.V[:, : self.at].max(1),
        )  # fmt: skip
        top = int(np.argmax(context.final))
        gap = (seen.final - context.final[top]) / (context.unit * SLOPE_UNIT)
        rows = with_configurations(plain, study.X[self.asked], study.X[self.context[top]])
        return rows, np.arcsinh(gap).astype(np.float32)


class CurveNetwork(nn.Module):
    """M members; each gives a logistic distribution of the placed final and a chance to win.

    Args:
        members: How many.
        width: Columns of the features.
    """

    centre: Tensor
    spread: Tensor
    calibration: Tensor
    evidence: Tensor

    def __init__(self, *, members: int, width: int) -> None:
        super().__init__()
        sizes = ((width, _HIDDEN), (_HIDDEN, _HIDDEN), (_HIDDEN, 3))
        self.weights = nn.ParameterList(
            [nn.Parameter(torch.randn(members, a, b) / math.sqrt(a)) for a, b in sizes]
        )
        self.biases = nn.ParameterList([nn.Parameter(torch.zeros(members, 1, b)) for _, b in sizes])
        self.register_buffer("centre", torch.zeros(width))
        self.register_buffer("spread", torch.ones(width))
        self.register_buffer("calibration", torch.zeros(4))
        self.register_buffer("evidence", torch.zeros(4, dtype=torch.float64))  # see `CurveModel`

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features (N, f) or (M, N, f) to location, scale and raw chance logit, (M, N) each."""
        h = ((features - self.centre) / self.spread).clamp(-_FARTHEST, _FARTHEST)
        h = h.expand(self.weights[0].shape[0], *h.shape[-2:])
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            h = h @ weight + bias
            if i < 2:
                h = functional.silu(h)
        return h[..., 0], functional.softplus(h[..., 1]) + 1e-2, h[..., 2]

    def calibrated(self, logit: Tensor, x: Tensor) -> Tensor:
        """Raw logits of curves that are at ``x`` as those of left-out tasks came true."""
        a, b, c, d = self.calibration
        return torch.exp(a + b * x) * logit + c + d * x


def train_curves(
    episodes: Episodes, *, members: int, n_tasks: int, steps: int, seed: int
) -> CurveNetwork:
    """Train the ensemble; members leave out different tasks and are calibrated on these.

    Args:
        episodes: From `draw_episodes`.
        members: How many.
        n_tasks: Past studies that the episodes are of.
        steps: Of the optimiser.
        seed: Of initial weights and draws.

    Returns:
        The networks, frozen.
    """
    rng = np.random.default_rng(seed)
    network = untrained(episodes.features.shape[1], members, seed)
    network.centre = torch.from_numpy(episodes.features.mean(0))
    spread = episodes.features.std(0)
    network.spread = torch.from_numpy(np.where(spread > _SAME, spread, np.inf).astype(np.float32))
    features, target = torch.from_numpy(episodes.features), torch.from_numpy(episodes.target)
    out = left_out(n_tasks, members, rng)
    pools = [np.flatnonzero(~np.isin(episodes.task, tasks)) for tasks in out]
    optimiser = torch.optim.AdamW(network.parameters(), lr=_LR, weight_decay=_WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    with torch.enable_grad():
        for _ in range(steps):
            rows = torch.from_numpy(np.stack([p[rng.integers(len(p), size=_BATCH)] for p in pools]))
            batch = features[rows]
            dropped = torch.from_numpy(rng.random((members, _BATCH)) < _DROP)
            batch[..., episodes.n_plain :][dropped] = 0.0
            loss = _loss(network, batch, target[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        held = [np.flatnonzero(np.isin(episodes.task, tasks)) for tasks in out]
        if n_tasks >= _MIN_TO_LEAVE_OUT:
            _calibrate(
                network, features, target > 0, [h[:: len(h) // _CALIBRATED_ON + 1] for h in held]
            )
    return network.eval().requires_grad_(False)


def left_out(n_tasks: int, members: int, rng: np.random.Generator) -> list[np.ndarray]:
    """The tasks that each member's training never sees; none where they are fewer than five."""
    if n_tasks < _MIN_TO_LEAVE_OUT:
        return [np.zeros(0, int)] * members
    order, n_out = rng.permutation(n_tasks), max(1, n_tasks // _LEFT_OUT)
    return [order[np.arange(m * n_out, (m + 1) * n_out) % n_tasks] for m in range(members)]


def untrained(width: int, members: int, seed: int) -> CurveNetwork:
    """Networks for features of ``width`` columns, the same initial weights for a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return CurveNetwork(members=members, width=width)


def _loss(network: CurveNetwork, features: Tensor, target: Tensor) -> Tensor:
    location, scale, logit = network(features)
    z = (target - location) / scale
    density = z + 2.0 * functional.softplus(-z) + scale.log()
    won = functional.binary_cross_entropy_with_logits(
        logit, (target > 0).to(logit.dtype), reduction="none"
    )
    return (density + _CHANCE_WEIGHT * won).mean(1).sum()


def _calibrate(
    network: CurveNetwork, features: Tensor, won: Tensor, held: Sequence[np.ndarray]
) -> None:
    """Temper the chances by the tasks that each member never saw."""
    with torch.no_grad():
        logits = torch.cat([network(features[h])[2][m] for m, h in enumerate(held)])
    rows = np.concatenate(held)
    x, won = features[rows, 0], won[rows].to(logits.dtype)
    calibration = torch.zeros(4, requires_grad=True)
    network.calibration = calibration
    optimiser = torch.optim.LBFGS([calibration], max_iter=50)

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = functional.binary_cross_entropy_with_logits(network.calibrated(logits, x), won)
        loss.backward()
        return loss

    optimiser.step(closure)
    network.calibration = calibration.detach()
