"""Where a trial runs."""

from __future__ import annotations

from dataclasses import dataclass

from foretune.core import unknown_name

EXECUTORS = ("inline",)


@dataclass
class ExecutorConfig:
    """Where a trial runs: ``inline`` is the searching process itself."""

    kind: str = "inline"

    def problems(self) -> list[str]:
        """Every problem, one sentence each."""
        if self.kind in EXECUTORS:
            return []
        return ["executor.kind: " + unknown_name("executor", self.kind, EXECUTORS)]
