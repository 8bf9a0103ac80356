"""How does a history look as a parquet file? One row a trial, everything an Optuna trial holds.

Structured cells are JSON; numbers that JSON lacks are the strings "nan", "inf" and "-inf" there.
Moments are ISO 8601 in UTC. The file's metadata names the version of this layout.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from foretune.history.frozen import FlatBuilder
from foretune.history.schema import parse_distribution
from foretune.history.tables import FlatTables, Keep, StudyHead, UnreadableError

SCHEMA_KEY = b"foretune_schema"
SCHEMA_VERSION = b"1"
COLUMNS = (
    "study_name",
    "directions",
    "study_attrs",
    "number",
    "state",
    "values",
    "params",
    "distributions",
    "user_attrs",
    "intermediate",
    "datetime_start",
    "datetime_complete",
)
BATCH_ROWS = 20_000
Kind = TypeVar("Kind")


class BadRowError(Exception):
    """A row is no trial; says why."""


@dataclass
class Parser:
    """Parses rows; equal cells that repeat from row to row are parsed once."""

    distributions: dict[str, dict[str, BaseDistribution]] = field(default_factory=dict)
    heads: dict[tuple[str, str, str], StudyHead] = field(default_factory=dict)

    def head(self, row: Mapping[str, Any]) -> StudyHead:
        """The study that a row belongs to.

        Raises:
            BadRowError: Name, directions or attributes are not readable.
        """
        key = (row["study_name"], row["directions"], row["study_attrs"])
        if key not in self.heads:
            name, directions, attrs = key
            ways = _json(directions, list, "directions")
            known = [way.name for way in StudyDirection]
            if not isinstance(name, str) or not name or not ways or not set(ways) <= set(known):
                raise BadRowError("no study name or no direction")
            self.heads[key] = StudyHead(
                name, tuple(ways), _json(attrs or "{}", dict, "study_attrs")
            )
        return self.heads[key]

    def trial(self, row: Mapping[str, Any]) -> FrozenTrial:
        """The trial that a row tells of, valid by Optuna's own rules.

        Raises:
            BadRowError: A cell is not readable, or the cells contradict each other.
        """
        distributions = self._distributions(row["distributions"])
        params = _json(row["params"], dict, "params")
        if params.keys() != distributions.keys():
            raise BadRowError("params and distributions name different parameters")
        values = row["values"]
        points = _json(row["intermediate"] or "{}", dict, "intermediate")
        try:
            trial = FrozenTrial(
                number=int(row["number"]),
                trial_id=-1,
                state=TrialState[row["state"]],
                value=None,
                values=None if values is None else [float(v) for v in json.loads(values)],
                datetime_start=_local(row["datetime_start"]),
                datetime_complete=_local(row["datetime_complete"]),
                params={
                    n: d.to_external_repr(d.to_internal_repr(params[n]))
                    for n, d in distributions.items()
                },
                distributions=distributions,
                user_attrs=_json(row["user_attrs"] or "{}", dict, "user_attrs"),
                system_attrs={},
                intermediate_values={int(step): float(value) for step, value in points.items()},
            )
        except (TypeError, ValueError, KeyError, IndexError, OverflowError) as error:
            raise BadRowError(
                f"{type(error).__name__} in number, state, values, params or moments"
            ) from error
        return trial

    def _distributions(self, text: str) -> dict[str, BaseDistribution]:
        if text not in self.distributions:
            found = _json(text, dict, "distributions")
            parsed = {name: parse_distribution(said) for name, said in found.items()}
            if None in parsed.values():
                raise BadRowError("a distribution is not readable")
            self.distributions[text] = {n: d for n, d in parsed.items() if d is not None}
        return self.distributions[text]


def read_parquet(path: Path, keep: Keep) -> FlatTables:
    """The studies of an exported file that ``keep`` wants; bad rows are noted."""
    flat = FlatBuilder()
    wanted: dict[str, tuple[bool, StudyHead]] = {}
    bad: Counter[str] = Counter()
    parser = Parser()
    for batch in batches(path):
        parts: dict[str, list[FrozenTrial]] = {}
        for row in batch:
            try:
                head = parser.head(row)
                if head.name not in wanted:
                    wanted[head.name] = (keep(head), head)
                if wanted[head.name][0]:
                    parts.setdefault(head.name, []).append(parser.trial(row))
            except BadRowError as problem:
                bad[str(problem)] += 1
        for name, trials in parts.items():
            flat.add(wanted[name][1], trials)
    notes = tuple(f"{path.name}: left out {n} rows ({why})." for why, n in bad.items())
    return replace(flat.tables(), notes=notes)


def batches(path: Path) -> Iterator[list[dict[str, Any]]]:
    """The rows of an exported file, part by part.

    Raises:
        UnreadableError: The file is no parquet file of this layout, or pyarrow is not installed.
    """
    parquet = _pyarrow()
    from pyarrow import ArrowException

    try:
        with parquet.ParquetFile(path) as file:
            missing = [name for name in COLUMNS if name not in file.schema_arrow.names]
            if missing:
                raise UnreadableError(f"is no exported history: it lacks {', '.join(missing)}")
            for batch in file.iter_batches(BATCH_ROWS, columns=list(COLUMNS)):
                yield batch.to_pylist()
    except (ArrowException, OSError) as error:
        raise UnreadableError(f"is no readable parquet file ({_line(error)})") from error


def _pyarrow() -> ModuleType:
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise UnreadableError("needs pyarrow: pip install 'foretune[parquet]'") from error
    return pyarrow.parquet


def _json(text: Any, kind: type[Kind], column: str) -> Kind:
    """A JSON cell of the expected kind."""
    try:
        value = json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise BadRowError(f"{column} is not JSON") from error
    if not isinstance(value, kind):
        raise BadRowError(f"{column} is no {kind.__name__}")
    return value


def _local(text: str | None) -> datetime | None:
    """An ISO moment as Optuna holds it: local time without a zone."""
    if text is None:
        return None
    return datetime.fromisoformat(text).astimezone().replace(tzinfo=None)


def _line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
