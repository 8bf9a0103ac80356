"""What does each model make of the support set? Embeddings, kept for the next time."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from foretune.core import DataError, ModelError, TaskInfo, TaskKind, format_duration
from foretune.select import PROBES, Support, leep, without_duplicates
from foretune.selection.cache import keep_vectors, read_vectors, vector_file

if TYPE_CHECKING:
    from foretune.config.schema.trainer import TrainerConfig
    from foretune.train import ModelCard, TaskData
    from foretune.train.probe import Prober, Vectors

_log = logging.getLogger(__name__)

_CLASSES = (TaskKind.TEXT_CLASSIFICATION, TaskKind.IMAGE_CLASSIFICATION)


@dataclass(frozen=True, eq=False)
class View:
    """One model's view of the support set.

    Attributes:
        support: The embedded rows, each once.
        probes: Each probe's score, NaN where it has no meaning.
        seconds: That reading the rows took when it was done.
    """

    support: Support
    probes: Mapping[str, float]
    seconds: float


@dataclass(frozen=True, eq=False)
class Views:
    """What the models that can be judged see.

    Attributes:
        of: By model, in the given order.
        left_out: A sentence on each model that could not be judged.
        n_rows: Rows of the support set.
        seconds: That all of it took, loading the models included; 0 to 1 from the cache.
    """

    of: Mapping[str, View]
    left_out: tuple[str, ...]
    n_rows: int
    seconds: float


def view_all(
    data: TaskData,
    cards: Mapping[str, ModelCard],
    *,
    size: int,
    seed: int,
    trainer: TrainerConfig,
    cache_dir: Path,
    max_s: float | None = None,
) -> Views:
    """Show every model the same few training rows.

    A model whose checkpoint cannot be had, that does not fit into memory, or whose embeddings are
    no numbers is left out and named; so are those that ``max_s`` leaves no time for.

    Args:
        data: The task.
        cards: The models, in the order of preference.
        size: Rows of the support set.
        seed: Draws it.
        trainer: Device, threads and lengths.
        cache_dir: Where embeddings are kept, by the data's fingerprint, model and revision.
        max_s: Seconds after which no further model is shown anything; the first two always are.

    Raises:
        DataError: The support set cannot tell models apart: one class, or fewer rows than classes.
        ModelError: No model is left.
    """
    from foretune.train.probe import Prober, support_rows

    rows = support_rows(data, size, seed)
    n_classes = len(data.info.classes)
    if data.info.kind in _CLASSES and len(rows) < n_classes:
        raise DataError(
            f"expected at least one example of each of {n_classes} classes, got {len(rows)}: raise "
            "selection.support_size"
        )
    prober = Prober(data, rows, trainer, seed)
    found: dict[str, View] = {}
    left_out = []
    began = time.perf_counter()
    for name, card in cards.items():
        if max_s is not None and len(found) > 1 and time.perf_counter() - began > max_s:
            left_out.append(f"left out: {name}: the {format_duration(max_s)} for probing are over")
            continue
        file = vector_file(cache_dir, data.info, card, size=size, seed=seed, trainer=trainer)
        try:
            found[name] = _view(data, _vectors(file, prober, card, data.info))
        except ModelError as error:
            left_out.append(f"left out: {name}: {error}")
    if not found:
        raise ModelError(
            "\n".join(["expected at least one model that can be judged, found none", *left_out])
        )
    return Views(found, tuple(left_out), len(rows), time.perf_counter() - began)


def look_ahead(
    data: TaskData,
    cards: Mapping[str, ModelCard],
    sets: Sequence[tuple[int, int]],
    *,
    trainer: TrainerConfig,
    cache_dir: Path,
) -> None:
    """Fill the cache for many support sets at once: each model reads the training rows once.

    What `view_all` then finds there is what it would have made, but that the seconds are each
    set's share of the whole reading. A model that is drawn, wholly or in part, is passed over: it
    is another one for each seed.

    Args:
        data: The task.
        cards: The models.
        sets: Size and seed of each support set.
        trainer: Device, threads and lengths.
        cache_dir: Where embeddings are kept.
    """
    from foretune.train.probe import Prober, support_index

    prober = Prober(data, data.train, trainer, 0)
    for card in cards.values():
        files = {
            (size, seed): vector_file(
                cache_dir, data.info, card, size=size, seed=seed, trainer=trainer
            )
            for size, seed in sets
        }
        wanted = [of for of, file in files.items() if not file.exists()]
        if not wanted or _is_drawn(card):
            continue
        parts = [(support_index(data, size, seed), seed) for size, seed in wanted]
        for of, vectors in zip(wanted, prober.vectors_of(card, parts), strict=True):
            keep_vectors(files[of], data.info, _with_source(vectors, card))


def _is_drawn(card: ModelCard) -> bool:
    """Whether some of the encoder's weights come from no checkpoint."""
    from foretune.config.schema.model import Library, Source

    # A BiLSTM on another model's word vectors is pretrained up to these.
    words_alone = card.library is Library.bilstm and card.source is not Source.path
    return words_alone or card.source is Source.scratch


def _vectors(file: Path, prober: Prober, card: ModelCard, info: TaskInfo) -> Vectors:
    """From the cache, or made and kept there."""
    found = read_vectors(file)
    if found is None:
        found = _with_source(prober.vectors(card), card)
        keep_vectors(file, info, found)
    return found


def _with_source(found: Vectors, card: ModelCard) -> Vectors:
    from foretune.train.source_head import load_source_head

    head = load_source_head(card)
    if head is None or found.features.shape[1] != head.width:
        return found
    return replace(found, source=head.probabilities(found.features))


def _view(data: TaskData, vectors: Vectors) -> View:
    is_class = data.info.kind is not TaskKind.TEXT_REGRESSION
    whole = Support.of(vectors.features, vectors.targets, is_class=is_class)
    support, n_dropped = without_duplicates(whole)
    if n_dropped:
        _log.info("%d of %d rows of the support set were repeated", n_dropped, len(whole.targets))
    probes = {name: probe(support) for name, probe in PROBES.items()}
    probes["leep"] = math.nan
    if data.info.kind in _CLASSES and vectors.source is not None:
        probes["leep"] = leep(vectors.source, vectors.targets)
    return View(support, probes, vectors.seconds)
