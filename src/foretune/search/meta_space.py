"""What space does a define-by-run study have, as far as study and history let us believe?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from optuna.distributions import BaseDistribution

from foretune.meta.codec import Codec, ParamCode
from foretune.meta.conditions import Rule, apply_rules, infer_rules
from foretune.meta.model import MetaModel
from foretune.search.meta_observe import StudyView, asked_all
from foretune.search.meta_related import Related

_MAX_HISTORY_ROWS = 2_000
_SWITCH = 0.1  # chance that a perturbed configuration takes another choice, a parameter


@dataclass(frozen=True)
class BelievedSpace:
    """The parameters that the next trial may ask for, and under which conditions.

    Attributes:
        codec: Their scales: the study's own where it has shown them, else the history's.
        rules: Which of them exist under which values of others.
    """

    codec: Codec
    rules: tuple[Rule, ...]

    def uniform(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Raw configurations drawn evenly on each parameter's own scale, (n, p)."""
        return self.from_cube(rng.random((n, len(self.codec.params))))

    def sobol(self, index: int, seed: int) -> np.ndarray:
        """The ``index``-th point of a scrambled Sobol sequence, (1, p)."""
        engine = torch.quasirandom.SobolEngine(len(self.codec.params), scramble=True, seed=seed)
        engine.fast_forward(index)
        return self.from_cube(engine.draw(1, dtype=torch.float64).numpy())

    def centre(self) -> np.ndarray:
        """The middle of every range and the first of all choices, (1, p)."""
        cube = [0.0 if p.choices else 0.5 for p in self.codec.params]
        return self.from_cube(np.array([cube]))

    def from_cube(self, cube: np.ndarray) -> np.ndarray:
        """Raw configurations of points in the unit cube (n, p); nothing is inactive yet."""
        raw = np.empty_like(cube)
        for j, param in enumerate(self.codec.params):
            k = len(param.choices)
            raw[:, j] = (
                np.minimum(np.floor(cube[:, j] * k), k - 1) if k else param.from_unit(cube[:, j])
            )
        return raw

    def complete(self, raw: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Legal values throughout: outside values are clipped, missing ones drawn, (n, p)."""
        drawn = self.uniform(len(raw), rng)
        out = np.empty_like(raw)
        for j, param in enumerate(self.codec.params):
            value = raw[:, j]
            fine = ~np.isnan(value) & ((value >= 0) if param.choices else True)
            legal = value if param.choices else param.from_unit(param.to_unit(value))
            out[:, j] = np.where(fine, legal, drawn[:, j])
        return out

    def perturbed(
        self, raw: np.ndarray, radius: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """Neighbours of configurations without gaps (n, p), numbers moved by ``radius`` (n, 1)."""
        n, p = raw.shape
        out = self.complete(raw, rng)
        moved = rng.random((n, p)) < rng.uniform(0.2, 1.0, (n, 1))
        moved[np.arange(n), rng.integers(p, size=n)] = True
        noise = rng.normal(size=(n, p)) * radius
        for j, param in enumerate(self.codec.params):
            rows = moved[:, j]
            if param.choices:
                rows = rows & (rng.random(n) < _SWITCH)
                out[rows, j] = rng.integers(len(param.choices), size=int(rows.sum()))
            else:
                out[rows, j] = param.from_unit(param.to_unit(out[rows, j]) + noise[rows, j])
        return out

    def legal(self, raw: np.ndarray, fixed: Mapping[str, object], must: set[str]) -> np.ndarray:
        """Rows (n, p) with given values set and every parameter inactive whose conditions fail.

        Args:
            raw: Configurations without gaps.
            fixed: Values that are already decided in this trial.
            must: Parameters that this trial has: their conditions evidently hold.
        """
        out = raw.copy()
        given = self.codec.to_raw([fixed])[0]
        out[:, ~np.isnan(given)] = given[~np.isnan(given)]
        full = out.copy()
        out = apply_rules(out, self.rules, self.codec)
        kept = [j for j, p in enumerate(self.codec.params) if p.name in must or p.name in fixed]
        out[:, kept] = full[:, kept]
        return out


def believe(
    view: StudyView, model: MetaModel | None, asked: Mapping[str, BaseDistribution]
) -> BelievedSpace:
    """The space of the next trial.

    A parameter of the history that the study has not shown yet is believed in until a trial lacks
    it although, by the history's conditions, it should have had it.

    Args:
        view: The study's trials.
        model: The history.
        asked: Distributions that this trial has asked for.
    """
    shown = {**view.distributions, **asked}
    params = [ParamCode.of(name, d) for name, d in shown.items()]
    related: np.ndarray | None = None
    if model is not None:
        tasks = Related.of(model, shown).tasks
        params += _unseen(view, model, tasks, set(shown))
        rows = [model.tasks.tasks[k].raw for k in tasks]
        if rows:
            related = np.concatenate(rows)
            related = related[:: len(related) // _MAX_HISTORY_ROWS + 1]
    own = Codec(tuple(params))
    whole = np.array([asked_all(t) for t in view.trials], bool)
    raw = view.raw(own)[whole] if len(view.trials) else np.zeros((0, len(params)))
    if related is not None and model is not None:
        known = own.translate(related, model.codec)
        # A parameter that the history lacks is no evidence about its conditions there.
        absent = [j for j, p in enumerate(own.params) if p.name not in model.codec.position]
        known[:, absent] = 0.0
        raw = np.concatenate([raw, known])
    rules = infer_rules(raw, own) if len(raw) else ()
    optional = frozenset(own.params[r.child].name for r in rules) | frozenset(
        p.name for j, p in enumerate(own.params) if np.isnan(raw[:, j]).any()
    )
    return BelievedSpace(Codec(own.params, optional), rules)


def _unseen(
    view: StudyView, model: MetaModel, tasks: tuple[int, ...], shown: set[str]
) -> list[ParamCode]:
    """Parameters of related past tasks that the study may still turn out to have."""
    names = {n for k in tasks for n in model.signatures[k]} - shown
    if not names:
        return []
    rows = model.codec.to_raw([t.params for t in view.trials if asked_all(t)])
    believed = []
    for j, param in enumerate(model.codec.params):
        if param.name not in names:
            continue
        expected = np.ones(len(rows), bool)
        for rule in model.rules:
            if rule.child == j:
                expected &= rule.holds(rows, bool(model.codec.params[rule.parent].choices))
        if not expected.any():
            believed.append(param)
    return believed
