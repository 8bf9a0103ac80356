"""How is the best trial's model kept on disk, so that a crash never leaves none?"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

logger = logging.getLogger(__name__)

BEST = "best"
_OLD = "best.old"
_TRIALS = "trials"


def trial_folder(folder: Path, number: int) -> Path:
    """Where trial ``number`` puts its model, should it be worth keeping."""
    return folder / _TRIALS / f"{number:04d}"


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


def discard(folder: Path, number: int) -> None:
    """Remove what trial ``number`` left, and the empty folder of trials."""
    shutil.rmtree(trial_folder(folder, number), ignore_errors=True)
    trials = folder / _TRIALS
    if trials.is_dir() and not any(trials.iterdir()):
        trials.rmdir()
