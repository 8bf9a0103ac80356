"""Which selector does a name mean? Each judges every model that it is shown."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from foretune.core import ModelError, unknown_name
from foretune.select.bandit import thompson
from foretune.select.baselines import default_member, drawn, largest, oracle
from foretune.select.episodes import Episode
from foretune.select.learned import learn
from foretune.select.maml import HeadStart, maml
from foretune.select.probes import PROBES
from foretune.select.ranking import rank_average
from foretune.select.shown import Judged, Selector, Shown
from foretune.select.support import Support

# Whose scores are final scores as predicted, so that a threshold is one in the metric's own unit.
IN_SCORE_UNITS = frozenset({"meta", "bandit", "oracle"})
BASELINES: Mapping[str, Selector] = {
    "default": default_member,
    "largest": largest,
    "random": drawn,
    "oracle": oracle,
}
SELECTORS = (*PROBES, "leep", "rank_average", "meta", "maml", "bandit", *BASELINES)
FALLBACK = "logme"  # what meta does with no past selections

_DRAWS, _SHARE = 20, 0.75  # subsets of the support set, for the interval of a probe
_QUANTILES = (0.1, 0.9)


def build_selector(
    name: str,
    *,
    episodes: Sequence[Episode] = (),
    start: HeadStart | None = None,
    pulls: int = 24,
    rate: float = 1e-3,
    iterations: int = 1000,
    seed: int = 0,
) -> tuple[Selector, str]:
    """The selector of that name, and a line on what it learnt from (empty: from nothing).

    Args:
        name: One of `SELECTORS`.
        episodes: Past selections, for meta and for the bandit's prior.
        start: Meta-trained, for maml; None: as it comes.
        pulls: Short fine-tunes that the bandit may spend.
        rate: Meta learning rate.
        iterations: Meta-iterations.
        seed: Of the meta-training.

    Raises:
        ModelError: There is no selector of that name.
    """
    if name in BASELINES:
        return BASELINES[name], ""
    if name == "maml":
        return partial(maml, start=start), ""
    if name in ("meta", "bandit"):
        learned = learn(episodes, rate=rate, iterations=iterations, seed=seed)
        tasks = len({e.task for e in episodes})
        line = f"{name}: learnt from {len(episodes)} past selections on {tasks} tasks"
        if name == "bandit":
            return _bandit(learned, pulls), line if learned else ""
        if learned is not None:
            return learned, line
        why = f"{name}: {tasks} past tasks, too few to learn from; {FALLBACK} judges"
        return partial(by_probe, FALLBACK), why
    if name in SELECTORS:
        return partial(by_probe, name), ""
    raise ModelError(unknown_name("selector", name, SELECTORS))


def by_probe(name: str, shown: Shown) -> dict[str, Judged]:
    """Each model's score by one probe or by their rank average, with an interval.

    The interval is that of the score on random three quarters of the support set, the same rows
    for every model (of the same number of observations).

    Raises:
        ModelError: The probe has no meaning for the task.
    """
    values = selected(shown.probes, name)
    drawn_values: dict[str, list[float]] = {n: [] for n in shown.supports}
    for draw in range(_DRAWS if name != "leep" else 0):
        scores: dict[str, dict[str, float]] = {}
        for model, support in shown.supports.items():
            subset = _subset(support, shown.rng(draw))
            if subset is not None:
                scores[model] = {k: probe(subset) for k, probe in _needed(name).items()}
        if len(scores) == len(shown.supports):
            for model, value in selected(scores, name).items():
                drawn_values[model].append(value)
    return {model: _judged(values[model], drawn_values[model]) for model in shown.supports}


def selected(scores: Mapping[str, Mapping[str, float]], name: str) -> dict[str, float]:
    """Each model's score by the probe, or its mean rank over all.

    Raises:
        ModelError: The probe has no meaning for the task, or none for one of the models.
    """
    if name == "rank_average":
        return rank_average(scores)
    values = {model: own.get(name, math.nan) for model, own in scores.items()}
    without = [model for model, value in values.items() if math.isnan(value)]
    if len(without) == len(values):
        raise ModelError(
            f"selection.method: {name} has no meaning for this task and these models: choose "
            "rank_average, logme or ridge_loo"
        )
    least = min(v for v in values.values() if not math.isnan(v))
    return {model: least if math.isnan(v) else v for model, v in values.items()}


def _bandit(learned: Selector | None, pulls: int) -> Selector:
    def select(shown: Shown) -> Mapping[str, Judged]:
        prior = None if learned is None else learned(shown)
        return thompson(shown, prior, pulls=pulls)

    return select


def _needed(name: str) -> Mapping[str, Callable[[Support], float]]:
    return PROBES if name == "rank_average" else {name: PROBES[name]}


def _subset(support: Support, rng: np.random.Generator) -> Support | None:
    n = len(support.targets)
    rows = np.sort(rng.permutation(n)[: max(2, round(_SHARE * n))])
    return support.part(rows)  # a subset of one class says nothing


def _judged(value: float, others: Sequence[float]) -> Judged:
    if not others:
        return Judged(value, -math.inf, math.inf)
    low, high = np.quantile(others, _QUANTILES)
    return Judged(value, min(float(low), value), max(float(high), value))
