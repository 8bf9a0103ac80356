"""Where does a trained meta-model wait for the next process? In one file of plain arrays."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import nn

_log = logging.getLogger(__name__)
_DAMAGED = (
    OSError, ValueError, KeyError, RuntimeError, TypeError, EOFError, zipfile.BadZipFile,
    zlib.error,
)  # fmt: skip
META_MAKERS = ("codec", "context", "gp", "network", "normalise", "tasks", "training")
CURVE_MAKERS = (
    "codec", "curve_network", "curve_transfer", "curves", "normalise", "tasks", "transfer",
)  # fmt: skip
_KEPT = 64  # files; the least recently used go first


def default_cache_dir() -> Path:
    """``$FORETUNE_CACHE``, else the user's cache folder."""
    given = os.environ.get("FORETUNE_CACHE")
    base = os.environ.get("XDG_CACHE_HOME")
    return Path(given) if given else (Path(base) if base else Path.home() / ".cache") / "foretune"


def cache_folder(given: str | Path | None) -> Path:
    """The folder that was named, else the default one."""
    return Path(given) if given is not None else default_cache_dir()


@cache
def code_version(makers: tuple[str, ...] = META_MAKERS) -> str:
    """Hash of the source that makes a model, so that one of other code is never loaded."""
    digest = hashlib.blake2b(digest_size=8)
    for name in makers:
        digest.update(Path(__file__).with_name(f"{name}.py").read_bytes())
    return digest.hexdigest()


def model_key(
    settings: tuple[object, ...],
    makers: tuple[str, ...],
    arrays: Iterable[np.ndarray],
    content: str = "",
) -> str:
    """Hash of what a training sees: numbers, the code of these makers, arrays, or their content."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(f"{settings} {code_version(makers)} {content}".encode())
    for array in arrays:
        digest.update(f"{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def load(path: Path, network: nn.Module) -> bool:
    """Fill an untrained ``network`` from a file; False if it is absent or not what it should be.

    Nothing is unpickled. A damaged file is ignored, and replaced by the next `save`.
    """
    if not path.exists():
        return False
    try:
        with np.load(path, allow_pickle=False) as arrays:
            state = {k: torch.from_numpy(arrays[k]) for k in network.state_dict()}
        learnt = {name for name, _ in network.named_parameters()}
        for name, v in state.items():  # what was not learnt may be infinite: a constant's scale
            if not bool((torch.isfinite(v) if name in learnt else ~torch.isnan(v)).all()):
                raise ValueError(f"{name} is not finite")
        network.load_state_dict(state)
        with contextlib.suppress(OSError):  # a folder that may only be read
            os.utime(path)
    except _DAMAGED as why:
        _log.info("Cached meta-model %s cannot be used (%s): it is trained anew.", path.name, why)
        return False
    return True


def save(path: Path, network: nn.Module) -> None:
    """Write atomically; a folder that cannot be written is no error."""
    arrays = {k: _narrow(v.numpy()) for k, v in network.state_dict().items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as part:
            np.savez(part, allow_pickle=False, **arrays)
        Path(part.name).replace(path)
        _forget_old(path.parent, path.name.partition("-")[0])
    except OSError as why:
        _log.info("The meta-model is not cached: %s.", why)


def _narrow(array: np.ndarray) -> np.ndarray:
    """In four bytes a number, where nothing is lost by it: networks are trained in these."""
    narrow = array.astype(np.float32)
    return narrow if np.array_equal(narrow, array) else array


def _forget_old(folder: Path, kind: str) -> None:
    files = sorted(folder.glob(f"{kind}-*.npz"), key=lambda p: p.stat().st_mtime, reverse=True)
    for path in files[_KEPT:]:
        path.unlink(missing_ok=True)
