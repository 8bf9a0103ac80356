"""How does one trial become one row of plain text cells, and back, checked cell by cell?"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from foretune.history.copies import DAMAGED, StudyCopy
from foretune.history.schema import distribution_text, parse_distribution
from foretune.history.tables import StudyHead
from foretune.history.wording import numbered

REQUIRED = (
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
COLUMNS = (*REQUIRED, "system_attrs", "study_system_attrs")
WAYS = {way.name for way in StudyDirection if way is not StudyDirection.NOT_SET}
ODD = "a cell holds what Optuna does not write"
Row = dict[str, Any]


class BadRowError(Exception):
    """A row is no trial; says why in a few words that are the same for every such row."""


def to_rows(copy: StudyCopy) -> list[Row]:
    """The trials of a study as rows of ``COLUMNS``."""
    writer = _RowWriter(copy)
    return [writer.row(trial) for trial in copy.trials]


def checked(copy: StudyCopy) -> StudyCopy:
    """A study without the trials that could not be read back; they join what is ``lost`` of it.

    Raises:
        BadRowError: No trial could be, for what the study itself says.
    """
    parser, trials = RowParser(), []
    try:
        writer = _RowWriter(copy)
        head, _ = parser.study(writer.shared)
    except DAMAGED as error:
        raise BadRowError(ODD) from error
    bad: dict[str, list[object]] = {}
    for trial in copy.trials:
        try:
            parser.trial(writer.row(trial), len(head.directions))
            trials.append(trial)
        except BadRowError as problem:
            bad.setdefault(str(problem), []).append(trial.number)
        except DAMAGED:
            bad.setdefault(ODD, []).append(trial.number)
    lost = [f"{numbered(which)} ({why})" for why, which in bad.items()]
    return replace(copy, trials=trials, lost=(*copy.lost, *lost))


class _RowWriter:
    """Writes the trials of one study as rows."""

    def __init__(self, copy: StudyCopy) -> None:
        self.shared = {
            "study_name": copy.head.name,
            "directions": json.dumps(copy.head.directions),
            "study_attrs": _text(copy.head.user_attrs),
            "study_system_attrs": _text(copy.system_attrs),
        }
        self._known: dict[int, tuple[BaseDistribution, str]] = {}

    def row(self, trial: FrozenTrial) -> Row:
        """A trial's row."""
        texts = {name: distribution_text(d, self._known) for name, d in trial.distributions.items()}
        points = {str(step): _cell(value) for step, value in trial.intermediate_values.items()}
        return self.shared | {
            "number": trial.number,
            "state": trial.state.name,
            "values": None if trial.values is None else json.dumps([*map(_cell, trial.values)]),
            "params": _text(trial.params),
            "distributions": _text(texts),
            "user_attrs": _text(trial.user_attrs),
            "intermediate": _text(points),
            "datetime_start": _moment(trial.datetime_start),
            "datetime_complete": _moment(trial.datetime_complete),
            "system_attrs": _text(trial.system_attrs),
        }


@dataclass
class RowParser:
    """Parses rows; cells that repeat from row to row are parsed once."""

    distributions: dict[str, dict[str, BaseDistribution]] = field(default_factory=dict)
    studies: dict[str, tuple[tuple[str, ...], StudyHead, dict[str, object]]] = field(
        default_factory=dict
    )

    def study(self, row: Mapping[str, Any]) -> tuple[StudyHead, dict[str, object]]:
        """The study that a row belongs to, with its system attributes.

        Raises:
            BadRowError: Its cells are not readable, or differ from the study's first row.
        """
        name = row["study_name"]
        if not isinstance(name, str) or not name:
            raise BadRowError("no study name")
        _check_names([name])
        cells = tuple(row.get(c) or "" for c in ("directions", "study_attrs", "study_system_attrs"))
        if name not in self.studies:
            ways = _parsed(cells[0], list, "directions")
            if not ways or not all(isinstance(way, str) and way in WAYS for way in ways):
                raise BadRowError("unknown directions")
            attrs = _parsed(cells[1] or "{}", dict, "study_attrs")
            system = _parsed(cells[2] or "{}", dict, "study_system_attrs")
            self.studies[name] = (cells, StudyHead(name, tuple(ways), attrs), system)
        known, head, system = self.studies[name]
        if known != cells:
            raise BadRowError("directions or attributes other than in the study's first row")
        return head, system

    def trial(self, row: Mapping[str, Any], n_objectives: int) -> FrozenTrial:
        """The trial that a row tells of.

        Raises:
            BadRowError: A cell is not readable, or cells contradict each other.
        """
        distributions = self._distributions(row["distributions"])
        said = _parsed(row["params"], dict, "params")
        if said.keys() != distributions.keys():
            raise BadRowError("params and distributions name different parameters")
        try:
            kept = {name: d.to_internal_repr(said[name]) for name, d in distributions.items()}
            if not all(map(math.isfinite, kept.values())):
                raise ValueError("not finite")
            params = {name: d.to_external_repr(kept[name]) for name, d in distributions.items()}
        except (TypeError, ValueError, OverflowError) as error:
            raise BadRowError("a parameter's value is none of its distribution") from error
        state = TrialState.__members__.get(str(row["state"]))
        if state is None:
            raise BadRowError("unknown state")
        number = row["number"]
        if not isinstance(number, int) or number < 0:
            raise BadRowError("no trial number")
        return FrozenTrial(
            number=number,
            trial_id=number,
            state=state,
            value=None,
            values=_values(row["values"], state, n_objectives),
            datetime_start=_local(row["datetime_start"]),
            datetime_complete=_local(row["datetime_complete"]),
            params=params,
            distributions=distributions,
            user_attrs=_parsed(row["user_attrs"] or "{}", dict, "user_attrs"),
            system_attrs=_parsed(row.get("system_attrs") or "{}", dict, "system_attrs"),
            intermediate_values=_points(row["intermediate"] or "{}"),
        )

    def _distributions(self, text: object) -> dict[str, BaseDistribution]:
        if not isinstance(text, str):
            raise BadRowError("distributions is not JSON")
        if text not in self.distributions:
            found: dict[str, BaseDistribution] = {}
            for name, said in _parsed(text, dict, "distributions").items():
                distribution = parse_distribution(said)
                if distribution is None:
                    raise BadRowError("a distribution is not readable")
                found[name] = distribution
            self.distributions[text] = found
        return self.distributions[text]


def _values(text: object, state: TrialState, n_objectives: int) -> list[float] | None:
    if text is None or state is TrialState.FAIL:
        if state is TrialState.COMPLETE:
            raise BadRowError("complete without a value")
        return None
    values = [_number(value, "values") for value in _parsed(text, list, "values")]
    if len(values) != n_objectives or any(math.isnan(value) for value in values):
        raise BadRowError("not one value an objective")
    return values


def _points(text: object) -> dict[int, float]:
    points = _parsed(text, dict, "intermediate")
    try:
        found = {int(step): _number(value, "intermediate") for step, value in points.items()}
    except ValueError as error:
        raise BadRowError("a step is no whole number") from error
    if not all(-(2**63) <= step < 2**63 for step in found):
        raise BadRowError("a step is beyond 64 bits")
    return found


def _number(value: object, column: str) -> float:
    """A number of JSON, or one of the three that it lacks."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if value in ("nan", "inf", "-inf"):
        return float(str(value))
    raise BadRowError(f"{column} holds something else than numbers")


def _parsed(text: object, kind: type, column: str) -> Any:
    """A JSON cell of the expected kind."""
    try:
        value = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, kind):
        raise BadRowError(f"{column} is no JSON {kind.__name__}")
    if isinstance(value, dict):
        _check_names(value)
    return value


def _check_names(names: Iterable[str]) -> None:
    """Pass if a database can hold them: JSON can say half of a character."""
    try:
        "".join(names).encode()
    except UnicodeEncodeError as error:
        raise BadRowError("a name is no text") from error


def _local(text: object) -> datetime | None:
    """An ISO moment as Optuna holds it: local time without a zone."""
    if text is None:
        return None
    try:
        return datetime.fromisoformat(str(text)).astimezone().replace(tzinfo=None)
    except (ValueError, OverflowError, OSError) as error:
        raise BadRowError("a moment is not ISO 8601") from error


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat()


def _cell(value: float) -> float | str:
    return value if math.isfinite(value) else repr(float(value))


def _text(value: Mapping[str, object] | Sequence[object]) -> str:
    return json.dumps(value)
