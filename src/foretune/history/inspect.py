"""What does a person want to know of a history: which studies, how far, how good?"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from foretune.core import HistoryError, unknown_name
from foretune.history.attrs import DATA_SOURCE, FAILURE, METRIC, SEARCH, SECONDS, STAND_IN, TASK
from foretune.history.rows import BadRowError, checked
from foretune.history.source import Source, find, label
from foretune.history.tables import FlatTables, StudyHead, UnreadableError

MAXIMIZE = StudyDirection.MAXIMIZE.name
ORDER = (
    TrialState.COMPLETE,
    TrialState.PRUNED,
    TrialState.FAIL,
    TrialState.RUNNING,
    TrialState.WAITING,
)


@dataclass(frozen=True)
class StudySummary:
    """One study of a list.

    Attributes:
        study: Its name.
        source: Where it is kept, without credentials.
        task: What was learnt, as far as the study says.
        data_source: Where the rows came from: hub, local, packaged.
        stand_in: Whether packaged data stood in for the task's own.
        search: The search method.
        states: Trials by state (``complete``, ``pruned``, ``failed``, ``running``, ``waiting``).
        best: The best finite value of a completed trial; None: there is none, or there are
            several objectives.
        started: When its first trial started, in local time.
        ended: When its last trial started, in local time.
    """

    study: str
    source: str
    task: str
    data_source: str
    stand_in: bool
    search: str
    states: Mapping[str, int]
    best: float | None
    started: datetime | None
    ended: datetime | None


@dataclass(frozen=True)
class StudyDetails:
    """One study with its trials, the best first, then pruned and failed ones.

    Attributes:
        summary: As in a list.
        metric: The metric, if the study says.
        maximize: Whether higher is better.
        attrs: The study's user attributes.
        seconds: What its trials took together, as far as they say.
        failures: How often each reason of failure occurred.
        trials: All trials that can be read.
        lost: What cannot be, in words.
    """

    summary: StudySummary
    metric: str
    maximize: bool
    attrs: Mapping[str, object]
    seconds: float
    failures: Mapping[str, int]
    trials: Sequence[FrozenTrial]
    lost: Sequence[str] = ()


def list_studies(sources: Sequence[Source]) -> tuple[list[StudySummary], list[str]]:
    """The studies of all sources, the newest last, and a note for each that cannot be read."""
    found: list[StudySummary] = []
    notes: list[str] = []
    for source in sources:
        try:
            tables = find(source).tables(lambda _: True, outline=True)
        except UnreadableError as problem:
            notes.append(f"{label(source)} {problem}.")
            continue
        notes += [f"{label(source)}: {note}." for note in tables.notes]
        found += _summaries(tables, label(source))
    return sorted(found, key=lambda s: s.ended or datetime.min), notes


def show_study(sources: Sequence[Source], name: str | None = None) -> StudyDetails:
    """One study with its trials.

    Args:
        sources: Where to look.
        name: The study's name; None: the newest.

    Raises:
        HistoryError: There is no such study, or a source cannot be read.
    """
    summaries, notes = list_studies(sources)
    if not summaries:
        raise HistoryError(" ".join(notes) or "there are no studies yet: run a search first")
    wanted = [s for s in summaries if name is None or s.study == name]
    if not wanted:
        raise HistoryError(unknown_name("study", name or "", {s.study for s in summaries}))
    summary = wanted[-1]
    source = next(source for source in sources if label(source) == summary.source)
    try:
        (found,) = find(source).copies(lambda head: head.name == summary.study)
        study = checked(found)
    except UnreadableError as problem:
        raise HistoryError(f"{summary.source} {problem}") from problem
    except BadRowError as problem:
        raise HistoryError(f"{summary.source}, study {summary.study!r}: {problem}") from problem
    attrs = study.head.user_attrs
    maximize = study.head.directions[:1] == (MAXIMIZE,)
    told = [t.user_attrs.get(SECONDS) for t in study.trials]
    failed = [t for t in study.trials if t.state is TrialState.FAIL]
    return StudyDetails(
        summary=summary,
        metric=str(attrs.get(METRIC, "")),
        maximize=maximize,
        attrs=attrs,
        seconds=sum(s for s in told if isinstance(s, int | float) and math.isfinite(s)),
        failures=Counter(str(t.user_attrs.get(FAILURE, "no reason recorded")) for t in failed),
        trials=sorted(study.trials, key=lambda t: _rank(t, maximize)),
        lost=study.lost,
    )


def _rank(trial: FrozenTrial, maximize: bool) -> tuple[int, float, int]:
    place = ORDER.index(trial.state)
    value = trial.values[0] if trial.values else math.inf
    if not math.isfinite(value):
        return place, math.inf, trial.number
    return place, -value if maximize else value, trial.number


def _summaries(tables: FlatTables, source: str) -> list[StudySummary]:
    starts = np.searchsorted(tables.study, np.arange(len(tables.heads) + 1)).tolist()
    return [
        _summary(head, source, tables.state[a:b], tables.value[a:b], tables.started[a:b])
        for head, a, b in zip(tables.heads, starts, starts[1:], strict=False)
    ]


def _summary(
    head: StudyHead, source: str, states: np.ndarray, values: np.ndarray, started: np.ndarray
) -> StudySummary:
    done = values[(states == TrialState.COMPLETE.value) & np.isfinite(values)]
    best = None
    if done.size and len(head.directions) == 1:
        best = float(done.max() if head.directions[0] == MAXIMIZE else done.min())
    known = started[np.isfinite(started)]
    attrs = head.user_attrs
    return StudySummary(
        study=head.name,
        source=source,
        task=str(attrs.get(TASK, "")),
        data_source=str(attrs.get(DATA_SOURCE, "")),
        stand_in=attrs.get(STAND_IN) is True,
        search=str(attrs.get(SEARCH, "")),
        states={
            _word(state): int(count)
            for state in ORDER
            if (count := np.count_nonzero(states == state.value))
        },
        best=best,
        started=datetime.fromtimestamp(known.min()) if known.size else None,
        ended=datetime.fromtimestamp(known.max()) if known.size else None,
    )


def _word(state: TrialState) -> str:
    return "failed" if state is TrialState.FAIL else state.name.lower()
