"""What does `job=history` do, as plain data that a console can print?"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from optuna.trial import FrozenTrial

from foretune.config.schema.history import ACTIONS, HistoryConfig
from foretune.config.schema.storage import StorageConfig
from foretune.core import HistoryError, format_duration, mask_url, unknown_name
from foretune.history.attrs import FAILURE, SECONDS
from foretune.history.exchange import Exchanged, export_history, import_history, merge_histories
from foretune.history.inspect import StudyDetails, StudySummary, list_studies, show_study
from foretune.history.source import Source, label
from foretune.history.store import open_storage
from foretune.history.wording import counted


@dataclass(frozen=True)
class HistoryReport:
    """A table with a title and lines of text below; every cell is text."""

    title: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    lines: tuple[str, ...] = ()


def run_history_job(config: HistoryConfig, storage: StorageConfig) -> HistoryReport:
    """List, show, export, import or merge, as ``config.action`` says.

    Raises:
        HistoryError: Something cannot be read or written; nothing was written over.
    """
    sources: Sequence[Source] = config.sources or [storage.url]
    path = Path(config.file or "")
    match config.action:
        case "list":
            return _listed(sources)
        case "show":
            return _shown(show_study(sources, config.study), config.rows)
        case "export":
            studies = None if config.study is None else [config.study]
            done = export_history(sources, path, studies=studies, overwrite=config.overwrite)
            return _exchanged("Exported", done, str(path))
        case "import":
            given = [*([config.file] if config.file else []), *config.sources]
            target = open_storage(storage.url, busy_timeout_s=storage.busy_timeout_s)
            return _exchanged("Imported", import_history(given, target), mask_url(storage.url))
        case "merge":
            done = merge_histories(sources, path, overwrite=config.overwrite)
            return _exchanged("Merged", done, str(path))
        case action:
            raise HistoryError(unknown_name("history.action", action, ACTIONS))


def _listed(sources: Sequence[Source]) -> HistoryReport:
    summaries, notes = list_studies(sources)
    n_trials = sum(sum(s.states.values()) for s in summaries)
    where = ", ".join(label(source) for source in sources)
    return HistoryReport(
        title=f"{counted(len(summaries), 'study')}, {counted(n_trials, 'trial')} in {where}",
        columns=("study", "task", "data", "search", "trials", "best", "last trial"),
        rows=tuple(_row(summary) for summary in summaries),
        lines=tuple(notes),
    )


def _row(summary: StudySummary) -> tuple[str, ...]:
    data = f"{summary.data_source}{' (stand-in)' if summary.stand_in else ''}"
    return (
        summary.study,
        summary.task,
        data,
        summary.search,
        _counts(summary.states),
        _value(summary.best),
        _moment(summary.ended),
    )


def _shown(study: StudyDetails, n_rows: int) -> HistoryReport:
    summary = study.summary
    shown = study.trials[:n_rows]
    names = list(dict.fromkeys(name for trial in shown for name in trial.params))
    better = "higher" if study.maximize else "lower"
    lines = [
        f"trials: {_counts(summary.states)}, {format_duration(study.seconds)} together",
        f"best: {_value(summary.best)} {study.metric} ({better} is better)",
        f"kept in {summary.source}, {_moment(summary.started)} to {_moment(summary.ended)}",
        *(f"failed ({n}): {reason}" for reason, n in study.failures.items()),
        *(f"{name}: {_short(value)}" for name, value in study.attrs.items()),
        *(f"not shown: {what}" for what in study.lost),
    ]
    return HistoryReport(
        title=f"Study {summary.study}: the best {len(shown)} of {len(study.trials)} trials",
        columns=("trial", "state", "value", "reports", "seconds", *names),
        rows=tuple(_trial_row(trial, names) for trial in shown),
        lines=tuple(lines),
    )


def _trial_row(trial: FrozenTrial, names: Sequence[str]) -> tuple[str, ...]:
    value = _value(trial.values[0]) if trial.values else str(trial.user_attrs.get(FAILURE, ""))
    return (
        str(trial.number),
        trial.state.name.lower(),
        value,
        str(len(trial.intermediate_values) or ""),
        _value(trial.user_attrs.get(SECONDS)),
        *(_value(trial.params[name]) if name in trial.params else "" for name in names),
    )


def _exchanged(verb: str, done: Exchanged, where: str) -> HistoryReport:
    lines = list(done.notes)
    if done.n_known:
        lines.append(f"{counted(done.n_known, 'study')} already there: left as it is.")
    lines += [f"study {old!r} came in as {new!r}." for old, new in done.renamed.items()]
    what = f"{counted(done.n_studies, 'study')}, {counted(done.n_trials, 'trial')}"
    return HistoryReport(title=f"{verb} {what} to {where}", lines=tuple(lines))


def _counts(states: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {state}" for state, n in states.items()) or "none"


def _value(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _moment(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M}"


def _short(value: object, width: int = 90) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= width else f"{text[: width - 3]}..."
