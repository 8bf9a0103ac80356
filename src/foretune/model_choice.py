"""Which of the pretrained models fits the task, seen from a few labelled examples?"""

from __future__ import annotations

import hashlib
import logging
import math
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from foretune.config.schema.selection import SelectionConfig
from foretune.core import DataError, ModelError, TaskKind
from foretune.select import (
    PROBES,
    Candidate,
    Choice,
    Support,
    choose,
    rank_average,
    without_duplicates,
)

if TYPE_CHECKING:
    from foretune.config.schema.trainer import TrainerConfig
    from foretune.train import ModelCard, TaskData
    from foretune.train.probe import Vectors

_log = logging.getLogger(__name__)

_DRAWS, _SHARE = 20, 0.75  # subsets of the support set, for the interval
_QUANTILES = (0.1, 0.9)
_BACKWARD = 3.0  # a training step over a forward pass (Kaplan et al. 2020, table 1: 1 + 2)
_FLOAT_MB = 4.0  # a million parameters
_DAMAGED = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)


@dataclass(frozen=True)
class Member:
    """One model as the support set shows it.

    Attributes:
        name: The model.
        probes: Each probe's score, higher is better, NaN where it has no meaning.
        score: The selector's, higher is better.
        low, high: 10 % and 90 % quantiles of the score on three quarters of the support set.
        seconds: Predicted for its default configuration on all training rows.
        memory_mb: Of its weights.
    """

    name: str
    probes: Mapping[str, float]
    score: float
    low: float
    high: float
    seconds: float
    memory_mb: float


@dataclass(frozen=True)
class ModelChoice:
    """What was chosen, from what.

    Attributes:
        choice: The model and the reason.
        members: Every model that could be judged, best first.
        left_out: A sentence on each that could not.
        n_rows: Rows of the support set.
        probe_s: Seconds that reading the support set took, all models together.
    """

    choice: Choice
    members: tuple[Member, ...]
    left_out: tuple[str, ...]
    n_rows: int
    probe_s: float


def choose_model(
    data: TaskData,
    cards: Mapping[str, ModelCard],
    *,
    selection: SelectionConfig,
    trainer: TrainerConfig,
    cache_dir: Path,
) -> ModelChoice:
    """Show every model the same few training rows and choose one, without any training.

    A model whose checkpoint cannot be had or whose embeddings are no numbers is left out and named.

    Args:
        data: The task.
        cards: The models, by name.
        selection: How to choose.
        trainer: Device, threads and lengths.
        cache_dir: Where embeddings are kept for the next time.

    Raises:
        DataError: The support set cannot tell models apart: one class, or fewer rows than classes.
        ModelError: No model is left.
    """
    from foretune.train.probe import Prober, support_rows

    rows = support_rows(data, selection.support_size, selection.seed)
    prober = Prober(data, rows, trainer, selection.seed)
    kept: dict[str, tuple[Support, float]] = {}
    left_out = []
    seen = (data.info.fingerprint, selection.support_size, selection.seed)
    reading = (trainer.max_length, trainer.truncation.value)
    for name, card in cards.items():
        try:
            key = (seen, reading, name, card.checkpoint, card.revision)
            found = _cached(cache_dir, key, partial(prober.vectors, card))
            kept[name] = _support(data, found, len(rows)), found.seconds
        except ModelError as error:
            left_out.append(f"left out: {name}: {error}")
    if not kept:
        found_none = "expected at least one model that can be judged, found none"
        raise ModelError("\n".join([found_none, *left_out]))
    scores = {name: _probed(support) for name, (support, _) in kept.items()}
    values = _selected(scores, selection.method)
    spread = _intervals({name: support for name, (support, _) in kept.items()}, selection)
    members = [
        Member(
            name=name,
            probes=scores[name],
            score=values[name],
            low=min(spread[name][0], values[name]),
            high=max(spread[name][1], values[name]),
            seconds=_seconds(cards[name], data, kept[name][1] / len(rows)),
            memory_mb=cards[name].parameters_m * _FLOAT_MB,
        )
        for name in kept
    ]
    members.sort(key=lambda m: (-m.score, m.name))
    scale = members[0].score - members[-1].score
    choice = choose(
        [Candidate(m.name, m.score, m.low, m.high, m.seconds) for m in members],
        selection.threshold * scale,
    )
    probe_s = sum(seconds for _, seconds in kept.values())
    return ModelChoice(choice, tuple(members), tuple(left_out), len(rows), probe_s)


def _support(data: TaskData, found: Vectors, n_rows: int) -> Support:
    kind = data.info.kind
    n_classes = len(data.info.classes)
    if kind in (TaskKind.TEXT_CLASSIFICATION, TaskKind.IMAGE_CLASSIFICATION) and n_rows < n_classes:
        raise DataError(
            f"expected at least one example of each of {n_classes} classes, got {n_rows}: raise "
            "selection.support_size"
        )
    is_class = kind is not TaskKind.TEXT_REGRESSION
    support, n_dropped = without_duplicates(
        Support.of(found.features, found.targets, is_class=is_class)
    )
    if n_dropped:
        _log.info("%d of %d rows of the support set were repeated", n_dropped, n_rows)
    return support


def _probed(support: Support) -> dict[str, float]:
    return {name: probe(support) for name, probe in PROBES.items()}


def _selected(scores: Mapping[str, Mapping[str, float]], method: str) -> dict[str, float]:
    """Each model's score by the selector.

    Raises:
        ModelError: The probe has no meaning for the task.
    """
    if method == "rank_average":
        return rank_average(scores)
    if all(math.isnan(own[method]) for own in scores.values()):
        raise ModelError(
            f"selection.method: {method} has no meaning for this task: choose rank_average, logme "
            "or ridge_loo"
        )
    return {name: own[method] for name, own in scores.items()}


def _intervals(
    supports: Mapping[str, Support], selection: SelectionConfig
) -> dict[str, tuple[float, float]]:
    """Of each model the score's quantiles over subsets of the support set, drawn for all alike."""
    drawn: dict[str, list[float]] = {name: [] for name in supports}
    for draw in range(_DRAWS):
        scores: dict[str, dict[str, float]] = {}
        for name, support in supports.items():
            n = len(support.targets)
            rng = np.random.default_rng([selection.seed, draw])
            rows = np.sort(rng.permutation(n)[: max(2, round(_SHARE * n))])
            try:
                subset = Support.of(
                    support.features[rows], support.targets[rows], is_class=support.is_class
                )
            except DataError:  # a subset of one class says nothing
                continue
            scores[name] = _probed(subset)
        if len(scores) == len(supports):
            for name, value in _selected(scores, selection.method).items():
                drawn[name].append(value)
    return {
        name: tuple(np.quantile(values, _QUANTILES)) if values else (-math.inf, math.inf)
        for name, values in drawn.items()
    }


def _seconds(card: ModelCard, data: TaskData, per_row: float) -> float:
    """Predicted seconds of the default configuration, from the seconds of reading a row once."""
    epochs = float(card.default_for(data.info.kind.value).get("epochs", 1))
    rows = data.info.rows
    return per_row * epochs * (_BACKWARD * rows["train"] + rows["validation"])


def _cached(folder: Path, key: object, make: Callable[[], Vectors]) -> Vectors:
    """Vectors from the cache, or made and kept there; one that cannot be kept is no error."""
    from foretune.train.probe import Vectors

    digest = hashlib.blake2b(repr(key).encode(), digest_size=16).hexdigest()
    path = folder / f"probe-{digest}.npz"
    try:
        with np.load(path, allow_pickle=False) as held:
            return Vectors(held["features"], held["targets"], float(held["seconds"]))
    except _DAMAGED:
        found = make()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.npz")
        np.savez(part, features=found.features, targets=found.targets, seconds=found.seconds)
        part.replace(path)
    except OSError as error:
        _log.info("embeddings are not kept: %s", error)
    return found
