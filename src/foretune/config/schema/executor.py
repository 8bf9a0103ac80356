"""Where a trial runs, and what it may use."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from foretune.core import parse_duration, unknown_name

EXECUTORS = ("process", "ray", "inline")


@dataclass
class RayConfig:
    """Where ``executor=ray`` runs trials, and what each gets.

    Attributes:
        address: Of a running cluster, ``host:port`` or ``auto``. null: one of this machine alone is
            started, and ended with the search.
        cpus: Cores a trial.
        gpus: GPUs a trial; a fraction: several trials share one.
        wait_s: How long trials may wait for a first place in the cluster, also "90m", "2h".
    """

    address: str | None = None
    cpus: float = 1.0
    gpus: float = 0.0
    wait_s: Any = "1h"

    def problems(self) -> list[str]:
        """Every problem, one sentence each."""
        found = []
        for name, value in (("cpus", self.cpus), ("gpus", self.gpus)):
            if value < 0 or (value > 1 and value != int(value)):
                found.append(
                    f"executor.ray.{name}: expected a whole number or a fraction of one, got"
                    f" {value}"
                )
        try:
            parse_duration(self.wait_s)
        except (TypeError, ValueError) as error:
            found.append(f"executor.ray.wait_s: {error}")
        if self.address is not None and self.address.startswith("ray://"):
            found.append(
                "executor.ray.address: expected host:port (of `ray start --head`) or auto, got a"
                f" Ray Client address {self.address!r}"
            )
        return found


@dataclass
class ExecutorConfig:
    """The ``executor`` section.

    Attributes:
        kind: ``process``: a worker process that the search starts, watches and ends; ``ray``: such
            workers on the nodes of a Ray cluster; ``inline``: the searching process itself, for
            debugging: nothing there can be timed out or killed.
        n_workers: Trials at a time; one a GPU, and on a CPU its threads are divided.
        trial_timeout_s: Kill a trial after this many seconds, also "90m", "2h"; it counts as
            pruned with its last epoch's score. null: never.
        memory_mb: Kill a trial whose worker holds more MiB than this (resident, its children's
            with it); ray keeps so much for it. null: no limit but the machine's.
        ray: Of ``executor=ray`` alone.
    """

    kind: str = "process"
    n_workers: int = 1
    trial_timeout_s: Any = None
    memory_mb: int | None = None
    ray: RayConfig = field(default_factory=RayConfig)

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
        found += self.ray.problems()
        limits = {
            "n_workers": self.n_workers > 1,
            "trial_timeout_s": self.trial_timeout_s is not None,
            "memory_mb": self.memory_mb is not None,
        }
        if self.kind == "inline":
            found += [
                f"executor.{name}: needs executor=process or ray, got executor=inline"
                for name, is_set in limits.items()
                if is_set
            ]
        return found
