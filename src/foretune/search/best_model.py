"""How is the best trial's model kept on disk, so that a crash never leaves none?"""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

from foretune.core import TrialSpec

try:
    import fcntl
except ImportError:  # Windows: one process a study there
    fcntl = None  # type: ignore[assignment]

logger = logging.getLogger(__name__)

BEST = "best"
_OLD = "best.old"
_TRIALS = "trials"
_CHECKPOINTS = "checkpoints"


def trial_folder(folder: Path, number: int) -> Path:
    """Where trial ``number`` puts its model, should it be worth keeping."""
    return folder / _TRIALS / f"{number:04d}"


def checkpoint_file(folder: Path, seed: int) -> Path:
    """Where a trial puts its state after an epoch.

    Named by its seed, and so by its configuration: the trial that repeats one that was cut short
    has another number, and goes on from there.
    """
    return folder / _CHECKPOINTS / f"{seed:010d}.safetensors"


def best_model(folder: Path) -> Path | None:
    """The best model's folder, if there is one; puts back what a crash left half way."""
    best, old = folder / BEST, folder / _OLD
    if old.exists() and not best.exists():
        old.rename(best)
    elif old.exists():
        shutil.rmtree(old, ignore_errors=True)
    return best if best.exists() else None


def keep(model_dir: Path, folder: Path) -> Path:
    """Make ``model_dir`` the best model of ``folder``; the former one goes once this one is there.

    Two renames on one file system: at every moment either model is whole on disk.

    Raises:
        OSError: It could not be moved; the former best model is as it was.
    """
    best, old = folder / BEST, folder / _OLD
    best_model(folder)  # a clean start
    if best.exists():
        best.rename(old)
    try:
        model_dir.rename(best)
    except OSError:
        if old.exists():
            old.rename(best)
        raise
    shutil.rmtree(old, ignore_errors=True)
    return best


def discard(folder: Path, spec: TrialSpec, *, resumes: bool) -> None:
    """Remove what a trial left; its checkpoint stays if it is to be resumed."""
    shutil.rmtree(trial_folder(folder, spec.number), ignore_errors=True)
    if spec.checkpoint is not None and not resumes:
        with contextlib.suppress(OSError):
            spec.checkpoint.unlink(missing_ok=True)


def tidy(folder: Path) -> None:
    """Remove what only running trials need; none is running."""
    for name in (_TRIALS, _CHECKPOINTS):
        shutil.rmtree(folder / name, ignore_errors=True)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Alone among the processes that work on a study; not held by one that has died."""
    if fcntl is None:
        yield
        return
    with contextlib.ExitStack() as held:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            lock = folder.with_name(f".{folder.name}.lock")  # beside it, and never removed
            file = held.enter_context(lock.open("w"))
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:  # a read-only folder, or a file system without locks
            logger.debug("no lock in %s: %s", folder, error)
        yield
