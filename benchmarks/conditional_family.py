"""A family of synthetic tasks over a conditional space, with the interface of a surrogate.

One choice of algorithm, whose children (and grandchildren) exist only under it; logarithmic,
integer and categorical parameters. Tasks share an optimum, each with its own shift, its own
preference among the algorithms, its own location, spread and noise. Everything follows from a seed.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

_CHOICES = {
    "algorithm": ["knn", "svm", "tree", "boost", "linear"],
    "impute": ["mean", "median", "hist"],
    "svm.kernel": ["linear", "poly", "rbf"],
    "knn.metric": ["l1", "l2", "cosine"],
    "boost.booster": ["gbtree", "dart"],
}
# name: (low, high, log, integer)
_NUMBERS = {
    "knn.k": (1, 50, True, True),
    "svm.cost": (1e-4, 1e4, True, False),
    "svm.gamma": (1e-4, 1e3, True, False),
    "svm.degree": (2, 5, False, True),
    "tree.depth": (1, 30, False, True),
    "tree.cp": (1e-4, 1.0, True, False),
    "tree.min_split": (1, 100, True, True),
    "boost.eta": (1e-3, 1.0, True, False),
    "boost.rounds": (8, 2048, True, True),
    "boost.depth": (1, 15, False, True),
    "boost.subsample": (0.1, 1.0, False, False),
    "boost.lambda": (1e-4, 1e3, True, False),
    "boost.rate_drop": (0.0, 1.0, False, False),
    "linear.alpha": (0.0, 1.0, False, False),
    "linear.lambda": (1e-4, 1e3, True, False),
}
_PARENT = {
    "svm.gamma": ("svm.kernel", ["rbf", "poly"]),
    "svm.degree": ("svm.kernel", ["poly"]),
    "boost.rate_drop": ("boost.booster", ["dart"]),
}


class ConditionalFamily:
    """Tasks ``"0"`` to ``str(n_tasks - 1)``; methods as `Surrogate` in the transfer benchmark."""

    def __init__(self, n_tasks: int = 110, seed: int = 0, shift: float = 0.12) -> None:
        """Draw the tasks: ``shift`` is the deviation of a task's optimum from the shared one."""
        self.name = f"family-{seed}-{shift}"
        self.tasks = [str(k) for k in range(n_tasks)]
        rng = np.random.default_rng(seed)
        self.params: list[dict[str, Any]] = [
            {"name": n, "type": "categorical", "choices": c} for n, c in _CHOICES.items()
        ] + [
            {
                "name": n,
                "type": "uniform_int" if i else "uniform_float",
                "lower": a,
                "upper": b,
                "log": g,
            }
            for n, (a, b, g, i) in _NUMBERS.items()
        ]
        shared = {n: rng.uniform(0.2, 0.8) for n in _NUMBERS}
        width = {n: rng.uniform(0.15, 0.6) for n in _NUMBERS}
        worth = {
            n: rng.normal(size=len(c)) * (1.0 if n == "algorithm" else 0.25)
            for n, c in _CHOICES.items()
        }
        self._width = width
        self._task = {}
        for task in self.tasks:
            self._task[task] = {
                "optimum": {n: shared[n] + shift * rng.normal() for n in _NUMBERS},
                "worth": {
                    n: w + 0.5 * np.abs(w).mean() * rng.normal(size=len(w))
                    for n, w in worth.items()
                },
                "location": rng.uniform(0.5, 0.9), "spread": math.exp(rng.normal() * 0.7 - 3.0),
                "weight": {n: math.exp(0.5 * rng.normal()) for n in _NUMBERS},
            }  # fmt: skip
        self._limits: dict[str, tuple[float, float]] = {}

    def is_active(self, name: str, config: dict[str, Any]) -> bool:
        """Whether parameter ``name`` exists given the parents set in ``config``."""
        algorithm, _, rest = name.partition(".")
        if rest and config.get("algorithm") != algorithm:
            return False
        parent, values = _PARENT.get(name, ("", []))
        return not parent or config.get(parent) in values

    def sample(self, rng: np.random.Generator) -> dict[str, Any]:
        """One configuration, uniform on each parameter's own scale."""
        config: dict[str, Any] = {}
        for h in self.params:
            if not self.is_active(h["name"], config):
                continue
            if h["type"] == "categorical":
                config[h["name"]] = h["choices"][int(rng.integers(len(h["choices"])))]
                continue
            low, high, u = h["lower"], h["upper"], rng.random()
            value = low * (high / low) ** u if h["log"] else low + u * (high - low)
            config[h["name"]] = round(value) if h["type"] == "uniform_int" else float(value)
        return config

    def evaluate(
        self, task: str, configs: list[dict[str, Any]], output: str | None = None, **fidelity: float
    ) -> np.ndarray:
        """Score of each configuration, higher is better, (n,)."""
        return np.array([self._score(self._task[task], c) for c in configs])

    def _score(self, task: dict[str, Any], config: dict[str, Any]) -> float:
        loss, gain = 0.0, 0.0
        for name, value in config.items():
            if name in _CHOICES:
                gain += task["worth"][name][_CHOICES[name].index(value)]
                continue
            low, high, log, _ = _NUMBERS[name]
            u = (
                math.log(value / low) / math.log(high / low)
                if log
                else (value - low) / (high - low)
            )
            z = (u - task["optimum"][name]) / self._width[name]
            loss += task["weight"][name] * z * z
        # A plateau at the top, failures far below: what real tuning landscapes look like.
        return task["location"] + task["spread"] * (
            gain - 2.0 * math.log1p(loss / 2.0) * (1.0 + loss / 10.0)
        )

    def regret(self, task: str, y: np.ndarray | float) -> np.ndarray:
        """Min-max normalised regret: 0 is the best of 20,000 random configurations or better."""
        if task not in self._limits:
            rng = np.random.default_rng(7)
            drawn = self.evaluate(task, [self.sample(rng) for _ in range(20_000)])
            self._limits[task] = float(drawn.max()), float(np.quantile(drawn, 0.05))
        high, low = self._limits[task]
        return np.clip((high - np.asarray(y, np.float64)) / (high - low), 0.0, 1.0)
