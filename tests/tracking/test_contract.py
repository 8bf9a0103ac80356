"""Both trackers bear whatever a search tells them."""

from __future__ import annotations

import logging

import pytest

from foretune.testing.trackers import TrackerContract
from foretune.tracking import NullTracker
from foretune.tracking.database import Database
from foretune.tracking.mlflow_tracker import MlflowTracker


class TestNullTracker(TrackerContract):
    @pytest.fixture
    def tracker(self) -> NullTracker:
        return NullTracker()


class TestMlflowTracker(TrackerContract):
    @pytest.fixture
    def tracker(self, database: Database, caplog: pytest.LogCaptureFixture):
        with caplog.at_level(logging.WARNING):
            yield MlflowTracker(database)
        warnings = [r.getMessage() for r in caplog.get_records("call") if r.levelno >= 30]
        assert warnings == []  # whatever came, all of it was written
