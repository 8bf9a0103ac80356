"""What did full and short fine-tunings come to? Trained once, kept in a file, replayed after."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from selection_tasks import BenchTask

from foretune.selection.tuner import TrialTuner

Oracle = dict[str, dict[str, dict[str, Any]]]
"""Validation and test score and seconds of each model fully fine-tuned, by task and model."""


def record(
    tasks: list[BenchTask], path: Path, *, seconds: float | None = None
) -> tuple[Oracle, int]:
    """Train what the file lacks, each kept as soon as it is there.

    A model that was built again, or rows that are others, are trained again.

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
        for name in _lacking(held, task):
            if seconds is not None and time.monotonic() - began > seconds:
                break
            validation, test, took = tuner.test(name)
            own[name] = {
                "validation": validation, "test": test, "seconds": took, "of": _of(task, name)
            }  # fmt: skip
            _write(path, held)
            print(f"oracle: {task.name} {name}: test {test:.3f} in {took:.1f} s", flush=True)
    return held, sum(len(_lacking(held, task)) for task in tasks)


def _lacking(held: Oracle, task: BenchTask) -> list[str]:
    own = held[task.name]
    return [n for n in task.cards if n not in own or own[n]["of"] != _of(task, n)]


def _of(task: BenchTask, name: str) -> str:
    """Which weights and which rows a fine-tuning is of."""
    rows = "/".join(str(n) for n in task.data.info.rows.values())
    return f"{task.data.info.fingerprint} {rows} {task.cards[name].revision}"


class RecordedTuner:
    """Short fine-tunes that were made before are not made again.

    Args:
        tuner: Makes them.
        path: The file.
        task: Theirs, with the models.
        seed: Of the support set.
    """

    def __init__(self, tuner: TrialTuner, path: Path, task: BenchTask, seed: int) -> None:
        self._tuner, self._path, self._task, self._seed = tuner, path, task, seed

    def short(self, name: str, turn: int) -> float:
        """The score on held-out rows after a short fine-tune on the others."""
        held = _read(self._path)
        of = f"support set {self._seed}, {name}, {_of(self._task, name)}"
        own = held.setdefault(self._task.name, {}).setdefault(of, {})
        if str(turn) not in own:
            own[str(turn)] = self._tuner.short(name, turn)
            _write(self._path, held)
        return float(own[str(turn)])

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
