"""Where do the embedded support sets of past selections wait, and which may be learnt from?"""

from __future__ import annotations

import hashlib
import logging
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from foretune.core import DataError, ModelError, TaskInfo, TaskKind
from foretune.select import Support, without_duplicates

if TYPE_CHECKING:
    from foretune.config.schema.trainer import TrainerConfig
    from foretune.train import ModelCard
    from foretune.train.probe import Vectors

_log = logging.getLogger(__name__)

_DAMAGED = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)


def vector_file(
    folder: Path, info: TaskInfo, card: ModelCard, *, size: int, seed: int, trainer: TrainerConfig
) -> Path:
    """The file of a model's view of a support set: by data, model, revision and way of reading."""
    reading = (size, seed, trainer.max_length, trainer.truncation.value)
    key = (info.fingerprint, *reading, card.name, card.checkpoint, card.revision)
    digest = hashlib.blake2b(repr(key).encode(), digest_size=16).hexdigest()
    return folder / f"probe-{digest}.npz"


def read_vectors(file: Path) -> Vectors | None:
    """What `keep_vectors` wrote; None: it is not there, or damaged."""
    from foretune.train.probe import Vectors

    try:
        with np.load(file, allow_pickle=False) as held:
            source = held["source"] if len(held["source"]) else None
            return Vectors(held["features"], held["targets"], float(held["seconds"]), source)
    except _DAMAGED:
        return None


def keep_vectors(file: Path, info: TaskInfo, found: Vectors) -> None:
    """Write beside and rename, with the task that they are of; a failure is no error."""
    source = np.zeros(0) if found.source is None else found.source
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part.npz")
        np.savez(
            part, features=found.features, targets=found.targets, seconds=found.seconds,
            source=source, task=np.array([info.name, info.asked]),
            fingerprint=np.array(info.fingerprint), kind=np.array(info.kind.value),
        )  # fmt: skip
        part.replace(file)
    except OSError as error:
        _log.info("embeddings are not kept: %s", error)


def past_supports(folder: Path, info: TaskInfo) -> dict[str, dict[Path, Support]]:
    """The embedded support sets of other tasks than ``info``: by task and file, of any model.

    Never those of its name or its data. Files that are damaged, or that say nothing of their task,
    are passed over, as are support sets of one class.
    """
    found: dict[str, dict[Path, Support]] = {}
    for file in sorted(folder.glob("probe-*.npz")):
        try:
            with np.load(file, allow_pickle=False) as held:
                names = [str(name) for name in held["task"]]
                same = str(held["fingerprint"]) == info.fingerprint
                if same or {info.name, info.asked} & set(names):
                    continue
                is_class = str(held["kind"]) != TaskKind.TEXT_REGRESSION.value
                support = Support.of(held["features"], held["targets"], is_class=is_class)
        except (*_DAMAGED, DataError, ModelError):
            continue
        found.setdefault(names[0], {})[file] = without_duplicates(support)[0]
    return found
