"""Which options say where a search is recorded, and how the record is shown."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class TrackingConfig:
    """What MLflow records of a search, and where.

    Attributes:
        enabled: Whether searches are recorded at all.
        folder: Where MLflow's database and artifacts go; relative to the working directory.
        experiment: The MLflow experiment that the searches are listed under.
        log_model: Whether the best model is copied into the record, loadable by one line.
        port: The port of ``job=ui``; the next free one is taken where it is in use.
    """

    enabled: bool = True
    folder: str = "mlruns"
    experiment: str = "foretune"
    log_model: bool = True
    port: int = 5000

    def problems(self) -> list[str]:
        """Every problem of these options, one sentence each."""
        found = []
        if not self.folder.strip():
            found.append(
                "tracking.folder: expected a folder, got ''; tracking.enabled=false turns it off."
            )
        elif "://" in self.folder:
            found.append(
                f"tracking.folder: expected a folder of this machine, got {self.folder!r}."
            )
        if not self.experiment.strip():
            found.append("tracking.experiment: expected a name, got ''.")
        if not 1 <= self.port <= 65535:
            found.append(f"tracking.port: expected a port from 1 to 65535, got {self.port}.")
        return found
