"""Fixtures that every room's tests may use."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_dir():
    """The folder of real data beside the checkout (``FORETUNE_SHARED``, else ``../shared``)."""
    beside = Path(__file__).resolve().parents[1].parent / "shared"
    folder = Path(os.environ.get("FORETUNE_SHARED") or beside)
    if not (folder / "data").is_dir():
        pytest.skip(f"needs the shared data: no folder {folder / 'data'}; set FORETUNE_SHARED")
    return folder
