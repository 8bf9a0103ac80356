"""How is a whole Optuna database read at once? Table by table, in pages along the primary key.

A page is one short query, so that a long read never keeps a writer waiting (a reader of an SQLite
file in rollback-journal mode blocks writers for as long as its query runs). The trials are read
first; later rows of trials that did not exist then are dropped.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import DTypeLike
from optuna.distributions import BaseDistribution
from optuna.trial import TrialState

from foretune.history.schema import (
    any_text,
    check_revision,
    columns_of,
    parse_distribution,
    read_heads,
)
from foretune.history.tables import ColumnPages, FlatTables, Keep, ParamKey, StudyHead, Triple

PAGE_ROWS = 50_000
FEW = 1000  # so many studies can be named in one query
VALUES = ("trial_values", "trial_value_id", "objective", "value")
POINTS = (
    "trial_intermediate_values",
    "trial_intermediate_value_id",
    "step",
    "intermediate_value",
)
EMPTY: Triple = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
NUMBER_STARTS = tuple("-0123456789IN")  # how a number begins in JSON: Infinity and NaN too


def read_sql(engine: sa.Engine, keep: Keep, *, outline: bool = False) -> FlatTables:
    """The studies of a database that ``keep`` wants.

    Args:
        engine: The database.
        keep: Says which studies are wanted.
        outline: Leave out parameters, curves and attributes, which are nine tenths of the time.

    Raises:
        UnknownSchemaError: The revision is not in ``REVISIONS``.
        NoOptunaTablesError: It is no Optuna database.
        sqlalchemy.exc.SQLAlchemyError: The database cannot be read.
    """
    with engine.connect() as connection, _collector_paused():
        check_revision(connection)
        wanted = _asked_once(keep)
        try:
            return _Reader(connection, wanted, outline).tables()
        except sa.exc.OperationalError as error:
            if "decode" not in str(error):
                raise
        with any_text(connection):  # only then: it slows every cell
            return _Reader(connection, wanted, outline).tables()


def _asked_once(keep: Keep) -> Keep:
    """``keep`` for a reader that may have to begin anew: who asks may count."""
    answers: dict[str, bool] = {}

    def wanted(head: StudyHead) -> bool:
        if head.name not in answers:
            answers[head.name] = keep(head)
        return answers[head.name]

    return wanted


@contextmanager
def _collector_paused() -> Iterator[None]:
    """No search for reference cycles: millions of rows hold none, and it doubles the time."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class _Reader:
    """Reads the tables of one connection; the trials first, since the others refer to them."""

    def __init__(self, connection: sa.Connection, keep: Keep, outline: bool) -> None:
        self.connection, self.keep, self.outline = connection, keep, outline
        self.only: list[int] | None = None
        self.trial_ids = self.row_of = np.zeros(0, np.int64)

    def tables(self) -> FlatTables:
        heads, notes = read_heads(self.connection)
        kept = [study for study, head in heads.items() if self.keep(head)]
        few = 4 * len(kept) <= len(heads) and len(kept) <= FEW
        self.only = kept if few else None
        study_of = {study: index for index, study in enumerate(kept)}
        study, number, state, started, seconds = self._trials(study_of)
        value = np.full(study.size, np.nan)
        row, _, told = self._numbers(*VALUES)
        value[row] = told
        value[state == TrialState.RUNNING.value] = np.nan
        keys, param = ((), EMPTY) if self.outline else self._params()
        attr_names, attr = ((), EMPTY) if self.outline else self._attrs()
        point = EMPTY if self.outline else self._numbers(*POINTS)
        return FlatTables(
            heads=tuple(heads[k] for k in kept),
            study=study,
            number=number,
            state=state,
            value=value,
            started=started,
            seconds=seconds,
            keys=keys,
            param=param,
            point=point,
            attr_names=attr_names,
            attr=attr,
            notes=tuple(notes),
        )

    def _pages(
        self, table: sa.TableClause, columns: Sequence[sa.ColumnElement], *where: sa.ColumnElement
    ) -> Iterator[tuple[tuple, ...]]:
        """Pages of ``columns``, transposed; the table's first column is its key."""
        key, last = table.c[0], -(2**62)
        query = sa.select(key, *columns).order_by(key).limit(PAGE_ROWS).where(*where)
        if self.only is not None:
            trials = columns_of("trials", "trial_id", "study_id")
            if table.name == "trials":
                query = query.where(table.c.study_id.in_(self.only))
            else:
                mine = sa.select(trials.c[0]).where(trials.c[1].in_(self.only))
                query = query.where(table.c.trial_id.in_(mine))
        while rows := self.connection.execute(query.where(key > last)).fetchall():
            keys, *page = zip(*rows, strict=True)
            yield tuple(page)
            if len(rows) < PAGE_ROWS:
                return
            last = keys[-1]

    def _rows(self, trial_ids: tuple) -> tuple[np.ndarray, np.ndarray]:
        """(which of them are trials known here, their rows)."""
        ids = _column(trial_ids, np.int64, -1)
        place = np.searchsorted(self.trial_ids, ids)
        place[place == self.trial_ids.size] = 0
        known = self.trial_ids[place] == ids if self.trial_ids.size else np.zeros(ids.size, bool)
        return known, self.row_of[place[known]]

    def _trials(self, study_of: dict[int, int]) -> tuple[np.ndarray, ...]:
        table = columns_of(
            "trials",
            "trial_id",
            "study_id",
            "number",
            "state",
            "datetime_start",
            "datetime_complete",
        )
        pages = ColumnPages((np.int64, np.int32, np.int64, np.int8, np.float64, np.float64))
        c = table.c
        coded = _coded(c.state, {s.name: s.value for s in TrialState}, TrialState.FAIL.value)
        columns = [c.trial_id, c.study_id, sa.func.coalesce(c.number, -1), coded]
        for found, studies, numbers, states, starts, ends in self._pages(
            table, [*columns, c.datetime_start, c.datetime_complete]
        ):
            index = np.array([study_of.get(study, -1) for study in studies], np.int32)
            mine = index >= 0
            told = _column(numbers, np.int64, -1)
            parts = (np.array(found), index, told, np.array(states))
            pages.add(*(part[mine] for part in parts), *_moments(starts, ends, mine))
        ids, study, number, state, started, seconds = pages.joined()
        order = np.lexsort((number, study))
        self.trial_ids = ids
        self.row_of = np.empty(ids.size, np.int64)
        self.row_of[order] = np.arange(ids.size)
        return tuple(column[order] for column in (study, number, state, started, seconds))

    def _params(self) -> tuple[tuple[ParamKey, ...], Triple]:
        table = columns_of(
            "trial_params", "param_id", "trial_id", "param_name", "param_value", "distribution_json"
        )
        codes: dict[tuple[str, str], int] = {}
        pages = ColumnPages((np.int64, np.int32, np.float64))
        for ids, names, values, jsons in self._pages(table, list(table.c)[1:]):
            known, row = self._rows(ids)
            pairs = zip(names, jsons, strict=True)
            code = np.array([codes.setdefault(pair, len(codes)) for pair in pairs], np.int32)
            pages.add(row, code[known], _column(values, np.float64, math.nan)[known])
        parsed: dict[str, BaseDistribution | None] = {}
        keys = []
        for name, text in codes:
            if text not in parsed:
                parsed[text] = parse_distribution(text)
            keys.append(ParamKey(str(name), parsed[text]))
        return tuple(keys), pages.triple()

    def _numbers(self, name: str, key: str, index: str, value: str) -> Triple:
        """(row, index, value) of a table of values with types; only the first objective's."""
        table = columns_of(name, key, "trial_id", index, value, f"{value}_type")
        pages = ColumnPages((np.int64, np.int64, np.float64))
        where = [table.c.objective == 0] if index == "objective" else []
        c = table.c
        special = _coded(c[4], {"FINITE": 0, "INF_POS": 1, "INF_NEG": 2}, 3)
        meaning = np.array([0.0, math.inf, -math.inf, math.nan])
        for ids, places, values, types in self._pages(table, [*list(c)[1:4], special], *where):
            known, row = self._rows(ids)
            kind = np.array(types, np.int8)
            number = np.where(kind == 0, _column(values, np.float64, math.nan), meaning[kind])
            pages.add(row, _column(places, np.int64, -1)[known], number[known])
        return pages.triple()

    def _attrs(self) -> tuple[tuple[str, ...], Triple]:
        table = columns_of(
            "trial_user_attributes", "trial_user_attribute_id", "trial_id", "key", "value_json"
        )
        codes: dict[str, int] = {}
        pages = ColumnPages((np.int64, np.int32, np.float64))
        numeric = sa.func.substr(table.c.value_json, 1, 1).in_(NUMBER_STARTS)
        for ids, names, texts in self._pages(table, list(table.c)[1:], numeric):
            known, row = self._rows(ids)
            code = np.array([codes.setdefault(name, len(codes)) for name in names], np.int32)
            pages.add(row, code[known], np.array([_number(t) for t in texts])[known])
        return tuple(str(name) for name in codes), pages.triple()


def _coded(column: sa.ColumnElement, codes: dict[str, int], other: int) -> sa.ColumnElement:
    """An enumeration's names as numbers; the cast serves PostgreSQL's own enumeration types."""
    text = sa.cast(column, sa.String)
    whens: list[tuple[sa.ColumnElement[bool], sa.ColumnElement]] = [
        (text == name, sa.literal_column(str(code))) for name, code in codes.items()
    ]
    return sa.case(*whens, else_=sa.literal_column(str(other)))


def _moments(starts: tuple, ends: tuple, mine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Starts in seconds since 1970 and spans in seconds, of text or datetime; NaN: unknown."""
    nothing = np.datetime64("NaT")
    start, end = (_column(part, "datetime64[us]", nothing)[mine] for part in (starts, ends))
    started = np.where(np.isnat(start), np.nan, start.astype(np.int64) / 1e6)
    spans = (end - start) / np.timedelta64(1, "s")
    return started, spans


def _number(text: str) -> float:
    try:
        return float(text)
    except (TypeError, ValueError):
        return math.nan


def _column(values: Sequence[Any], kind: DTypeLike, other: Any) -> np.ndarray:
    """``values`` as an array, ``other`` where one is none of its kind (SQLite checks no types)."""
    try:
        return np.array(values, kind)
    except (TypeError, ValueError, OverflowError):
        pass
    out = np.full(len(values), other, kind)
    for k, value in enumerate(values):
        with suppress(TypeError, ValueError, OverflowError):
            out[k] = np.array(value, kind)
    return out
