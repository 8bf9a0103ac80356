"""Where a trial runs, and what it may use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from foretune.core import parse_duration, unknown_name

EXECUTORS = ("process", "inline")


@dataclass
class ExecutorConfig:
    """The ``executor`` section.

    Attributes:
        kind: ``process``: a worker process that the search starts, watches and ends; ``inline``:
            the searching process itself, for debugging: nothing there can be timed out or killed.
        n_workers: Trials at a time; one a GPU, and on a CPU its threads are divided.
        trial_timeout_s: Kill a trial after this many seconds, also "90m", "2h"; it counts as
            pruned with its last epoch's score. null: never.
        memory_mb: Kill a trial whose worker holds more MiB than this (resident, its children's
            with it). null: no limit but the machine's.
    """

    kind: str = "process"
    n_workers: int = 1
    trial_timeout_s: Any = None
    memory_mb: int | None = None

    @property
    def timeout_s(self) -> float | None:
        """The time limit in seconds; call it where `problems` found none."""
        return None if self.trial_timeout_s is None else parse_duration(self.trial_timeout_s)

    def problems(self) -> list[str]:
        """Every problem, one sentence each."""
        found = []
        if self.kind not in EXECUTORS:
            found.append("executor.kind: " + unknown_name("executor", self.kind, EXECUTORS))
        if self.n_workers < 1:
            found.append(f"executor.n_workers: expected at least 1, got {self.n_workers}")
        try:
            _ = self.timeout_s
        except (TypeError, ValueError) as error:
            found.append(f"executor.trial_timeout_s: {error}")
        if self.memory_mb is not None and self.memory_mb < 1:
            found.append(f"executor.memory_mb: expected at least 1 or null, got {self.memory_mb}")
        limits = {
            "n_workers": self.n_workers > 1,
            "trial_timeout_s": self.trial_timeout_s is not None,
            "memory_mb": self.memory_mb is not None,
        }
        if self.kind == "inline":
            found += [
                f"executor.{name}: needs executor=process, got executor=inline"
                for name, is_set in limits.items()
                if is_set
            ]
        return found
