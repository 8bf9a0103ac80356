"""What will each model's fine-tuning reach, as past tasks tell it from probes and descriptors?

A network reads each model of a pool beside the others: its probes' scores and descriptors, as
differences from the pool's mean. It answers with the model's final score less the pool's mean, and
how sure that is. It is trained in episodes: a past task, one of its support sets, a random part of
its models. The level of the pool's scores is a regression on what the neighbours' accuracy says.

M models of a pool, F features, B episodes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from foretune.select.episodes import Episode, Outcome
from foretune.select.probes import PROBES
from foretune.select.shown import Judged, Shown

MIN_TASKS = 3  # fewer past tasks say nothing of a new one
DESCRIPTORS = ("log_parameters", "depth", "log_hidden", "pretrained", "distilled", "labelled")
SEEN = ("saw_texts", "saw_labels")  # of this very task; numbers from 0 to 1
KINDS = (
    "text-classification",
    "text-regression",
    "token-classification",
    "question-answering",
    "image-classification",
)
_ENSEMBLE, _HIDDEN, _BATCH = 5, 16, 16
_BANK = 1000  # episodes drawn once, that batches are drawn from
_MIN_POOL = 2
_SCALE = 0.1  # of differences between models, in the score's unit
_RANKING = 0.5  # weight of the order beside the likelihood
# What is believed of probes before any task, and how firmly: as if by this many tasks. Without it a
# dozen tasks are learnt by heart: regret .030 instead of .006 (docs/model-selection.md).
_BEFORE = {"ridge_loo": 0.25, "logme": 0.25, "knn_loo": 0.1}
_FIRMLY = 30.0
_INTERVAL = 1.2816  # 10 % to 90 % of a normal distribution


@dataclass(frozen=True, eq=False)
class LearnedSelector:
    """Predicts final scores; from `learn`.

    Attributes:
        networks: The ensemble.
        level: Weights of the pool's level, see `_level_features`.
    """

    networks: tuple[nn.Module, ...]
    level: np.ndarray

    def __call__(self, shown: Shown) -> dict[str, Judged]:
        """The predicted final score of each model, with an interval."""
        names = list(shown.supports)
        X = features(
            [shown.probes[n] for n in names],
            [shown.models.get(n, {}) for n in names],
            kind=shown.kind,
            n_rows=shown.n_rows,
        )
        with torch.no_grad():
            outputs = torch.stack([net(torch.from_numpy(X).float()) for net in self.networks])
        delta = (outputs[:, :, 0] - outputs[:, :, 0].mean(1, keepdim=True)).double() * _SCALE
        variance = (2 * outputs[:, :, 1]).exp().double().mean(0) * _SCALE**2 + delta.var(0)
        level = float(_level_features([shown.probes[n] for n in names], shown.kind) @ self.level)
        mean, sd = delta.mean(0).numpy() + level, np.sqrt(variance.numpy())
        return {
            name: Judged(float(m), float(m - _INTERVAL * s), float(m + _INTERVAL * s))
            for name, m, s in zip(names, mean, sd, strict=True)
        }


def learn(
    episodes: Sequence[Episode], *, rate: float = 1e-3, iterations: int = 1000, seed: int = 0
) -> LearnedSelector | None:
    """Meta-train on past selections.

    Args:
        episodes: Of past tasks; every task counts alike, however many episodes it has.
        rate: Meta learning rate.
        iterations: Meta-steps, each on a batch of episodes.
        seed: Of the networks and the draws.

    Returns:
        The selector; None where fewer than ``MIN_TASKS`` tasks with two models are there.
    """
    usable = [e for e in episodes if len(_finite(e)) >= _MIN_POOL]
    tasks = sorted({e.task for e in usable})
    if len(tasks) < MIN_TASKS:
        return None
    by_task = [[_Arrays.of(e) for e in usable if e.task == task] for task in tasks]
    level = _fit_level(by_task)
    bank = _Bank.draw(by_task, np.random.default_rng([seed, 3]))
    networks = tuple(
        _train(bank, n_tasks=len(tasks), rate=rate, iterations=iterations, seed=seed + k)
        for k in range(_ENSEMBLE)
    )
    return LearnedSelector(networks, level)


def features(
    probes: Sequence[Mapping[str, float]],
    models: Sequence[Mapping[str, float]],
    *,
    kind: str,
    n_rows: int,
) -> np.ndarray:
    """(M, F) what the network reads of each model beside the others; finite.

    A probe counts by its difference from the pool's mean over the pool's deviation, by its rank,
    and, for the two that are accuracies, by the plain difference.
    """
    columns = []
    for name in PROBES:
        values = np.array([own.get(name, math.nan) for own in probes])
        columns += [_standard(values), _ranks(values)]
    for name in ("ncm", "knn_loo"):
        values = np.array([own.get(name, math.nan) for own in probes])
        columns.append(4.0 * _centred(values))
    for name in (*DESCRIPTORS, *SEEN):
        columns.append(_centred(np.array([own.get(name, 0.0) for own in models])))
    m = len(probes)
    columns += [np.full(m, float(kind == k)) for k in KINDS]
    columns.append(np.full(m, math.log(n_rows / 32)))
    return np.stack(columns, 1)


class _Network(nn.Module):
    """(..., M, F) to (..., M, 2): a difference from the pool's mean and its log deviation."""

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.linear = nn.Linear(n_features, 1, bias=False)
        nn.init.zeros_(self.linear.weight)
        with torch.no_grad():
            for probe, weight in _BEFORE.items():
                at = 2 * list(PROBES).index(probe)
                self.linear.weight[0, at : at + 2] = weight
        self.before = self.linear.weight.detach().clone()
        last = nn.Linear(_HIDDEN, 2)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.last = last
        self.deep = nn.Sequential(nn.Linear(n_features, _HIDDEN), nn.Tanh(), last)

    def distance(self) -> Tensor:
        """How far the network has gone from what it was before any task."""
        moved: Tensor = ((self.linear.weight - self.before) ** 2).sum()
        return moved + (self.last.weight**2).sum()

    def forward(self, X: Tensor) -> Tensor:
        out: Tensor = self.deep(X)
        return torch.cat([out[..., :1] + self.linear(X), out[..., 1:].clamp(-3, 2)], -1)


@dataclass(frozen=True, eq=False)
class _Arrays:
    episode: Episode
    y: np.ndarray

    @classmethod
    def of(cls, episode: Episode) -> _Arrays:
        kept = _finite(episode)
        own = Episode(episode.task, episode.kind, episode.n_rows, tuple(kept))
        return cls(own, np.array([o.score for o in kept]))

    def drawn(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Features and centred scores of a random part of the models, at least two."""
        m = len(self.y)
        size = int(rng.integers(_MIN_POOL, m + 1))
        rows = rng.permutation(m)[:size]
        outcomes = [self.episode.outcomes[k] for k in rows]
        X = features(
            [o.probes for o in outcomes],
            [o.descriptors for o in outcomes],
            kind=self.episode.kind,
            n_rows=self.episode.n_rows,
        )
        y = self.y[rows]
        return torch.from_numpy(X).float(), torch.from_numpy(y - y.mean()).float() / _SCALE


@dataclass(frozen=True, eq=False)
class _Bank:
    """Drawn episodes, padded: features (B, M, F), scaled scores and which are there (B, M)."""

    X: Tensor
    y: Tensor
    there: Tensor

    @classmethod
    def draw(cls, by_task: Sequence[Sequence[_Arrays]], rng: np.random.Generator) -> _Bank:
        drawn = []
        for k in rng.integers(len(by_task), size=_BANK):
            own = by_task[k]
            drawn.append(own[int(rng.integers(len(own)))].drawn(rng))
        widest = max(len(y) for _, y in drawn)
        shape = (len(drawn), widest)
        X = torch.zeros(*shape, drawn[0][0].shape[1])
        y, there = torch.zeros(shape), torch.zeros(shape, dtype=torch.bool)
        for k, (own_X, own_y) in enumerate(drawn):
            X[k, : len(own_y)], y[k, : len(own_y)] = own_X, own_y
            there[k, : len(own_y)] = True
        return cls(X, y, there)


def _train(bank: _Bank, *, n_tasks: int, rate: float, iterations: int, seed: int) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _Network(bank.X.shape[2])
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=0.1)
    for _ in range(iterations):
        rows = torch.randint(len(bank.y), (_BATCH,), generator=generator)
        loss = _loss(network(bank.X[rows]), bank.y[rows], bank.there[rows])
        loss = loss + _FIRMLY / n_tasks * network.distance()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return network


def _loss(output: Tensor, y: Tensor, there: Tensor) -> Tensor:
    """Normal likelihood of the differences, and the logistic loss of each pair's order."""
    n = there.sum(1, keepdim=True)
    mean, log_sd = output[..., 0], output[..., 1]
    mean = mean - (mean * there).sum(1, keepdim=True) / n
    likelihood = (0.5 * ((y - mean) / log_sd.exp()) ** 2 + log_sd) * there
    gap = y[:, :, None] - y[:, None]
    wrong = nn.functional.softplus(-2.0 * gap.sign() * (mean[:, :, None] - mean[:, None]))
    both = there[:, :, None] & there[:, None]
    pairs = (gap.abs().clamp_max(1.0) * wrong * both).sum((1, 2)) / (n[:, 0] * (n[:, 0] - 1))
    return (likelihood.sum(1) / n[:, 0] + _RANKING * pairs).mean()


def _fit_level(by_task: Sequence[Sequence[_Arrays]]) -> np.ndarray:
    """Ridge weights of the pool's mean score."""
    A, b = [], []
    for own in by_task:
        rows = [
            _level_features([o.probes for o in a.episode.outcomes], a.episode.kind) for a in own
        ]
        A.append(np.mean(rows, axis=0))
        b.append(float(np.mean([a.y.mean() for a in own])))
    X, y = np.array(A), np.array(b)
    prior = np.zeros(X.shape[1])
    prior[0] = y.mean()
    penalty = 0.3 * np.eye(X.shape[1])
    return prior + np.linalg.solve(X.T @ X + penalty, X.T @ (y - X @ prior))


def _level_features(probes: Sequence[Mapping[str, float]], kind: str) -> np.ndarray:
    knn = np.array([own.get("knn_loo", math.nan) for own in probes])
    best = float(np.nanmax(knn)) if np.isfinite(knn).any() else 0.0
    return np.array([1.0, best - 0.5, *(float(kind == k) for k in KINDS)])


def _finite(episode: Episode) -> list[Outcome]:
    return [o for o in episode.outcomes if math.isfinite(o.score)]


def _centred(values: np.ndarray) -> np.ndarray:
    finite = np.isfinite(values)
    mean = values[finite].mean() if finite.any() else 0.0
    return np.where(finite, values - mean, 0.0)


def _standard(values: np.ndarray) -> np.ndarray:
    centred = _centred(values)
    deviation = centred.std()
    return centred / deviation if deviation > 1e-9 else np.zeros(len(values))


def _ranks(values: np.ndarray) -> np.ndarray:
    """From -1, the worst, to 1; ties share, NaN is 0."""
    finite = np.isfinite(values)
    n = int(finite.sum())
    if n < 2:
        return np.zeros(len(values))
    v = values[finite]
    rank = (v[:, None] > v).sum(1) + ((v[:, None] == v).sum(1) - 1) / 2
    out = np.zeros(len(values))
    out[finite] = 2 * rank / (n - 1) - 1
    return out
