"""What does ``job=benchmark`` compare, on what, and how long?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from foretune.core import parse_duration, unknown_name

MODES = ("replay", "live")
LIVE_METHODS = ("meta", "grid", "random", "tpe", "gp")


def _grid() -> dict[str, list[Any]]:
    return {
        "lr": [5e-5, 2e-4, 1e-3],
        "epochs": [2, 3],
        "frozen": [0.0, 1.0],
        "batch_size": [8, 16, 32],
    }


def _small_grid() -> dict[str, list[Any]]:
    return {"lr": [5e-5, 2e-4, 1e-3], "epochs": [2, 3], "frozen": [0.0, 1.0]}


@dataclass
class LiveConfig:
    """Real training under one budget of seconds for every method.

    Attributes:
        tasks: Names of recorded tasks; each is held out of the history with its family.
        methods: What is compared.
        seeds: Searches of each method on each task.
        budget_s: Seconds of each search, suggesting, probing and meta-training included; also "2m".
        repeats: Fresh seeds that each search's best configuration is trained with again.
    """

    tasks: list[str] = field(default_factory=lambda: ["glue/sst2", "ag_news", "cifar10"])
    methods: list[str] = field(default_factory=lambda: list(LIVE_METHODS))
    seeds: int = 3
    budget_s: Any = 60
    repeats: int = 3


@dataclass
class BenchmarkConfig:
    """The benchmark.

    Attributes:
        mode: ``replay`` (a recorded table and the surrogate, minutes) or ``live`` (real training).
        table: An exported history with a study a task; null: the one that ships.
        surrogate: Folder of the LCBench surrogate; null: that of ``FORETUNE_SHARED``; without
            either it is left out.
        folder: Where report and figures go; null: ``benchmark`` in ``outputs``.
        experiment: MLflow's experiment for it.
        seeds: Searches of each method that has a seed, on each task.
        few_seeds: The same, of variants of meta, of GP, which is slow, and on the surrogate.
        trials: Trials of a search.
        n_processes: How many searches run at a time, each on one thread.
        grid: Values of the grid's parameters; the others have the default configuration's.
        small_grid: Those of the small one.
        live: The live comparison.
    """

    mode: str = "replay"
    table: str | None = None
    surrogate: str | None = None
    folder: str | None = None
    experiment: str = "foretune-benchmark"
    seeds: int = 10
    few_seeds: int = 3
    trials: int = 30
    n_processes: int = 2
    grid: dict[str, list[Any]] = field(default_factory=_grid)
    small_grid: dict[str, list[Any]] = field(default_factory=_small_grid)
    live: LiveConfig = field(default_factory=LiveConfig)

    def problems(self) -> list[str]:
        """Every problem of these options, one sentence each."""
        found = [] if self.mode in MODES else [unknown_name("benchmark.mode", self.mode, MODES)]
        numbers = (
            ("seeds", self.seeds), ("few_seeds", self.few_seeds), ("trials", self.trials),
            ("n_processes", self.n_processes), ("live.seeds", self.live.seeds),
        )  # fmt: skip
        found += [
            f"benchmark.{name}: expected at least 1, got {value}"
            for name, value in numbers
            if value < 1
        ]
        if self.live.repeats < 0:
            found.append(f"benchmark.live.repeats: expected 0 or more, got {self.live.repeats}")
        for name, grid in (("grid", self.grid), ("small_grid", self.small_grid)):
            if not grid or not all(grid.values()):
                found.append(
                    f"benchmark.{name}: expected values for each parameter, such as "
                    f"{{lr: [1.0e-4, 1.0e-3]}}, got {grid}"
                )
        if not self.live.tasks:
            found.append("benchmark.live.tasks: expected at least one recorded task, got none")
        found += [
            f"benchmark.live.methods: {unknown_name('method', name, LIVE_METHODS)}"
            for name in self.live.methods
            if name not in LIVE_METHODS
        ]
        try:
            parse_duration(self.live.budget_s)
        except (TypeError, ValueError) as error:
            found.append(f"benchmark.live.budget_s: {error}")
        return found
