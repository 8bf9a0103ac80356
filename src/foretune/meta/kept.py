"""Which networks are trained already? Those in the cache, and those that ship.

A history that is the shipped one, or the shipped one without a family, needs no training:
``benchmarks/shipped_models.py`` trained for each, ``history/shipped/models`` holds what came of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from optuna.distributions import distribution_to_json
from torch import nn

from foretune.history import HistoryRecords, StudyRecord
from foretune.history.attrs import METRIC
from foretune.history.seed import SEED_FILE
from foretune.meta import cache

MODELS = SEED_FILE.with_name("models")
_SAID = ("task_descriptors", "model_descriptors", METRIC)  # study attributes that are learnt from


@dataclass(frozen=True)
class Kept:
    """Where one network may wait.

    Attributes:
        cached: In the cache; None: nothing is kept there.
        shipped: Among those that ship.
    """

    cached: Path | None
    shipped: Path

    @classmethod
    def of(
        cls,
        kind: str,
        records: HistoryRecords,
        *,
        settings: tuple[object, ...],
        makers: tuple[str, ...],
        arrays: Iterable[np.ndarray],
        cache_dir: Path | None,
    ) -> Kept:
        """Where the network of a history waits.

        Args:
            kind: What it is.
            records: The history.
            settings: The numbers of the training.
            makers: The modules that make it.
            arrays: What the training sees.
            cache_dir: Where trained networks are kept; None: nowhere; `MODELS`: to be shipped.
        """
        shipped = MODELS / f"{kind}-{cache.model_key(settings, makers, (), content(records))}.npz"
        if cache_dir is None or cache_dir == MODELS:
            return cls(None if cache_dir is None else shipped, shipped)
        return cls(cache_dir / f"{kind}-{cache.model_key(settings, makers, arrays)}.npz", shipped)

    def load(self, network: nn.Module) -> bool:
        """Fill an untrained ``network``; False if none waits."""
        places = (self.shipped, self.cached)
        return any(path is not None and cache.load(path, network) for path in places)

    def save(self, network: nn.Module) -> None:
        """Keep a trained network in the cache, if there is one."""
        if self.cached is not None:
            cache.save(self.cached, network)


def content(records: HistoryRecords) -> str:
    """Hash of what a history's studies say, whatever they are called and in whatever order.

    Of recorded values alone: it is the same on every machine, which computed ones are not to the
    last bit. Empty where shipped studies stand beside others, and count for less.
    """
    if len({study.shipped for study in records.studies}) > 1:
        return ""
    return " ".join(sorted(_digest(study) for study in records.studies))


def _digest(study: StudyRecord) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for part in _parts(study):
        digest.update(part)
    return digest.hexdigest()


def _parts(study: StudyRecord) -> Iterator[bytes]:
    said = {name: study.user_attrs.get(name) for name in _SAID}
    yield json.dumps([study.maximize, said], sort_keys=True, default=str).encode()
    for column in sorted(study.columns, key=lambda c: c.name):
        yield f"{column.name} {distribution_to_json(column.distribution)}".encode()
        yield column.values.tobytes()
    curves = study.curves
    for array in (study.values, study.states, curves.trial, curves.step, curves.value):
        yield np.ascontiguousarray(array).tobytes()
