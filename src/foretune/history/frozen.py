"""How is a history read through Optuna's public interface alone, whatever keeps it?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

from foretune.history.schema import distribution_text
from foretune.history.tables import ColumnPages, FlatTables, Keep, ParamKey, StudyHead, Triple


def read_storage(storage: BaseStorage, keep: Keep) -> FlatTables:
    """The studies of any Optuna storage that ``keep`` says yes to."""
    flat = FlatBuilder()
    for study in storage.get_all_studies():
        head = StudyHead(
            study.study_name, tuple(way.name for way in study.directions), study.user_attrs
        )
        if keep(head):
            flat.add(head, storage.get_all_trials(study._study_id, deepcopy=False))
    return flat.tables()


class FlatBuilder:
    """Turns trials, given as Optuna's own objects, into flat tables part by part."""

    def __init__(self) -> None:
        self.heads: dict[str, StudyHead] = {}
        self._places: dict[str, int] = {}
        self._trials = ColumnPages(
            (np.int32, np.int64, np.int8, np.float64, np.float64, np.float64)
        )
        self._params = ColumnPages((np.int64, np.int32, np.float64))
        self._points = ColumnPages((np.int64, np.int64, np.float64))
        self._attrs = ColumnPages((np.int64, np.int32, np.float64))
        self._keys: dict[tuple[str, str], BaseDistribution] = {}
        self._codes: dict[tuple[str, str], int] = {}
        self._names: dict[str, int] = {}
        self._texts: dict[int, tuple[BaseDistribution, str]] = {}
        self._row = 0

    def add(self, head: StudyHead, trials: Sequence[FrozenTrial]) -> None:
        """Append trials of a study; a study may come in several parts."""
        self.heads.setdefault(head.name, head)
        study = self._places.setdefault(head.name, len(self._places))
        rows, cells, points, attrs = [], [], [], []
        for row, trial in enumerate(trials, self._row):
            told = (trial.number, trial.state.value, _value(trial))
            rows.append((study, *told, _started(trial), _wall(trial)))
            for name, distribution in trial.distributions.items():
                key = (name, distribution_text(distribution, self._texts))
                self._keys.setdefault(key, distribution)
                code = self._codes.setdefault(key, len(self._codes))
                cells.append((row, code, distribution.to_internal_repr(trial.params[name])))
            points += [(row, step, value) for step, value in trial.intermediate_values.items()]
            attrs += [
                (row, self._names.setdefault(name, len(self._names)), value)
                for name, value in numeric(trial.user_attrs).items()
            ]
        self._row += len(trials)
        for pages, lines in (
            (self._trials, rows),
            (self._params, cells),
            (self._points, points),
            (self._attrs, attrs),
        ):
            if lines:
                pages.add(*(np.array(column) for column in zip(*lines, strict=True)))

    def tables(self) -> FlatTables:
        """Everything added so far, sorted by study and number."""
        study, number, state, value, started, seconds = self._trials.joined()
        order = np.lexsort((number, study))
        place = np.empty(order.size, np.int64)
        place[order] = np.arange(order.size)

        def moved(pages: ColumnPages) -> Triple:
            row, code, values = pages.joined()
            return place[row], code, values

        return FlatTables(
            heads=tuple(self.heads.values()),
            study=study[order],
            number=number[order],
            state=state[order],
            value=value[order],
            started=started[order],
            seconds=seconds[order],
            keys=tuple(ParamKey(name, self._keys[name, text]) for name, text in self._codes),
            param=moved(self._params),
            point=moved(self._points),
            attr_names=tuple(self._names),
            attr=moved(self._attrs),
        )


def numeric(attrs: Mapping[str, object]) -> dict[str, float]:
    """Those of ``attrs`` that are numbers (a truth value is none).

    >>> numeric({"seconds": 2, "failure": "out of memory", "best": True})
    {'seconds': 2.0}
    """
    return {
        name: float(value)
        for name, value in attrs.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _value(trial: FrozenTrial) -> float:
    return trial.values[0] if trial.values else math.nan


def _started(trial: FrozenTrial) -> float:
    return math.nan if trial.datetime_start is None else trial.datetime_start.timestamp()


def _wall(trial: FrozenTrial) -> float:
    if trial.datetime_start is None or trial.datetime_complete is None:
        return math.nan
    return (trial.datetime_complete - trial.datetime_start).total_seconds()
