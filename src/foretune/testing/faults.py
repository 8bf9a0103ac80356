"""Trials that do what trials do wrong: hang, exit, crash, fill the memory, in a worker process.

``FaultyRecipe`` trains the planted task, slowly if asked, and misbehaves in the trials that it is
told to, after an epoch. Which attempt it is, is counted in files, as workers forget.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from foretune.core import Answer, EpochReport, ModelError, OnEpoch, Status, TrialResult, TrialSpec
from foretune.testing.planted import train_planted

SEGFAULT, KILL, STOP = signal.SIGSEGV, signal.SIGKILL, signal.SIGSTOP


@dataclass(frozen=True)
class FaultyRecipe:
    """Makes a planted objective with faults.

    Attributes:
        folder: Where attempts are noted, a line each: ``number pid seed micro_batches``.
        faults: What happens, by trial number: ``hang``, ``exit``, ``segfault``, ``killed``,
            ``killed once``, ``nan``, ``memory``, ``memory once``, ``grow``, ``raise``, ``child``.
        epoch_s: Seconds an epoch.
        start_s: Seconds until the objective is made.
        broken: Whether the objective cannot be made at all.
    """

    folder: Path
    faults: Mapping[int, str] = field(default_factory=dict)
    epoch_s: float = 0.0
    start_s: float = 0.0
    broken: bool = False

    def __call__(self, index: int) -> FaultyObjective:
        """The objective of worker ``index``."""
        if self.broken:
            raise ModelError("the model cannot be had")
        time.sleep(self.start_s)
        return FaultyObjective(self, index)


class FaultyObjective:
    """See `FaultyRecipe`."""

    def __init__(self, recipe: FaultyRecipe, index: int) -> None:
        self._recipe, self._index = recipe, index
        self._held: list[bytearray] = []

    def __call__(self, spec: TrialSpec, on_epoch: OnEpoch) -> TrialResult:
        """Train as planted; after the first epoch comes the trial's fault."""
        attempt = self._note(spec)
        fault = self._recipe.faults.get(spec.number, "")

        def slowly(report: EpochReport) -> Answer | bool:
            time.sleep(self._recipe.epoch_s)
            if report.epoch == 1 and fault == "early":
                self._misbehave("hang", attempt)
            stops = on_epoch(report)
            if report.epoch == 1:
                self._misbehave(fault, attempt)
            return stops

        result = train_planted(spec, slowly)
        if fault == "nan":
            return TrialResult(spec, Status.COMPLETED, float("nan"))
        return self._saved(dataclasses.replace(result, micro_batches=spec.micro_batches))

    def _note(self, spec: TrialSpec) -> int:
        """Write the attempt down; how many there were of this trial before."""
        file = self._recipe.folder / "attempts"
        line = f"{spec.number} {os.getpid()} {spec.seed} {spec.micro_batches}\n"
        with file.open("a") as attempts:
            attempts.write(line)
        lines = file.read_text().splitlines()
        return sum(line.split()[0] == str(spec.number) for line in lines) - 1

    def _misbehave(self, fault: str, attempt: int) -> None:
        if fault.endswith(" once"):
            fault = fault.removesuffix(" once") if attempt == 0 else ""
        match fault:
            case "hang":
                time.sleep(3600)
            case "child":
                os.system("sleep 3600 &")
                time.sleep(3600)
            case "exit":
                raise SystemExit(3)
            case "segfault":
                os.kill(os.getpid(), SEGFAULT)
            case "killed":
                os.kill(os.getpid(), KILL)
            case "stop":
                os.kill(os.getpid(), STOP)
            case "memory":
                raise MemoryError
            case "raise":
                raise ValueError("no such layer")
            case "grow":
                while True:
                    self._held.append(bytearray(os.urandom(1)) * 2**24)
                    time.sleep(0.01)
            case _:
                return

    def _saved(self, result: TrialResult) -> TrialResult:
        spec = result.spec
        if spec.save_to is None or result.score is None or result.score <= spec.save_above:
            return result
        spec.save_to.mkdir(parents=True, exist_ok=True)
        about = {"score": result.score, "params": dict(spec.params)}
        (spec.save_to / "model.json").write_text(json.dumps(about))
        return dataclasses.replace(result, model_dir=spec.save_to)
