"""How is a whole study copied, with nothing lost, out of a storage and into another?

Optuna's own interface adds a trial in 10 ms and reads one in half a millisecond: a history of
100,000 trials would take a quarter of an hour. Databases of a known revision are read and written
by bulk SQL instead, one transaction a study: a copy that fails leaves no half study behind.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from foretune.history.schema import columns_of, distribution_text, parse_distribution, read_heads
from foretune.history.tables import Keep, StudyHead, UnreadableError

# What rows that hold something else than Optuna would write come to; SQLite checks no types.
DAMAGED = (LookupError, ValueError, TypeError, AttributeError, ArithmeticError, RecursionError)
MEANT = {"INF_POS": math.inf, "INF_NEG": -math.inf, "NAN": math.nan}


@dataclass(frozen=True)
class StudyCopy:
    """A study with everything that Optuna keeps of it; the trials in order of their numbers."""

    head: StudyHead
    trials: Sequence[FrozenTrial]
    system_attrs: Mapping[str, object] = field(default_factory=dict)


def copies_of_storage(storage: BaseStorage, keep: Keep) -> Iterator[StudyCopy]:
    """The studies of any storage that ``keep`` wants, through Optuna's public interface."""
    for study in storage.get_all_studies():
        ways = tuple(way.name for way in study.directions)
        head = StudyHead(study.study_name, ways, study.user_attrs)
        if keep(head):
            trials = storage.get_all_trials(study._study_id, deepcopy=False)
            yield StudyCopy(head, sorted(trials, key=lambda t: t.number), study.system_attrs)


def copies_of_database(connection: sa.Connection, keep: Keep) -> Iterator[StudyCopy]:
    """The studies of a database of a known revision that ``keep`` wants."""
    reader = _StudyReader(connection)
    heads, _ = read_heads(connection)
    for study, head in heads.items():
        if keep(head):
            try:
                found = StudyCopy(head, reader.trials(study), reader.system_attrs(study))
            except DAMAGED as error:
                what = f"is damaged in study {head.name!r} ({type(error).__name__}: {error})"
                raise UnreadableError(" ".join(what.split())[:300]) from error
            yield found


@dataclass
class _StudyReader:
    """Reads study by study; equal distributions are parsed once."""

    connection: sa.Connection
    parsed: dict[str, BaseDistribution] = field(default_factory=dict)

    def system_attrs(self, study: int) -> dict[str, object]:
        c = columns_of("study_system_attributes", "study_id", "key", "value_json").c
        rows = self.connection.execute(sa.select(c[1], c[2]).where(c[0] == study))
        return {str(key): json.loads(text) for key, text in rows}

    def trials(self, study: int) -> list[FrozenTrial]:
        c = columns_of(
            "trials", "trial_id", "number", "state", "datetime_start", "datetime_complete"
        ).c
        state = sa.cast(c[2], sa.String)
        moments = [sa.type_coerce(moment, sa.DateTime) for moment in list(c)[3:]]
        mine = sa.column("study_id") == study
        ids = sa.select(c[0]).where(mine)
        rows = self.connection.execute(
            sa.select(c[0], c[1], state, *moments).where(mine).order_by(c[1], c[0])
        ).fetchall()
        distributions: dict[int, dict[str, BaseDistribution]] = {row[0]: {} for row in rows}
        params: dict[int, dict[str, Any]] = {row[0]: {} for row in rows}
        for trial, name, value, text in self._cells(
            ids, "trial_params", "param_id", "param_name", "param_value", "distribution_json"
        ):
            drawn = distributions[trial][str(name)] = self._distribution(text)
            params[trial][str(name)] = drawn.to_external_repr(value)
        values: dict[int, list[float]] = {}
        for trial, _, value, kind in self._cells(
            ids, "trial_values", "objective", "objective", "value", "value_type"
        ):
            values.setdefault(trial, []).append(MEANT.get(kind, value))
        points: dict[int, dict[int, float]] = {}
        for trial, step, value, kind in self._cells(
            ids,
            "trial_intermediate_values",
            "step",
            "step",
            "intermediate_value",
            "intermediate_value_type",
        ):
            points.setdefault(trial, {})[step] = MEANT.get(kind, value)
        user = self._attrs(ids, "trial_user_attributes", "trial_user_attribute_id")
        system = self._attrs(ids, "trial_system_attributes", "trial_system_attribute_id")
        return [
            FrozenTrial(
                number=number,
                state=TrialState[state],
                value=None,
                values=values.get(trial),
                datetime_start=_local(start),
                datetime_complete=_local(complete),
                params=params[trial],
                distributions=distributions[trial],
                user_attrs=user.get(trial, {}),
                system_attrs=system.get(trial, {}),
                intermediate_values=points.get(trial, {}),
                trial_id=trial,
            )
            for trial, number, state, start, complete in rows
        ]

    def _cells(self, ids: sa.Select, name: str, order: str, *columns: str) -> Sequence[Any]:
        """Rows (trial, column, ...) of a table that belong to the trials ``ids``."""
        table = columns_of(name, "trial_id", *columns)
        wanted = [sa.cast(c, sa.String) if c.name.endswith("_type") else c for c in table.c]
        mine = sa.select(*wanted).where(table.c.trial_id.in_(ids))
        ordered = mine.order_by(table.c.trial_id, sa.column(order))
        return self.connection.execute(ordered).fetchall()

    def _attrs(self, ids: sa.Select, name: str, order: str) -> dict[int, dict[str, Any]]:
        found: dict[int, dict[str, Any]] = {}
        for trial, key, text in self._cells(ids, name, order, "key", "value_json"):
            found.setdefault(trial, {})[str(key)] = json.loads(text)
        return found

    def _distribution(self, text: str) -> BaseDistribution:
        if text not in self.parsed:
            distribution = parse_distribution(text)
            if distribution is None:
                raise ValueError(f"no distribution: {text[:80]}")
            self.parsed[text] = distribution
        return self.parsed[text]


def write_copy(connection: sa.Connection, copy: StudyCopy) -> None:
    """Add a study to a database of the newest known revision.

    Args:
        connection: In a transaction that the caller commits.
        copy: Its trials are numbered anew, in their order.
    """
    insert = _Inserter(connection)
    insert.rows("studies", [{"study_name": copy.head.name}])
    c = columns_of("studies", "study_id", "study_name").c
    study = connection.execute(sa.select(c[0]).where(c[1] == copy.head.name)).scalar_one()
    insert.rows(
        "study_directions",
        [
            {"study_id": study, "objective": index, "direction": way}
            for index, way in enumerate(copy.head.directions)
        ],
    )
    insert.attrs("study_user_attributes", "study_id", [(study, copy.head.user_attrs)])
    insert.attrs("study_system_attributes", "study_id", [(study, copy.system_attrs)])
    insert.rows(
        "trials",
        [
            {
                "study_id": study,
                "number": number,
                "state": trial.state.name,
                "datetime_start": _utc(trial.datetime_start),
                "datetime_complete": _utc(trial.datetime_complete),
            }
            for number, trial in enumerate(copy.trials)
        ],
    )
    c = columns_of("trials", "trial_id", "study_id", "number").c
    ids = connection.execute(sa.select(c[0]).where(c[1] == study).order_by(c[2])).scalars()
    insert.trials(list(zip(ids, copy.trials, strict=True)))


@dataclass
class _Inserter:
    """Writes rows of Optuna's tables, many at once."""

    connection: sa.Connection

    def rows(self, name: str, rows: list[dict[str, Any]]) -> None:
        if rows:
            moments = {"datetime_start", "datetime_complete"}
            columns = [sa.column(c, sa.DateTime() if c in moments else None) for c in rows[0]]
            self.connection.execute(sa.insert(sa.table(name, *columns)), rows)

    def attrs(
        self, name: str, owner: str, owned: Sequence[tuple[int, Mapping[str, object]]]
    ) -> None:
        self.rows(
            name,
            [
                {owner: owner_id, "key": key, "value_json": json.dumps(value)}
                for owner_id, attrs in owned
                for key, value in attrs.items()
            ],
        )

    def trials(self, trials: Sequence[tuple[int, FrozenTrial]]) -> None:
        texts: dict[int, tuple[BaseDistribution, str]] = {}
        self.rows(
            "trial_params",
            [
                {
                    "trial_id": trial_id,
                    "param_name": name,
                    "param_value": distribution.to_internal_repr(trial.params[name]),
                    "distribution_json": distribution_text(distribution, texts),
                }
                for trial_id, trial in trials
                for name, distribution in trial.distributions.items()
            ],
        )
        self.rows(
            "trial_values",
            [
                {"trial_id": trial_id, "objective": index} | _stored("value", value)
                for trial_id, trial in trials
                for index, value in enumerate(trial.values or ())
            ],
        )
        self.rows(
            "trial_intermediate_values",
            [
                {"trial_id": trial_id, "step": step} | _stored("intermediate_value", value)
                for trial_id, trial in trials
                for step, value in trial.intermediate_values.items()
            ],
        )
        users = [(trial_id, trial.user_attrs) for trial_id, trial in trials]
        systems = [(trial_id, trial.system_attrs) for trial_id, trial in trials]
        self.attrs("trial_user_attributes", "trial_id", users)
        self.attrs("trial_system_attributes", "trial_id", systems)


def _stored(column: str, value: float) -> dict[str, Any]:
    """A number as Optuna stores it: with its kind, since not every database knows infinity."""
    if math.isfinite(value):
        return {column: value, f"{column}_type": "FINITE"}
    kind = "NAN" if math.isnan(value) else "INF_POS" if value > 0 else "INF_NEG"
    return {column: None, f"{column}_type": kind}


def _local(moment: datetime | None) -> datetime | None:
    """A stored moment (UTC without a zone) as Optuna shows it: local time without a zone."""
    return moment and moment.replace(tzinfo=UTC).astimezone().replace(tzinfo=None)


def _utc(moment: datetime | None) -> datetime | None:
    return moment and moment.astimezone(UTC).replace(tzinfo=None)
