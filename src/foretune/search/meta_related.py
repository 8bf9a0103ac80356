"""Which past tasks and configurations are of use to a study, by what it has shown?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from optuna.distributions import BaseDistribution

from foretune.meta.codec import ParamCode, choice_key
from foretune.meta.model import MetaModel
from foretune.meta.portfolio import candidates


@dataclass(frozen=True)
class Related:
    """Past tasks of a study's space.

    Attributes:
        model: The history.
        tasks: Indices of the related past tasks.
        allowed: By raw column of the history, the choices that the study can take as well.
    """

    model: MetaModel
    tasks: tuple[int, ...]
    allowed: Mapping[int, frozenset[int]]

    @classmethod
    def of(cls, model: MetaModel, shown: Mapping[str, BaseDistribution]) -> Related:
        """Past tasks with at least half of the best overlap of parameters, and of its choices.

        A history of texts and images has a parameter ``model`` throughout, of which a study of
        texts can take some values only: tasks without a single configuration that the study could
        take are not related. Where none is left, choices are not looked at.

        Args:
            model: The history.
            shown: Distributions of the study.
        """
        names = set(shown)
        signatures = model.signatures
        if not names:
            return cls(model, tuple(range(len(signatures))), {})
        overlap = np.array([len(names & s) / len(names) for s in signatures])
        if overlap.max() <= 0:
            return cls(model, (), {})
        alike = tuple(int(k) for k in np.flatnonzero(overlap >= 0.5 * overlap.max()))
        allowed = _allowed(model, shown)
        fit = cls(model, alike, allowed)
        able = tuple(k for k in alike if fit.can_take(model.tasks.tasks[k].raw).any())
        return cls(model, able, allowed) if able else cls(model, alike, {})

    def can_take(self, raw: np.ndarray) -> np.ndarray:
        """(n,) whether the study can take all choices of the history's rows (n, p)."""
        fits = np.ones(len(raw), bool)
        for j, choices in self.allowed.items():
            fits &= np.isnan(raw[:, j]) | np.isin(raw[:, j], list(choices))
        return fits

    def n_tried(self, configuration: Mapping[str, object]) -> int:
        """How many related tasks have tried a configuration, all of its values."""
        codec = self.model.codec
        row = codec.to_raw([configuration])[0]
        named = ~np.isnan(row)
        if named.sum() < len(configuration):  # it has parameters that the history lacks
            return 0
        tasks = [self.model.tasks.tasks[k].raw[:, named] for k in self.tasks]
        return sum(bool(np.isclose(raw, row[named], rtol=1e-9).all(1).any()) for raw in tasks)

    def pool(self) -> np.ndarray | None:
        """The related tasks' configurations that the study can take, (c, p); None: all of them."""
        if not self.allowed:
            return None
        tasks = self.model.tasks.only(self.tasks)
        raw = candidates(tasks, np.random.default_rng(0))
        return raw[self.can_take(raw)]


def _allowed(model: MetaModel, shown: Mapping[str, BaseDistribution]) -> dict[int, frozenset[int]]:
    """The history's choices that the study has as well, where it lacks some."""
    allowed = {}
    for name, distribution in shown.items():
        j = model.codec.position.get(name)
        own = ParamCode.of(name, distribution)
        if j is None or not own.choices or not model.codec.params[j].choices:
            continue
        index = model.codec.params[j].index
        both = frozenset(index[key] for key in map(choice_key, own.choices) if key in index)
        if len(both) < len(index):
            allowed[j] = both
    return allowed
