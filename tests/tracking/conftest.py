"""One MLflow database a session; each test gets a copy (making one takes seconds)."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from foretune.tracking.database import Database, open_database


@pytest.fixture(scope="session")
def empty_mlruns(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mlflow") / "mlruns"
    database = open_database(folder, "foretune")
    database.client._tracking_client.store.engine.dispose()
    return folder


@pytest.fixture
def mlruns(empty_mlruns: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(empty_mlruns, tmp_path / "mlruns"))


@pytest.fixture
def database(mlruns: Path) -> Database:
    return open_database(mlruns, "foretune")
