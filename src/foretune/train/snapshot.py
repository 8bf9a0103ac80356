"""How does a trial that was cut short go on from its last epoch, in another process?

One safetensors file holds the tensors (what learns, the optimiser's state, the random generators,
the best epoch's weights) and, in its header, the rest as JSON: nothing is pickled. It is written
beside and renamed. Weights that are frozen are the base model's and are left out.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from foretune.core import EpochReport, TrialSpec

log = logging.getLogger(__name__)

SHARE = 0.05  # of a trial's time may go into its checkpoints (taste)
BYTES_PER_S = 500e6  # a first guess of the disk; then what it took counts
ABOUT = "foretune"
FORMAT = "1"


@dataclass(frozen=True)
class Snapshot:
    """A trial after an epoch.

    Attributes:
        tensors: Tensors by name; the part before the first slash says whose.
        plain: What is no tensor, as JSON holds it.
        epochs: The epochs so far.
        seconds: Wall seconds so far.
    """

    tensors: Mapping[str, torch.Tensor]
    plain: Mapping[str, Any]
    epochs: tuple[EpochReport, ...]
    seconds: float

    def part(self, name: str) -> dict[str, torch.Tensor]:
        """The tensors of one part, by their names in it."""
        prefix = f"{name}/"
        return {
            key.removeprefix(prefix): value
            for key, value in self.tensors.items()
            if key.startswith(prefix)
        }


class Checkpoint:
    """The file of one trial; does nothing where the trial has none.

    Args:
        spec: The trial; its seed and parameters are checked when the file is read.
        is_on: Whether checkpoints are written and read at all.
    """

    def __init__(self, spec: TrialSpec, *, is_on: bool) -> None:
        self._file = spec.checkpoint if is_on else None
        self._of = {"seed": spec.seed, "params": dict(spec.params)}
        self._cost_s: float | None = None
        self._written_s = time.perf_counter()

    def read(self) -> Snapshot | None:
        """What an earlier process of this trial left; None: nothing that can be used."""
        if self._file is None or not self._file.is_file():
            return None
        try:
            with safe_open(self._file, framework="pt") as file:
                about = json.loads((file.metadata() or {}).get(ABOUT, "{}"))
                if about.get("format") != FORMAT or about["of"] != self._of:
                    return None
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            epochs = tuple(EpochReport(**report) for report in about["epochs"])
            return Snapshot(tensors, about["plain"], epochs, float(about["seconds"]))
        except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
            log.warning("the checkpoint %s cannot be read, the trial begins anew: %s",
                        self._file.name, error)  # fmt: skip
            return None

    @property
    def is_on(self) -> bool:
        """Whether it can be written at all."""
        return self._file is not None

    def is_due(self, n_bytes: int) -> bool:
        """Whether writing as much now keeps to ``SHARE`` of the time."""
        if self._file is None:
            return False
        cost_s = n_bytes / BYTES_PER_S if self._cost_s is None else self._cost_s
        return cost_s <= SHARE * (time.perf_counter() - self._written_s)

    def write(self, snapshot: Snapshot) -> None:
        """Replace the file; what the disk refuses is a warning, and the trial goes on."""
        assert self._file is not None, "expected is_due to be asked"
        began = time.perf_counter()
        part = self._file.with_suffix(".part")
        about = {
            "format": FORMAT,
            "of": self._of,
            "plain": dict(snapshot.plain),
            "epochs": [dataclasses.asdict(report) for report in snapshot.epochs],
            "seconds": snapshot.seconds,
        }
        try:
            part.parent.mkdir(parents=True, exist_ok=True)
            tensors = {k: v.detach().cpu().contiguous() for k, v in snapshot.tensors.items()}
            save_file(tensors, part, metadata={ABOUT: json.dumps(about)})
            os.replace(part, self._file)
        except (OSError, SafetensorError) as error:
            log.warning("no checkpoint: %s", error)
            part.unlink(missing_ok=True)
            self._file = None
        self._written_s = time.perf_counter()
        self._cost_s = self._written_s - began
