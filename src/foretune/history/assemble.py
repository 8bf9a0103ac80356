"""How do flat tables become study records? By one sort, then one slice a (study, parameter)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from optuna.study import StudyDirection
from optuna.trial import TrialState

from foretune.history.hull import merge_distributions
from foretune.history.records import Curves, ParamColumn, StudyRecord
from foretune.history.tables import FlatTables, ParamKey, StudyHead, Triple
from foretune.history.wording import counted, named

SINGLE = ((StudyDirection.MAXIMIZE.name,), (StudyDirection.MINIMIZE.name,))
FINISHED = (TrialState.COMPLETE.value, TrialState.PRUNED.value)


def assemble(tables: FlatTables, source: str) -> tuple[list[StudyRecord], list[str]]:
    """The usable studies of ``tables``, and a sentence for each kind of thing left out."""
    notes = [f"{source}: {note}." for note in tables.notes]
    starts = np.searchsorted(tables.study, np.arange(len(tables.heads) + 1))
    params = _ByStudy(tables.param, starts)
    points = _ByStudy(tables.point, starts)
    attrs = _ByStudy(tables.attr, starts)
    names = {name: code for code, name in enumerate({key.name: None for key in tables.keys})}
    name_codes = np.array([names[key.name] for key in tables.keys], np.int64)
    studies: list[StudyRecord] = []
    left_out: dict[str, list[str]] = {}
    for index, head in enumerate(tables.heads):
        rows = slice(int(starts[index]), int(starts[index + 1]))
        why = _unusable(head, tables.state[rows], tables.value[rows])
        if why:
            left_out.setdefault(why, []).append(head.name)
            continue
        columns, lost = _columns(tables.keys, name_codes, params.of(index), rows)
        notes += [f"{source}, study {head.name!r}: {text}." for text in lost]
        numeric = _attrs(tables.attr_names, attrs.of(index), rows)
        studies.append(
            StudyRecord(
                name=head.name,
                source=source,
                maximize=head.directions == SINGLE[0],
                user_attrs=head.user_attrs,
                columns=columns,
                values=tables.value[rows],
                states=tables.state[rows],
                numbers=tables.number[rows],
                seconds=_seconds(numeric, tables.seconds[rows]),
                curves=_curves(points.of(index), rows),
                trial_attrs=numeric,
            )
        )
    notes += [f"{source}: left out {named(who)} ({why})." for why, who in left_out.items()]
    return studies, notes


class _ByStudy:
    """Columns (row, code, value), sorted once so that each study is one slice of them."""

    def __init__(self, columns: Triple, starts: np.ndarray) -> None:
        row, code, value = columns
        if row.size and (np.diff(row) < 0).any():
            order = np.argsort(row, kind="stable")
            row, code, value = row[order], code[order], value[order]
        self.columns = (row, code, value)
        self.bounds = np.searchsorted(row, starts)

    def of(self, study: int) -> Triple:
        part = slice(int(self.bounds[study]), int(self.bounds[study + 1]))
        row, code, value = self.columns
        return row[part], code[part], value[part]


def _unusable(head: StudyHead, states: np.ndarray, values: np.ndarray) -> str:
    """Why a study teaches nothing, or an empty string."""
    if len(head.directions) > 1:
        return "more than one objective"
    if head.directions not in SINGLE:
        return "no direction"
    if not states.size:
        return "no trials"
    finished = np.isin(states, FINISHED)
    if not finished.any():
        return "no finished trial"
    if not np.isfinite(values[finished]).any():
        return "no finished trial with a finite value"
    return ""


def _columns(
    keys: Sequence[ParamKey], name_codes: np.ndarray, cells: Triple, rows: slice
) -> tuple[tuple[ParamColumn, ...], list[str]]:
    row, code, value = cells
    columns: list[ParamColumn] = []
    lost: list[str] = []
    which = name_codes[code] if code.size else code
    present, first = np.unique(which, return_index=True)
    order = np.argsort(which, kind="stable")
    bounds = [*np.searchsorted(which[order], present).tolist(), which.size]
    spans = {int(name): (bounds[i], bounds[i + 1]) for i, name in enumerate(present)}
    for name in present[np.argsort(first)].tolist():
        part = order[slice(*spans[name])]
        column, n_lost = _column(keys, (row[part] - rows.start, code[part], value[part]), rows)
        if column is not None:
            columns.append(column)
        if n_lost:
            label = keys[int(code[part[0]])].name
            values = counted(n_lost, "value")
            lost.append(f"{values} of parameter {label!r} without a place in its distribution")
    return tuple(columns), lost


def _column(keys: Sequence[ParamKey], cells: Triple, rows: slice) -> tuple[ParamColumn | None, int]:
    """One parameter as a column, and how many of its values could not be kept."""
    row, code, value = cells
    used = list(dict.fromkeys(code.tolist())) if np.ptp(code) else [int(code[0])]
    readable = [k for k in used if keys[k].distribution is not None]
    if not readable:
        return None, int(row.size)
    hull = merge_distributions([d for k in readable if (d := keys[k].distribution) is not None])
    out = np.full(rows.stop - rows.start, np.nan)
    n_kept = 0
    for key, places in zip(readable, hull.codes, strict=True):
        mine = slice(None) if len(used) == 1 else code == key
        at, got = row[mine], value[mine]
        if places is not None:
            got = _placed(got, places)
        out[at] = got
        n_kept += int(np.isfinite(got).sum())
    name = keys[used[0]].name
    return ParamColumn(name, hull.distribution, out), int(row.size) - n_kept


def _placed(index: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Indices into one distribution's choices as indices into the union; NaN where none."""
    valid = (index >= 0) & (index < places.size) & (index == np.floor(index))
    out = np.full(index.shape, np.nan)
    out[valid] = places[index[valid].astype(np.int64)]
    return out


def _curves(cells: Triple, rows: slice) -> Curves:
    row, step, value = cells
    order = np.lexsort((step, row))
    return Curves(row[order] - rows.start, step[order], value[order])


def _attrs(names: Sequence[str], cells: Triple, rows: slice) -> dict[str, np.ndarray]:
    row, code, value = cells
    columns: dict[str, np.ndarray] = {}
    for name in np.unique(code).tolist():
        mine = code == name
        column = np.full(rows.stop - rows.start, np.nan)
        column[row[mine] - rows.start] = value[mine]
        columns[names[name]] = column
    return columns


def _seconds(attrs: dict[str, np.ndarray], wall: np.ndarray) -> np.ndarray:
    told = attrs.get("seconds")
    return wall if told is None else np.where(np.isfinite(told), told, wall)
