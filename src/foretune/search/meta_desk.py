"""What does one suggestion need? All of it in one unit: raw rows of the believed space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution

from foretune.meta.cost import ANY_LEVEL
from foretune.meta.experts import Inputs
from foretune.meta.feasibility import Feasibility
from foretune.meta.model import MetaModel
from foretune.meta.own_seconds import OwnSeconds
from foretune.meta.price import Price
from foretune.meta.rows import row_key, row_keys
from foretune.meta.work import work_rows
from foretune.search.meta_acquire import Optimiser
from foretune.search.meta_candidates import Shortlist
from foretune.search.meta_observe import StudyView
from foretune.search.meta_related import Related
from foretune.search.meta_space import BelievedSpace

_MAX_OBSERVED = 400
_MAX_TIMED = 120
_NEAREST = 3
_DRAWS = 200  # of a configuration that was not tried, before one is repeated


@dataclass(frozen=True)
class Ask:
    """What is known when a trial asks.

    Attributes:
        view: The other trials.
        number: The trial's number.
        fixed: Values that are already decided.
        asked: Distributions that the trial has asked for so far.
        defaults: Known-good configurations, tried first.
        judged_by: So many past tasks that tried a default decide about it; None: it comes first.
        kept: Parameters that the trial has from the first default, if it is of the portfolio.
        task: The task's descriptors; models: descriptors by model.
        metric: What the scores are, where the study says so.
        bounds: What scores can be, (2,), in the study's own direction.
        price: Of the predicted seconds, in expected improvement.
        front: Whether the front of score against seconds is searched.
        seed: Of this trial's draws.
        attempt: How many plans of this trial another worker had already.
        candidates: Configurations that alone may be suggested; none: the whole space.
    """

    view: StudyView
    number: int
    fixed: Mapping[str, object]
    asked: Mapping[str, BaseDistribution]
    defaults: Sequence[Mapping[str, object]]
    judged_by: int | None
    kept: Sequence[str]
    task: Mapping[str, float]
    models: Mapping[str, Mapping[str, float]]
    metric: str
    bounds: tuple[float, float]
    price: Price
    front: bool
    seed: int
    attempt: int = 0
    candidates: Sequence[Mapping[str, object]] = ()


@dataclass(frozen=True)
class Plan:
    """A configuration and the reasons for it, ready for the trial's attributes."""

    params: Mapping[str, object]
    why: Mapping[str, object] = field(default_factory=dict)


class Desk:
    """One trial's view of everything, in the believed space's raw units."""

    def __init__(
        self, ask: Ask, space: BelievedSpace, model: MetaModel | None, rng: np.random.Generator
    ) -> None:
        self.ask, self.space, self.model, self.rng = ask, space, model, rng
        self.raw = ask.view.raw(space.codec)
        scored = np.flatnonzero(~np.isnan(ask.view.scores))
        if len(scored) > _MAX_OBSERVED:  # the best half of the limit, and the latest
            best = scored[np.argsort(-ask.view.scores[scored], kind="stable")[: _MAX_OBSERVED // 2]]
            scored = np.union1d(best, scored[-_MAX_OBSERVED // 2 :])
        self.scored = scored
        self.n_observed = len(scored)
        self.n_tried = len(self.raw)
        self.seen = frozenset(row_keys(self.raw))

    @cached_property
    def shortlist(self) -> Shortlist | None:
        """What is left of the candidates; None: the whole space is open."""
        if not self.ask.candidates:
            return None
        return Shortlist.of(
            self.ask.candidates, self.space.codec, fixed=self.ask.fixed, asked=self.ask.asked,
            seen=self.seen,
        )  # fmt: skip

    def legal(self, raw: np.ndarray) -> np.ndarray:
        """Complete rows made legal for this trial, (n, p)."""
        return self.space.legal(raw, self.ask.fixed, set(self.ask.asked))

    def plan(
        self, row: np.ndarray, why: dict[str, object], exact: Mapping[str, object] | None = None
    ) -> Plan:
        """A row (1, p) as a plan.

        Args:
            row: The configuration in raw units.
            why: The reasons.
            exact: Values to plan as they were given, also where the space is believed to be
                narrower than what the trial may yet ask for.
        """
        listed = self.shortlist.at(row[0]) if self.shortlist else None
        return Plan({**self.space.codec.to_params(row[0]), **(listed or exact or {})}, why)

    def tried(self, configuration: Mapping[str, object]) -> bool:
        """Whether a trial had all of a configuration's values that it had names for."""
        own = self.space.codec.to_raw([configuration])[0]
        named = ~np.isnan(own)
        if not named.any() or not len(self.raw):
            return False
        rows = self.raw[:, named]
        return bool((np.isclose(rows, own[named], rtol=1e-9) | np.isnan(rows)).all(1).any())

    def new_or_random(self, row: np.ndarray) -> np.ndarray:
        """The row made legal, or a random one if it was tried; the nearest candidate, (1, p)."""
        if self.shortlist:
            return self.shortlist.nearest(row)
        first = self.legal(row)
        if row_key(first[0]) not in self.seen:
            return first
        others = self.legal(self.space.uniform(_DRAWS, self.rng))
        new = np.flatnonzero(self.optimiser().new(others))
        return others[new[:1]] if len(new) else first

    @cached_property
    def related(self) -> Related | None:
        """The past tasks of this study's space."""
        if self.model is None:
            return None
        shown = {**self.ask.view.distributions, **self.ask.asked}
        for name in self.ask.kept if self.ask.defaults else ():
            if name in self.ask.defaults[0]:
                shown[name] = CategoricalDistribution((self.ask.defaults[0][name],))  # type: ignore[arg-type]
        return Related.of(self.model, shown)

    def judged(self, default: Mapping[str, object]) -> bool:
        """Whether the history has tried a default often enough to say what to try first."""
        enough = self.ask.judged_by
        if enough is None or self.related is None:
            return False
        return self.related.n_tried(default) >= enough

    def next_of_portfolio(self) -> np.ndarray | None:
        """The first configuration of the portfolio that was not tried, (1, p)."""
        related = self.related
        if self.model is None or related is None or not related.tasks:
            return None
        codec, pool = self.model.codec, related.pool()
        if self.shortlist:
            pool, left = (codec.to_raw(c) for c in (self.ask.candidates, self.shortlist.given))
        picks = self.model.portfolio(
            related=related.tasks, task=self.ask.task, pool=pool, price=self.ask.price
        )
        for row in picks:
            if self.shortlist:
                listed = [k for k, key in enumerate(row_keys(left)) if key == row_key(row)]
                if listed:
                    return self.shortlist.rows[listed[:1]]
                continue
            known = self.space.codec.translate(row[None], self.model.codec)
            legal = self.legal(self.space.complete(known, self.rng))
            if row_key(legal[0]) not in self.seen:
                return legal
        return None

    def observations(self) -> tuple[Inputs, np.ndarray, np.ndarray, Inputs]:
        """Scored configurations, their scores and doubts, and those of a believed outcome.

        These are the running ones, and the failed: a failure is no score, but the place is known.
        """
        running = self.raw[np.isnan(self.ask.view.scores)][-_MAX_OBSERVED // 4 :]
        return (
            self.inputs(self.raw[self.scored]),
            self.ask.view.scores[self.scored],
            self.ask.view.doubt[self.scored],
            self.inputs(running),
        )

    def fitted_to(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Every scored configuration as the study's own process sees it, its score, its doubt."""
        scored = ~np.isnan(self.ask.view.scores)
        own = self.space.codec.encode(self.raw[scored])
        return own, self.ask.view.scores[scored], self.ask.view.doubt[scored]

    def inputs(self, raw: np.ndarray) -> Inputs:
        """Rows as the experts see them."""
        own = self.space.codec
        if self.model is None:
            none = np.zeros((len(raw), 0))
            return Inputs(none, none, none, own.encode(raw))
        return self.model.inputs(raw, own, task=self.ask.task, models=self.ask.models)

    def optimiser(self) -> Optimiser:
        """A search of this trial's space."""
        return Optimiser(self.space.uniform, self.space.perturbed, self.legal, self.seen)

    def best_first(self) -> np.ndarray:
        """Scored configurations, best first, (n, p)."""
        order = np.argsort(-self.ask.view.scores[self.scored], kind="stable")
        return self.raw[self.scored[order]]

    def history_best(self) -> np.ndarray:
        """Past tasks' best configurations, without gaps, (m, p)."""
        if self.model is None:
            return np.zeros((0, len(self.space.codec.params)))
        best, related = self.model.best, self.related
        if related is not None and (able := related.can_take(best)).any():
            best = best[able]
        known = self.space.codec.translate(best, self.model.codec)
        return self.space.complete(known, self.rng)

    def feasibility(self) -> Feasibility | None:
        """Where trials fail, by this study and by the history."""
        codec = self.space.codec
        failed = self.raw[self.ask.view.failed]
        ran = self.raw[self.scored]
        if self.model is not None:
            past = codec.translate(self.model.failed, self.model.codec)
            failed = np.concatenate([failed, past])
            if len(past):
                ran = np.concatenate([ran, codec.translate(self.model.ran, self.model.codec)])
        return Feasibility.fit(
            codec.encode(ran), codec.encode(failed), n_params=len(codec.params), seed=0
        )

    def cheapest(self, raw: np.ndarray, value: np.ndarray, threshold: float) -> np.ndarray:
        """Of the configurations within the threshold of the best the one of least seconds."""
        near = raw[value >= value[0] + np.log1p(-threshold)]
        relative = self._relative_seconds(near)
        return raw[:1] if relative is None else near[[int(np.argmin(relative))]]

    @property
    def knows_seconds(self) -> bool:
        """Whether `log_seconds` is more than a guess."""
        return bool(self._timed.any()) or (self.model is not None and self.model.cost is not None)

    def log_seconds(self, raw: np.ndarray) -> np.ndarray:
        """Predicted log seconds of whole trials with these configurations (q, p): (q,)."""
        relative = self._relative_seconds(raw)
        correction = self._own_seconds.correction(self._cost_rows(raw))
        return np.clip(correction + (0.0 if relative is None else relative), -20.0, 20.0)

    @cached_property
    def _timed(self) -> np.ndarray:
        """(n,) which of the trials tell how long they take; the latest of too many."""
        timed = np.isfinite(self.ask.view.log_seconds)
        return timed & (np.cumsum(timed[::-1])[::-1] <= _MAX_TIMED)

    @cached_property
    def _own_seconds(self) -> OwnSeconds:
        raw = self.raw[self._timed]
        cost = None if self.model is None else self.model.cost
        return OwnSeconds.fit(
            self._cost_rows(raw),
            self.ask.view.log_seconds[self._timed],
            self._relative_seconds(raw),
            0.0 if cost is None else cost.offset,
            ANY_LEVEL if cost is None else cost.spread,
        )

    def _cost_rows(self, raw: np.ndarray) -> np.ndarray:
        return work_rows(self.space.codec, self.space.codec.encode(raw))

    def _relative_seconds(self, raw: np.ndarray) -> np.ndarray | None:
        """What the history expects of log seconds but for the task's level, (n,)."""
        return None if self.model is None else self.model.relative_seconds(self.inputs(raw))

    def outlook(self, row: np.ndarray) -> dict[str, object]:
        """Whose studies were learned from, predicted seconds, the nearest past tasks."""
        if self.model is None:
            return {}
        out: dict[str, object] = {"learned_from": self.model.tasks.learned_from}
        if self.model.cost is not None:
            out["seconds"] = float(np.exp(self.log_seconds(row)[0]))
        if self.n_observed >= 2:
            known = self.model.codec.translate(self.raw[self.scored], self.space.codec)
            names, weights = self.model.nearest(known, self.ask.view.scores[self.scored], _NEAREST)
            out["nearest"] = {n: round(float(w), 3) for n, w in zip(names, weights, strict=True)}
        return out
