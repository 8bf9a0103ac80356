"""What is a copy of a whole study, and how is it written, with nothing lost, into a storage?

Optuna's own interface adds a trial in 10 ms and reads one in half a millisecond: a history of
100,000 trials would take a quarter of an hour. Databases of a known revision are read (by
``study_reader.py``) and written by bulk SQL instead, one transaction a study: a copy that fails
leaves no half study behind.
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
from optuna.trial import FrozenTrial

from foretune.history.schema import columns_of, distribution_text
from foretune.history.tables import Keep, StudyHead

# What rows that hold something else than Optuna would write come to; SQLite checks no types.
DAMAGED = (LookupError, ValueError, TypeError, AttributeError, ArithmeticError, RecursionError)


@dataclass(frozen=True)
class StudyCopy:
    """A study with everything that Optuna keeps of it; the trials in order of their numbers.

    ``lost`` says what of it could not be read, in words that follow "left out".
    """

    head: StudyHead
    trials: Sequence[FrozenTrial]
    system_attrs: Mapping[str, object] = field(default_factory=dict)
    lost: tuple[str, ...] = ()


def copies_of_storage(storage: BaseStorage, keep: Keep) -> Iterator[StudyCopy]:
    """The studies of any storage that ``keep`` wants, through Optuna's public interface."""
    for study in storage.get_all_studies():
        ways = tuple(way.name for way in study.directions)
        head = StudyHead(study.study_name, ways, study.user_attrs)
        if keep(head):
            trials = storage.get_all_trials(study._study_id, deepcopy=False)
            yield StudyCopy(head, sorted(trials, key=lambda t: t.number), study.system_attrs)


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


def _utc(moment: datetime | None) -> datetime | None:
    return moment and moment.astimezone(UTC).replace(tzinfo=None)
