"""Which configuration has the most to offer? The acquisition and its optimisation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from foretune.meta.rows import row_keys

_UNIFORM, _LOCAL = 1000, 600
_TOP = 5
_ROUNDS, _PARENTS, _CHILDREN = 6, 8, 160
_FIRST_RADIUS, _SHRINK = 0.1, 0.5

Legalise = Callable[[np.ndarray], np.ndarray]
Acquisition = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Optimiser:
    """Searches a mixed, conditional space: many candidates, then local search from the best.

    Attributes:
        uniform: Draws raw configurations without gaps.
        perturbed: Neighbours of configurations.
        legal: Sets what is decided and switches off what its conditions forbid.
        seen: Keys of configurations that are not to be suggested again.
    """

    uniform: Callable[[int, np.random.Generator], np.ndarray]
    perturbed: Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]
    legal: Legalise
    seen: frozenset[bytes]

    def new(self, raw: np.ndarray) -> np.ndarray:
        """(n,) whether each legal configuration is one that was not seen."""
        return np.array([key not in self.seen for key in row_keys(raw)], bool)

    def candidates(
        self, *, good: np.ndarray, known: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """Uniform ones, neighbours of the five best observations at random scales, known ones.

        Args:
            good: Observed configurations, best first, (n, p).
            known: Others that are worth a look: the history's best, (m, p), without gaps.
            rng: Draws them.
        """
        parts = [self.uniform(_UNIFORM, rng), known]
        if len(good):
            around = good[:_TOP][rng.integers(min(len(good), _TOP), size=_LOCAL)]
            radius = 10.0 ** rng.uniform(-2.5, -0.5, (_LOCAL, 1))
            parts.append(self.perturbed(around, radius, rng))
        raw = np.unique(self.legal(np.concatenate(parts)), axis=0)
        return raw[self.new(raw)]

    def maximise(
        self, acquisition: Acquisition, raw: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Evolve the best candidates; their neighbourhood shrinks by half each round.

        Returns:
            The last population (k, p) with its acquisition (k,), best first.
        """
        value = acquisition(raw)
        radius = _FIRST_RADIUS
        for _ in range(_ROUNDS):
            best = np.argsort(-value, kind="stable")[:_PARENTS]
            parents, kept = raw[best], value[best]
            draws = rng.integers(len(parents), size=_CHILDREN)
            around = self.perturbed(parents[draws], np.full((_CHILDREN, 1), radius), rng)
            children = np.unique(self.legal(around), axis=0)
            children = children[self.new(children)]
            raw, value = parents, kept
            if len(children):
                raw = np.concatenate([parents, children])
                value = np.concatenate([kept, acquisition(children)])
            radius *= _SHRINK
        order = np.argsort(-value, kind="stable")
        return raw[order], value[order]
