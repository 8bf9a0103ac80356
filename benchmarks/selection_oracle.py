"""What did full and short fine-tunings come to? Trained once, kept in a file, replayed after."""

from __future__ import annotations

import json
import time
from pathlib import Path

from selection_tasks import BenchTask

from foretune.selection.tuner import TrialTuner

Oracle = dict[str, dict[str, dict[str, float]]]
"""Validation and test score and seconds of each model fully fine-tuned, by task and model."""


def record(
    tasks: list[BenchTask], path: Path, *, seconds: float | None = None
) -> tuple[Oracle, int]:
    """Train what the file lacks, each kept as soon as it is there.

    Args:
        tasks: With their models.
        path: The file.
        seconds: After which no further training is begun; None: no limit.

    Returns:
        The table, and how many fine-tunings it lacks.
    """
    held: Oracle = _read(path)
    began = time.monotonic()
    for task in tasks:
        own = held.setdefault(task.name, {})
        tuner = TrialTuner(task.data, task.data.train, task.cards, trainer=task.config.trainer,
                           epochs=1, seed=0)  # fmt: skip
        for name in [n for n in task.cards if n not in own]:
            if seconds is not None and time.monotonic() - began > seconds:
                break
            validation, test, took = tuner.test(name)
            own[name] = {"validation": validation, "test": test, "seconds": took}
            _write(path, held)
            print(f"oracle: {task.name} {name}: test {test:.3f} in {took:.1f} s", flush=True)
    return held, sum(name not in held[task.name] for task in tasks for name in task.cards)


class RecordedTuner:
    """Short fine-tunes that were made before are not made again.

    Args:
        tuner: Makes them.
        path: The file.
        name: Of the support set in it.
    """

    def __init__(self, tuner: TrialTuner, path: Path, name: str) -> None:
        self._tuner, self._path, self._name = tuner, path, name

    def short(self, name: str, turn: int) -> float:
        """The score on held-out rows after a short fine-tune on the others."""
        held = _read(self._path)
        own = held.setdefault(self._name, {}).setdefault(name, {})
        if str(turn) not in own:
            own[str(turn)] = self._tuner.short(name, turn)
            _write(self._path, held)
        return own[str(turn)]

    def full(self, name: str) -> float:
        """The validation score of the default configuration on all training rows."""
        return self._tuner.full(name)


def _read(path: Path) -> Oracle:
    held: Oracle = json.loads(path.read_text()) if path.exists() else {}
    return held


def _write(path: Path, held: Oracle) -> None:
    part = path.with_suffix(".part")
    part.write_text(json.dumps(held, indent=1))
    part.replace(path)
