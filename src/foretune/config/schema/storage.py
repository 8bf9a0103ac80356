"""Which options say where searches are kept?"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class StorageConfig:
    """Where Optuna keeps the studies, which are the history of later searches.

    Attributes:
        url: An SQLAlchemy URL: ``sqlite:///file`` (relative to the working directory, or four
            slashes and an absolute path), or a server's.
        busy_timeout_s: How long to wait for other processes that hold the SQLite file.
    """

    url: str = "sqlite:///outputs/history.db"
    busy_timeout_s: float = 30.0

    def problems(self) -> list[str]:
        """Every problem of these options, one sentence each."""
        found = []
        if "://" not in self.url:
            found.append(
                "storage.url: expected a URL such as sqlite:///outputs/history.db, "
                "got one without ://."
            )
        if not self.busy_timeout_s > 0:
            found.append(
                f"storage.busy_timeout_s: expected seconds above 0, got {self.busy_timeout_s}."
            )
        return found
