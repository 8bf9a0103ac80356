"""How are whole studies read out of a database of a known revision, and what of them is unsound?

SQLite checks no types: any cell can hold anything. A trial with a cell that cannot be read is left
out and named, never changed, and the rest of its study is read.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

from foretune.history.copies import StudyCopy
from foretune.history.schema import any_text, columns_of, parse_distribution, read_heads
from foretune.history.tables import Keep, StudyHead
from foretune.history.wording import counted, numbered

MEANT = {"INF_POS": math.inf, "INF_NEG": -math.inf, "NAN": math.nan}
CURVE = ("intermediate_value", "intermediate_value_type")
OF_TRIALS = (
    "trial_params",
    "trial_values",
    "trial_intermediate_values",
    "trial_user_attributes",
    "trial_system_attributes",
)


class BadCellError(Exception):
    """A cell cannot be read; says why in a few words that are the same for every such cell."""


def copies_of_database(connection: sa.Connection, keep: Keep) -> Iterator[StudyCopy]:
    """The studies of a database of a known revision that ``keep`` wants, their sound trials."""
    with any_text(connection):
        reader = _StudyReader(connection)
        for study, head in read_heads(connection)[0].items():
            if keep(head):
                yield reader.study(study, head)


def strays(connection: sa.Connection) -> list[str]:
    """What belongs to no study or no trial, and so to no copy; follows "left out"."""
    told = []
    studies = sa.select(columns_of("studies", "study_id").c[0])
    trials = sa.select(columns_of("trials", "trial_id").c[0])
    for name, owner, owners in (
        ("trials", "study_id", studies),
        *((name, "trial_id", trials) for name in OF_TRIALS),
    ):
        table = columns_of(name, owner)
        lost = sa.or_(table.c[0].is_(None), table.c[0].not_in(owners))
        n = connection.execute(sa.select(sa.func.count()).select_from(table).where(lost)).scalar()
        if n:
            told.append(f"{counted(n, 'row')} of {name} (the {owner} is that of none)")
    return told


@dataclass
class _StudyReader:
    """Reads study by study; equal distributions are parsed once."""

    connection: sa.Connection
    parsed: dict[str, BaseDistribution] = field(default_factory=dict)

    def study(self, study: int, head: StudyHead) -> StudyCopy:
        """A study, and what of it cannot be read."""
        trials, bad = self._trials(study)
        lost = [f"{numbered(which)} ({why})" for why, which in bad.items()]
        user = self._study_attrs("study_user_attribute", study, lost)
        system = self._study_attrs("study_system_attribute", study, lost)
        return StudyCopy(replace(head, user_attrs=user), trials, system, tuple(lost))

    def _study_attrs(self, name: str, study: int, lost: list[str]) -> dict[str, object]:
        c = columns_of(f"{name}s", "study_id", "key", "value_json").c
        mine = sa.select(c[1], c[2]).where(c[0] == study).order_by(sa.column(f"{name}_id"))
        found: dict[str, object] = {}
        for key, text in self.connection.execute(mine):
            try:
                found[_name(key)] = _parsed(text)
            except BadCellError as problem:
                lost.append(f"attribute {key!r:.80} ({problem})")
        return found

    def _trials(self, study: int) -> tuple[list[FrozenTrial], dict[str, list[object]]]:
        """The sound trials in order of their numbers, and the others by what is wrong."""
        c = columns_of(
            "trials", "trial_id", "number", "state", "datetime_start", "datetime_complete"
        ).c
        mine = sa.column("study_id") == study
        state = sa.cast(c[2], sa.String)
        rows = self.connection.execute(
            sa.select(c[0], c[1], state, c[3], c[4]).where(mine).order_by(c[1], c[0])
        ).fetchall()
        cells = _TrialCells(self, sa.select(c[0]).where(mine))
        trials: list[FrozenTrial] = []
        bad: dict[str, list[object]] = {}
        for trial, number, kind, start, complete in rows:
            try:
                if trial in cells.bad:
                    raise BadCellError(cells.bad[trial])
                if not isinstance(number, int) or number < 0:
                    raise BadCellError("no trial number")
                if kind not in TrialState.__members__:
                    raise BadCellError("unknown state")
                trials.append(
                    FrozenTrial(
                        number=number,
                        state=TrialState[kind],
                        value=None,
                        values=cells.values.get(trial),
                        datetime_start=_local(start),
                        datetime_complete=_local(complete),
                        params=cells.params.get(trial, {}),
                        distributions=cells.distributions.get(trial, {}),
                        user_attrs=cells.user_attrs.get(trial, {}),
                        system_attrs=cells.system_attrs.get(trial, {}),
                        intermediate_values=cells.points.get(trial, {}),
                        trial_id=trial,
                    )
                )
            except BadCellError as problem:
                which = number if isinstance(number, int) else f"with id {trial}"
                bad.setdefault(str(problem), []).append(which)
        return trials, bad

    def rows(self, ids: sa.Select, name: str, order: str, *columns: str) -> Sequence[Any]:
        """Rows (trial, column, ...) of a table that belong to the trials ``ids``."""
        table = columns_of(name, "trial_id", *columns)
        wanted = [sa.cast(c, sa.String) if c.name.endswith("_type") else c for c in table.c]
        mine = sa.select(*wanted).where(table.c.trial_id.in_(ids))
        ordered = mine.order_by(table.c.trial_id, sa.column(order))
        return self.connection.execute(ordered).fetchall()

    def distribution(self, text: object) -> BaseDistribution:
        """The distribution that a cell says in JSON."""
        distribution = self.parsed.get(text) if isinstance(text, str) else None
        if distribution is None:
            distribution = parse_distribution(text) if isinstance(text, str) else None
            if distribution is None:
                raise BadCellError("a distribution is not readable")
            self.parsed[str(text)] = distribution
        return distribution


class _TrialCells:
    """All that hangs on the trials of one study, by their ids; ``bad`` says whose is unreadable."""

    def __init__(self, reader: _StudyReader, ids: sa.Select) -> None:
        self.bad: dict[int, str] = {}
        self.params: dict[int, dict[str, Any]] = defaultdict(dict)
        self.distributions: dict[int, dict[str, BaseDistribution]] = defaultdict(dict)
        self.values: dict[int, list[float]] = defaultdict(list)
        self.points: dict[int, dict[int, float]] = defaultdict(dict)
        self.user_attrs: dict[int, dict[str, Any]] = defaultdict(dict)
        self.system_attrs: dict[int, dict[str, Any]] = defaultdict(dict)

        def param(trial: int, name: object, value: object, text: object) -> None:
            drawn = reader.distribution(text)
            self.params[trial][_name(name)] = _external(drawn, value)
            self.distributions[trial][_name(name)] = drawn

        def objective(trial: int, _: int, value: object, kind: object) -> None:
            self.values[trial].append(_meant(value, kind))

        def point(trial: int, step: int, value: object, kind: object) -> None:
            self.points[trial][step] = _meant(value, kind)

        def user(trial: int, key: object, text: object) -> None:
            self.user_attrs[trial][_name(key)] = _parsed(text)

        def system(trial: int, key: object, text: object) -> None:
            self.system_attrs[trial][_name(key)] = _parsed(text)

        for put, name, order, *columns in (
            (param, "params", "param_id", "param_name", "param_value", "distribution_json"),
            (objective, "values", "objective", "objective", "value", "value_type"),
            (point, "intermediate_values", "step", "step", *CURVE),
            (user, "user_attributes", "trial_user_attribute_id", "key", "value_json"),
            (system, "system_attributes", "trial_system_attribute_id", "key", "value_json"),
        ):
            for trial, *cells in reader.rows(ids, f"trial_{name}", order, *columns):
                try:
                    put(trial, *cells)
                except BadCellError as problem:
                    self.bad.setdefault(trial, str(problem))


def _name(cell: object) -> str:
    if not isinstance(cell, str):
        raise BadCellError("a name is no text")
    return cell


def _parsed(cell: object) -> Any:
    try:
        if isinstance(cell, str):
            return json.loads(cell)
    except (ValueError, RecursionError):
        pass
    raise BadCellError("an attribute is not JSON")


def _meant(value: object, kind: object) -> float:
    """A number of the kind that the cell beside it says: not every database knows infinity."""
    if kind in MEANT:
        return MEANT[str(kind)]
    if kind == "FINITE" and isinstance(value, int | float):
        return value
    raise BadCellError("a value is no number")


def _external(distribution: BaseDistribution, cell: object) -> Any:
    """A parameter's value as the objective saw it."""
    known = isinstance(cell, int | float) and math.isfinite(cell)
    if isinstance(distribution, CategoricalDistribution):  # a place among its choices
        known = cell in range(len(distribution.choices))
    if not known:
        raise BadCellError("a parameter's value is none of its distribution")
    return distribution.to_external_repr(cell)  # type: ignore[arg-type]


def _local(cell: object) -> datetime | None:
    """A stored moment (UTC without a zone) as Optuna shows it: local time without a zone."""
    if cell is None:
        return None
    try:
        moment = cell if isinstance(cell, datetime) else datetime.fromisoformat(str(cell))
        return moment.replace(tzinfo=UTC).astimezone().replace(tzinfo=None)
    except (ValueError, OverflowError, OSError) as error:
        raise BadCellError("a moment is not ISO 8601") from error
