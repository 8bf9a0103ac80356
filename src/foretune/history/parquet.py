"""How does a history look as a parquet file? One row a trial, everything an Optuna trial holds.

Structured cells are JSON; objective and intermediate values that JSON lacks are the strings
"nan", "inf" and "-inf". Moments are ISO 8601 in UTC. The rows of a study lie together. The file's
metadata names the version of this layout. docs/history.md describes every column.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from optuna.trial import FrozenTrial

from foretune.history.copies import DAMAGED, StudyCopy
from foretune.history.frozen import FlatBuilder
from foretune.history.rows import COLUMNS, ODD, REQUIRED, BadRowError, Row, RowParser
from foretune.history.tables import FlatTables, Keep, UnreadableError
from foretune.history.wording import counted

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile as ArrowFile

METADATA = {"foretune_schema": "1"}
BATCH_ROWS = 10_000


@dataclass(frozen=True)
class ParquetFile:
    """An exported file as a history; rows that are no trials are left out and counted."""

    path: Path
    bad: Counter[str] = field(default_factory=Counter)

    def tables(self, keep: Keep, *, outline: bool = False) -> FlatTables:
        """The studies that ``keep`` wants; never an outline."""
        flat = FlatBuilder()
        for copy in self.copies(keep):
            flat.add(copy.head, copy.trials)
        return replace(flat.tables(), notes=self.notes())

    def notes(self) -> tuple[str, ...]:
        """What was left out so far, in words that follow the file's name and a colon."""
        return tuple(f"left out {counted(n, 'row')} ({why})" for why, n in self.bad.items())

    def copies(self, keep: Keep) -> Iterator[StudyCopy]:
        """The studies that ``keep`` wants, each as soon as its last row was read.

        Raises:
            UnreadableError: The file is no parquet file of this layout, or pyarrow is missing.
        """
        self.bad.clear()
        parser = RowParser()
        wanted: dict[str, bool] = {}
        trials: dict[str, dict[int, FrozenTrial]] = {}
        with _opened(self.path) as file:
            left = Counter(file.read(["study_name"]).column(0).to_pylist())
            for row in _rows(file):
                name = row["study_name"]
                left[name] -= 1
                try:
                    head, system = parser.study(row)
                    if name not in wanted:
                        wanted[name] = keep(head)
                    if wanted[name]:
                        trial = parser.trial(row, len(head.directions))
                        if trials.setdefault(name, {}).setdefault(trial.number, trial) is not trial:
                            raise BadRowError("a trial's number that another row has")
                except BadRowError as problem:
                    self.bad[str(problem)] += 1
                except DAMAGED:
                    self.bad[ODD] += 1
                if not left[name] and name in trials:
                    _, head, system = parser.studies[name]
                    found = trials.pop(name)
                    yield StudyCopy(head, [found[n] for n in sorted(found)], system)


def write_parquet(studies: Iterable[Sequence[Row]], path: Path) -> None:
    """Write studies, each given as its rows, to ``path``.

    Raises:
        UnreadableError: pyarrow is missing.
        OSError: The file cannot be written.
    """
    pa, parquet = _arrow()
    cells = [(name, pa.int64() if name == "number" else pa.string()) for name in COLUMNS]
    schema = pa.schema(cells, metadata=METADATA)
    waiting: list[Row] = []
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for rows in studies:
            waiting += rows
            if len(waiting) >= BATCH_ROWS:
                writer.write_table(pa.Table.from_pylist(waiting, schema))
                waiting = []
        writer.write_table(pa.Table.from_pylist(waiting, schema))


def _rows(file: ArrowFile) -> Iterator[Row]:
    columns = [name for name in COLUMNS if name in file.schema_arrow.names]
    for batch in file.iter_batches(BATCH_ROWS, columns=columns):
        yield from batch.to_pylist()


@contextmanager
def _opened(path: Path) -> Iterator[ArrowFile]:
    pa, parquet = _arrow()
    try:
        with parquet.ParquetFile(path) as file:
            _check(file.schema_arrow)
            yield file
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        line = str(error).strip().partition("\n")[0]
        raise UnreadableError(f"is no readable parquet file ({line})") from error


def _check(schema: pa.Schema) -> None:
    """Pass if the file is of this layout."""
    import pyarrow.types as kinds

    missing = [name for name in REQUIRED if name not in schema.names]
    if missing:
        raise UnreadableError(f"is no exported history: it lacks {', '.join(missing)}")
    version = (schema.metadata or {}).get(b"foretune_schema", b"1").decode(errors="replace")
    if version != METADATA["foretune_schema"]:
        raise UnreadableError(f"is of layout {version}, known is 1: upgrade foretune")
    for name in COLUMNS:
        if name in schema.names:
            kind = schema.field(name).type
            known = kinds.is_integer if name == "number" else _is_text
            if not (known(kind) or kinds.is_null(kind)):
                raise UnreadableError(f"is no exported history: column {name} is of type {kind}")


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow.types as kinds

    if kinds.is_dictionary(kind):
        kind = kind.value_type
    return kinds.is_string(kind) or kinds.is_large_string(kind)


def _arrow() -> tuple[ModuleType, ModuleType]:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise UnreadableError("needs pyarrow: pip install 'foretune[parquet]'") from error
    return pa, parquet
