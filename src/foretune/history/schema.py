"""Is a database Optuna's, of which revision, and which studies does it hold?

Optuna's tables are no public interface. Only this file, ``sql.py``, ``study_reader.py`` and
``copies.py`` know them, and they touch them only where the database says that it is of a revision
whose columns were checked (`REVISIONS`).
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from optuna.distributions import BaseDistribution, distribution_to_json, json_to_distribution

from foretune.history.tables import StudyHead
from foretune.history.wording import counted

REVISIONS = ("v3.0.0.d", "v3.2.0.a")  # Optuna 3.0 to 5.0; the second only adds an index
HEAD = REVISIONS[-1]
TABLES = frozenset(
    (
        "alembic_version",
        "studies",
        "study_directions",
        "study_system_attributes",
        "study_user_attributes",
        "trial_heartbeats",
        "trial_intermediate_values",
        "trial_params",
        "trial_system_attributes",
        "trial_user_attributes",
        "trial_values",
        "trials",
        "version_info",
    )
)


class UnknownSchemaError(Exception):
    """The tables are not of a revision that this file knows; ``revision`` None: none is named."""

    def __init__(self, revision: str | None) -> None:
        super().__init__(revision)
        self.revision = revision


class NoOptunaTablesError(Exception):
    """The database holds no Optuna tables."""


def check_revision(connection: sa.Connection) -> str:
    """The revision of the tables, a known one.

    Raises:
        UnknownSchemaError: They are not.
        NoOptunaTablesError: It is no Optuna database.
    """
    names = set(sa.inspect(connection).get_table_names())
    if not {"version_info", "studies", "trials"} <= names:
        raise NoOptunaTablesError
    revision = None  # the older `version_info.schema_version` has been 12 in all of them
    if "alembic_version" in names:
        revision = connection.execute(
            sa.select(columns_of("alembic_version", "version_num").c[0])
        ).scalar()
    if revision not in REVISIONS:
        raise UnknownSchemaError(revision)
    return str(revision)


def read_heads(connection: sa.Connection) -> tuple[dict[int, StudyHead], list[str]]:
    """Every study by its id, and what of them could not be read."""
    studies = columns_of("studies", "study_id", "study_name")
    directions = columns_of("study_directions", "study_id", "objective", "direction")
    attrs = columns_of("study_user_attributes", "study_id", "key", "value_json")
    bad: Counter[str] = Counter()
    ways: dict[int, list[tuple[int, str]]] = {}
    for study, objective, way in connection.execute(
        sa.select(directions.c[0], directions.c[1], sa.cast(directions.c[2], sa.String))
    ):
        ways.setdefault(study, []).append((objective, str(way)))
    told: dict[int, dict[str, object]] = {}
    for study, key, text in connection.execute(sa.select(*attrs.c)):
        try:
            told.setdefault(study, {})[str(key)] = json.loads(text)
        except (TypeError, ValueError, RecursionError):
            bad[str(key)] += 1
    heads = {
        study: StudyHead(
            str(name),
            tuple(way for _, way in sorted(ways.get(study, []), key=str)),
            told.get(study, {}),
        )
        for study, name in connection.execute(sa.select(*studies.c).order_by(studies.c[0]))
    }
    notes = [
        f"left out attribute {key!r} of {counted(n, 'study')} (not readable)"
        for key, n in bad.items()
    ]
    return heads, notes


def parse_distribution(text: str) -> BaseDistribution | None:
    """The distribution that ``text`` says in JSON; None where it says none."""
    try:
        distribution = json_to_distribution(text)
        bounds = [getattr(distribution, end, 0) for end in ("low", "high")]
        return distribution if all(math.isfinite(b) for b in bounds) else None
    except (TypeError, ValueError, KeyError, AttributeError, ArithmeticError, RecursionError):
        return None


def distribution_text(
    distribution: BaseDistribution, known: dict[int, tuple[BaseDistribution, str]]
) -> str:
    """``distribution`` as JSON, worked out once an object; ``known`` remembers."""
    found = known.get(id(distribution))
    if found is None or found[0] is not distribution:
        found = known[id(distribution)] = (distribution, distribution_to_json(distribution))
    return found[1]


def columns_of(name: str, *columns: str) -> sa.TableClause:
    """A table by its name, with some of its columns."""
    return sa.table(name, *(sa.column(column) for column in columns))


@contextmanager
def any_text(connection: sa.Connection) -> Iterator[None]:
    """Text that is no UTF-8 as bytes: SQLite's driver would give up the whole query for it."""
    driver: Any = connection.connection.dbapi_connection
    if not isinstance(driver, sqlite3.Connection):
        yield
        return
    before, driver.text_factory = driver.text_factory, _text
    try:
        yield
    finally:
        driver.text_factory = before


def _text(cell: bytes) -> str | bytes:
    try:
        return cell.decode()
    except UnicodeDecodeError:
        return cell
