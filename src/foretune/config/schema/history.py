"""Which options does `job=history` take?"""

from __future__ import annotations

from dataclasses import dataclass, field

from foretune.core import unknown_name

ACTIONS = ("list", "show", "export", "import", "merge")


@dataclass
class HistoryConfig:
    """What to do with the record of past searches.

    Attributes:
        action: ``list`` the studies, ``show`` one, ``export`` to a parquet file, ``import`` into
            the storage, or ``merge`` several databases and files into a new one.
        study: The study to show (None: the newest) or to export (None: all).
        file: What ``export`` and ``merge`` write (``.parquet``; ``merge`` also ``.db``), or what
            ``import`` reads.
        sources: Databases, URLs and files: what ``merge`` and ``import`` read, and what the other
            actions read instead of ``storage.url``.
        overwrite: Whether ``export`` and ``merge`` may replace an existing file.
        seed: Whether searches also learn from the trials that ship with Foretune. The user's own
            studies always outweigh them, and none of the task's own source is used.
        rows: How many trials ``show`` lists, the best first.
    """

    action: str = "list"
    study: str | None = None
    file: str | None = None
    sources: list[str] = field(default_factory=list)
    overwrite: bool = False
    rows: int = 10
    seed: bool = True

    def problems(self) -> list[str]:
        """Every problem of these options, one sentence each."""
        if self.action not in ACTIONS:
            return [unknown_name("history.action", self.action, ACTIONS)]
        found = []
        if self.action in ("export", "merge") and not self.file:
            found.append(f"history.file: {self.action} needs a file to write, such as all.parquet.")
        if self.action == "import" and not (self.file or self.sources):
            found.append("history.file: import needs a file to read, or history.sources.")
        if self.action == "merge" and not self.sources:
            found.append("history.sources: merge needs the databases and files to read.")
        if self.rows < 1:
            found.append(f"history.rows: expected at least 1, got {self.rows}.")
        return found
