"""What does a curve's beginning say about its end? By the history's curves, or by the study's."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import astuple, dataclass, field
from pathlib import Path

import numpy as np
import torch

from foretune.history import HistoryRecords, StudyRecord
from foretune.meta import cache as files
from foretune.meta.codec import Codec
from foretune.meta.curve_network import (
    CurveNetwork,
    PastCurves,
    draw_episodes,
    train_curves,
    untrained,
    with_configurations,
)
from foretune.meta.curve_transfer import measure
from foretune.meta.curves import N_FEATURES, SLOPE_UNIT, Curve, CurveSet, compare, completed
from foretune.meta.kept import Kept
from foretune.meta.own_curves import Prediction
from foretune.meta.tasks import common_codec, raw_rows
from foretune.meta.transfer import Transfer

_log = logging.getLogger(__name__)

_MEMBERS = 5
_MAX_STUDIES = 256
_MAX_TRIALS = 256
_MIN_CURVES = 8  # of a past study, so that an episode has a context and others to ask about
_MIN_STUDIES = 2
_TEN_PER_CENT = math.log(9.0)  # from a logistic distribution's centre to its 10 and 90 % quantiles
_CHECKED_AT = (0.25, 0.5)  # of the way: where the study's own completed curves test the history
_CHECKED = 12  # of them at most, the latest
_MEAN_ERROR = 2.0 * math.log(2.0)  # of a logistic distribution, in its scales
_FAR = 30.0  # placed; the hyperbolic sine of more is no number for people
_BELIEF = 8.0  # checks that what the left-out past tasks said is worth


@dataclass(frozen=True)
class CurveModel:
    """What the curves of past studies teach.

    Attributes:
        codec: The scale of the past studies' parameters.
        network: The ensemble.
        n_studies: Past studies that it learnt from.
        from_cache: Whether it was loaded rather than trained.
    """

    codec: Codec
    network: CurveNetwork
    n_studies: int
    from_cache: bool = field(default=False, compare=False)

    @classmethod
    def fit(
        cls, records: HistoryRecords, *, iterations: int, seed: int, cache_dir: Path | None
    ) -> CurveModel | None:
        """Learn from a history's curves, or load what was learnt from them before.

        Args:
            records: The history.
            iterations: Steps of the training.
            seed: Of the training.
            cache_dir: Where trained networks are kept; None: nowhere.

        Returns:
            None where fewer than two past studies have curves to learn from.
        """
        usable: list[tuple[StudyRecord, CurveSet, np.ndarray]] = []
        for study in records.studies:
            found = completed(study, _MAX_TRIALS)
            if found is None or len(found[0].grid) < 2 or len(found[1]) < _MIN_CURVES:
                continue
            if found[0].unit > 0:
                usable.append((study, *found))
        usable = usable[:: len(usable) // _MAX_STUDIES + 1]
        if len(usable) < _MIN_STUDIES:
            return None
        codec, _ = common_codec([study for study, _, _ in usable])
        past = [
            PastCurves(curves, codec.encode(raw_rows(study, codec)[rows]))
            for study, curves, rows in usable
        ]
        kept = Kept.of(
            "curves", records, settings=(iterations, seed, _MEMBERS), makers=files.CURVE_MAKERS,
            arrays=_arrays(past), cache_dir=cache_dir,
        )  # fmt: skip
        network = untrained(N_FEATURES + 2 * codec.width, _MEMBERS, seed)
        if kept.load(network.eval().requires_grad_(False)):
            return cls(codec, network, len(past), from_cache=True)
        episodes = draw_episodes(past, np.random.default_rng(seed))
        if episodes is None:
            return None
        network = train_curves(
            episodes, members=_MEMBERS, n_tasks=len(past), steps=iterations, seed=seed
        )
        told = measure(network, past, seed)
        if told.n_tasks:
            network.evidence = torch.tensor(astuple(told), dtype=torch.float64)
        kept.save(network)
        return cls(codec, network, len(past))

    @property
    def transfer(self) -> Transfer:
        """How well the past studies' curves were predicted by members that never saw them."""
        correlation, error, n_tasks, least = self.network.evidence.tolist()
        return Transfer(correlation, error, int(n_tasks), least) if n_tasks else Transfer()

    def predict(
        self, context: CurveSet, X: np.ndarray, curve: Curve, query: np.ndarray, *, doubt: float
    ) -> Prediction:
        """What a partial curve will come to.

        Args:
            context: Completed curves of its study.
            X: Their encoded configurations, (n, d).
            curve: The partial curve.
            query: Its encoded configuration, (d,).
            doubt: From `doubt`.
        """
        location, scale, logit, x = self._ask(context, X, curve, query)
        calm = self.network.calibrated(logit, x) / doubt
        chance = float(torch.sigmoid(calm).mean())
        unit = context.unit * SLOPE_UNIT
        best = float(context.final.max())
        centre = float(location.mean())
        width = _TEN_PER_CENT * doubt * float((scale**2 + (location - centre) ** 2).mean().sqrt())
        low, score, high = (
            best + unit * math.sinh(max(-_FAR, min(_FAR, t)))
            for t in (centre - width, centre, centre + width)
        )
        return Prediction(chance, score, low, high, "history")

    def _ask(
        self, context: CurveSet, X: np.ndarray, curve: Curve, query: np.ndarray
    ) -> tuple[torch.Tensor, ...]:
        if context.of_best:
            curve = curve.best_so_far()
        x = float(curve.x[-1])
        plain = compare(
            context, x, first_x=float(curve.x[0]), query=curve.lagged()[None],
            best=np.array([curve.value.max()]),
        )  # fmt: skip
        incumbent = X[int(np.argmax(context.final))]
        features = torch.from_numpy(with_configurations(plain, query[None], incumbent))
        location, scale, logit = self.network(features)
        return location.double(), scale.double(), logit.double(), features[:, 0].double()

    def doubt(self, context: CurveSet, X: np.ndarray) -> float:
        """How much farther off the history's predictions are on this study than they say, >= 1.

        Each completed curve is predicted from its beginning and the other curves; errors count in
        the predicted scale. Without evidence 1.
        """
        n = len(context.final)
        errors = []
        for i in range(n - 1, max(-1, n - 1 - _CHECKED), -1):
            others = np.flatnonzero(np.arange(n) != i)
            rest = context.rows(others)
            if not len(others) or rest.unit <= 0:
                continue
            for share in _CHECKED_AT:
                seen = context.grid <= math.log(share)
                if not seen.any():
                    continue
                curve = Curve(context.grid[seen], context.V[i, seen])
                location, scale, _, _ = self._ask(rest, X[others], curve, X[i])
                gap = (context.final[i] - rest.final.max()) / (rest.unit * SLOPE_UNIT)
                errors.append(float((abs(math.asinh(gap) - location) / scale).mean()))
        expected = _MEAN_ERROR * (_BELIEF + len(errors))
        return max(1.0, (_MEAN_ERROR * _BELIEF + sum(errors)) / expected)


def _arrays(past: list[PastCurves]) -> Iterator[np.ndarray]:
    """What training sees."""
    for study in past:
        c = study.curves
        yield from (c.grid, c.V, c.reported, c.first, c.final, study.X)
