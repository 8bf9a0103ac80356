"""A small recorded table, written once."""

from pathlib import Path

import pytest

from foretune.bench.table import Table, load_table
from foretune.testing.recorded import write_table


@pytest.fixture(scope="session")
def table_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_table(tmp_path_factory.mktemp("table") / "table.parquet", n_configs=16)


@pytest.fixture(scope="session")
def table(table_file: Path) -> Table:
    return load_table(table_file)
