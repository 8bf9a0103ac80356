"""What is a tracker? An observer that must also hear how its search was left."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

from foretune.config.schema.tracking import TrackingConfig
from foretune.core import NullObserver, Observer


class Tracker(Observer, Protocol):
    """Records one search. A context, so that the record of a search that breaks off is closed."""

    def closing_lines(self) -> tuple[str, ...]:
        """What a person should know of the record once the search has ended."""
        ...

    def __enter__(self) -> Self:
        """The tracker itself."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the record; ``error`` is why the search broke off, if it did."""
        ...


class NullTracker(NullObserver):
    """Records nothing (``tracking.enabled=false``)."""

    def closing_lines(self) -> tuple[str, ...]:
        """Nothing to say."""
        return ()

    def __enter__(self) -> Self:
        """The tracker itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing to close."""


def build_tracker(config: TrackingConfig) -> Tracker:
    """The tracker that ``config`` asks for, its database open.

    Raises:
        ConfigError: The folder cannot be written to, or what lies there is no MLflow database of
            the installed version. Found out here, before any training.
    """
    if not config.enabled:
        return NullTracker()
    from foretune.tracking.database import open_database
    from foretune.tracking.mlflow_tracker import MlflowTracker

    return MlflowTracker(
        open_database(config.folder, config.experiment), log_model=config.log_model
    )
