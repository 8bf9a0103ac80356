"""What must hold of every selector? One suite for all, on models whose worth is planted.

Subclass `SelectorContract` and give the selector's name.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from foretune.select import (
    PROBES,
    Episode,
    Outcome,
    Shown,
    Support,
    build_selector,
)

WORTH = {"none": 0.0, "weak": 0.8, "good": 2.5}  # how far apart a model sees two classes


class PlantedTuner:
    """Fine-tunes reach what the model is worth, with noise in the short ones."""

    def short(self, name: str, turn: int) -> float:
        """The worth and some noise, the same for the same turn."""
        noise = np.random.default_rng([turn, sorted(WORTH).index(name)]).normal(0, 0.05)
        return self.full(name) + float(noise)

    def full(self, name: str) -> float:
        """A score from .5 to .95."""
        return 0.5 + 0.18 * WORTH[name]


def planted(*, seed: int = 0, n: int = 32, is_class: bool = True) -> Shown:
    """Three models of unlike width: noise, a weak one, a good one."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % 2)
    targets = y if is_class else y + 0.3 * rng.normal(size=n)
    supports = {}
    for width, (name, worth) in zip((96, 24, 48), WORTH.items(), strict=True):
        X = rng.normal(size=(n, width))
        X[:, 0] += worth * (2 * y - 1)
        supports[name] = Support.of(X, targets, is_class=is_class)
    return Shown(
        supports=supports,
        probes={m: {k: probe(s) for k, probe in PROBES.items()} for m, s in supports.items()},
        models={m: {"log_parameters": 15.0 + k} for k, m in enumerate(supports)},
        kind="text-classification" if is_class else "text-regression",
        n_rows=n,
        seed=seed,
        tuner=PlantedTuner(),
    )


def planted_episodes(n_tasks: int = 6) -> list[Episode]:
    """Past selections among the planted models."""
    found = []
    for k in range(n_tasks):
        shown = planted(seed=100 + k)
        outcomes = tuple(
            Outcome(m, PlantedTuner().full(m), 10.0, shown.probes[m], shown.models[m])
            for m in shown.supports
        )
        found.append(Episode(f"task {k}", shown.kind, shown.n_rows, outcomes))
    return found


class SelectorContract:
    """Holds of every selector that looks at the support set or trains.

    Attributes:
        name: The selector's.
        knows_classes_alone: Whether numbers as targets have no meaning for it.
    """

    name = ""
    knows_classes_alone = False

    def judge(self, shown: Shown) -> dict[str, tuple[float, float, float]]:
        """What the selector says, as plain numbers."""
        selector, _ = build_selector(self.name, episodes=planted_episodes(), iterations=150)
        return {m: (j.score, j.low, j.high) for m, j in selector(shown).items()}

    def test_it_judges_every_model_with_an_interval(self) -> None:
        """Scores are finite and lie in their intervals."""
        judged = self.judge(planted())
        assert list(judged) == list(WORTH)
        for score, low, high in judged.values():
            assert math.isfinite(score)
            assert low <= score <= high

    def test_the_good_model_is_first(self) -> None:
        """For most support sets: 32 rows can mislead."""
        judged = [self.judge(planted(seed=seed)) for seed in range(5)]
        first = [max(j, key=lambda m, j=j: j[m][0]) for j in judged]  # type: ignore[misc]
        assert first.count("good") >= 4

    def test_the_same_again(self) -> None:
        """Nothing depends on the time or on the process."""
        assert self.judge(planted()) == self.judge(planted())

    def test_the_order_of_models_changes_no_score(self) -> None:
        """But for the bandit, whose draws come in the models' order."""
        shown = planted()
        turned = replace(
            shown,
            supports={m: shown.supports[m] for m in reversed(WORTH)},
            probes={m: shown.probes[m] for m in reversed(WORTH)},
        )
        one, other = self.judge(shown), self.judge(turned)
        best = [max(j, key=lambda m, j=j: j[m][0]) for j in (one, other)]  # type: ignore[misc]
        assert best[0] == best[1]

    def test_numbers_as_targets(self) -> None:
        """A regression is judged too."""
        if self.knows_classes_alone:
            return
        judged = self.judge(planted(is_class=False))
        assert max(judged, key=lambda m: judged[m][0]) == "good"
