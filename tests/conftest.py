"""Fixtures that every room's tests may use."""

import contextlib
import os
from pathlib import Path

import pytest

from foretune.testing.postgres import NoServer, postgres


@pytest.fixture(scope="session")
def shared_dir():
    """The folder of real data beside the checkout (``FORETUNE_SHARED``, else ``../shared``)."""
    beside = Path(__file__).resolve().parents[1].parent / "shared"
    folder = Path(os.environ.get("FORETUNE_SHARED") or beside)
    if not (folder / "data").is_dir():
        pytest.skip(f"needs the shared data: no folder {folder / 'data'}; set FORETUNE_SHARED")
    return folder


@pytest.fixture(scope="session")
def postgres_url():
    """The URL of a PostgreSQL server of its own, with ``{name}`` for a database's name."""
    pytest.importorskip("psycopg", reason="needs psycopg: pip install 'psycopg[binary]'")
    with contextlib.ExitStack() as stack:
        try:
            url = stack.enter_context(postgres())
        except NoServer as reason:
            pytest.skip(str(reason))
        yield url
