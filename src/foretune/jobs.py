"""What do the jobs beside a search do? They read the history and tell; each returns a table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from foretune.build import Setup, build_setup
from foretune.build_history import past_studies
from foretune.config.location import conf_folder
from foretune.config.schema.root import RootConfig
from foretune.core import HistoryError, format_duration
from foretune.history import HistoryRecords, read_history
from foretune.history.attrs import FINGERPRINT, TASK_DESCRIPTORS
from foretune.history.inspect import show_study
from foretune.history.wording import whose
from foretune.space import Point

if TYPE_CHECKING:
    from foretune.meta.settings import MetaSettings
    from foretune.search.meta_recommend import Recommendation
    from foretune.select import Choice
    from foretune.selection import ModelChoice

_SPARE = 4  # recommendations asked for one shown: some are the same in this command's space


@dataclass(frozen=True)
class Report:
    """A table with a title and lines of text below; every cell is text."""

    title: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    lines: tuple[str, ...] = ()


def recommend_job(config: RootConfig) -> Report:
    """The configurations to try first on ``config.task``, without any trial (``job=recommend``).

    Raises:
        ForetuneError: The task's data or models cannot be had.
    """
    from foretune.search.distributions import distributions
    from foretune.search.meta_recommend import recommend

    setup = build_setup(config, conf_folder())
    info = setup.data.info
    records = past_studies(config, info)
    found = recommend(
        {TASK_DESCRIPTORS: dict(info.descriptors), FINGERPRINT: info.fingerprint},
        records,
        config.n * _SPARE,
        space=distributions(setup.space),
        settings=settings_of(config),
        cache_dir=config.search.meta.cache_dir,
    )
    lines = (setup.data.line, *records.notes)
    if not found:
        lines += ("the history holds nothing to learn from; these are the known-good defaults",)
        rows = tuple(
            (str(k), _params(point), "", "")
            for k, point in enumerate(setup.space.defaults[: config.n], 1)
        )
    else:
        fitting: dict[str, Recommendation] = {}
        for r in found:  # what differs in what is not active here is one
            ours = setup.space.complete(cast(Point, r.params))
            others = {k: v for k, v in r.params.items() if k not in setup.space.names}
            fitting.setdefault(_params({**ours, **others}), r)
        rows = tuple(
            (
                str(k),
                params,
                f"{r.quality:.3f}",
                "" if r.seconds is None else format_duration(r.seconds),
            )
            for k, (params, r) in enumerate(list(fitting.items())[: config.n], 1)
        )
    return Report(
        title=f"What to try first on {info.name}, from {_whose(records)}",
        columns=("rank", "configuration", "predicted quality", "takes"),
        rows=rows,
        lines=(*lines, "quality: 0 is the median trial of a past task, 1 its best tenth"),
    )


def select_job(config: RootConfig) -> Report:
    """Which model fits ``config.task``, from a few labelled rows (``job=select``).

    Raises:
        ForetuneError: The task's data or models cannot be had, or tell nothing.
    """
    from foretune.model_choice import choose
    from foretune.tracking import SelectionRecord, log_selection

    setup = build_setup(config, conf_folder())
    found = choose(setup, config)
    report = _selection_report(setup, found)
    record = SelectionRecord(
        task=setup.data.info,
        selector=found.selector,
        chosen=found.choice.name,
        members={
            m.name: {
                **{k: getattr(m, k) for k in ("score", "low", "high", "seconds", "memory_mb")},
                **m.probes,
            }
            for m in found.members
        },
        lines=report.lines,
        n_rows=found.n_rows,
        seconds=found.probe_s,
    )
    where = log_selection(config.tracking, record)
    return replace(report, lines=(*report.lines, *where))


def _selection_report(setup: Setup, found: ModelChoice) -> Report:
    probes = [p for p in found.members[0].probes if _any_finite(found, p)]
    shown = [] if found.selector in probes else [found.selector]
    rows = tuple(
        (
            m.name,
            *("" if math.isnan(m.probes[p]) else f"{m.probes[p]:.3f}" for p in probes),
            *(f"{m.score:.3f}" for _ in shown),
            f"{m.low:.3f} to {m.high:.3f}" if math.isfinite(m.high - m.low) else "not known",
            format_duration(m.seconds),
            f"{m.memory_mb:.0f} MB",
            _standing(found.choice, m.name),
        )
        for m in found.members
    )
    return Report(
        title=f"Which model for {setup.data.info.name}, seen from {found.n_rows} labelled rows",
        columns=("model", *probes, *shown, "80 % within", "takes", "weights", ""),
        rows=rows,
        lines=(
            *setup.notes,
            *found.left_out,
            *([found.learnt] if found.learnt else []),
            f"{found.choice.reason} Read in {format_duration(found.probe_s)}.",
        ),
    )


def _standing(choice: Choice, name: str) -> str:
    if name == choice.name:
        return "chosen"
    return "tied" if name in choice.tied else "unsure" if name in choice.unsure else ""


def _any_finite(found: ModelChoice, probe: str) -> bool:
    return any(math.isfinite(m.probes[probe]) for m in found.members)


def explain_job(config: RootConfig) -> Report:
    """Why a trial was suggested (``job=explain study=NAME trial=N``; the newest study, its best).

    Raises:
        HistoryError: There is no such study or trial.
    """
    from foretune.search.meta_explain import explain

    details = show_study([config.storage.url], config.study)
    trials = {trial.number: trial for trial in details.trials}
    number = details.trials[0].number if config.trial is None else config.trial
    if number not in trials:
        raise HistoryError(
            f"study {details.summary.study}: expected a trial from 0 to {len(trials) - 1}, got "
            f"{number}"
        )
    trial = trials[number]
    return Report(
        title=f"{details.summary.study}, trial {number}",
        columns=("parameter", "value"),
        rows=tuple((name, str(value)) for name, value in trial.params.items()),
        lines=tuple(explain(trial).splitlines()),
    )


def validate_job(config: RootConfig) -> Report:
    """How well the meta-model predicts tasks that it was not trained on (``job=meta-validate``)."""
    from foretune.meta.validate import LEVELS, validate

    records = read_history(list(config.search.meta.history) or [config.storage.url])
    checks = validate(records, settings_of(config))
    lines = records.notes
    if not checks:
        lines = (*lines, "expected at least three past tasks with scored trials, found fewer")
    return Report(
        title=f"Each of {len(checks)} past tasks, predicted by a model that never saw it",
        columns=("task", "trials", "shown", "rank correlation", *(f"{v:.0%} hold" for v in LEVELS)),
        rows=tuple(
            (
                check.task,
                str(check.n_trials),
                str(check.n_shown),
                f"{check.rank_correlation:.2f}",
                *(f"{check.coverage[level]:.0%}" for level in LEVELS),
            )
            for check in checks
        ),
        lines=lines,
    )


def settings_of(config: RootConfig) -> MetaSettings:
    """The meta-model's numbers, as ``search.meta`` has them."""
    from foretune.meta.settings import MetaSettings

    meta = config.search.meta
    return MetaSettings(
        meta_lr=meta.meta_lr,
        meta_iterations=meta.meta_iterations,
        support_size=meta.support_size,
        selection_threshold=meta.selection_threshold,
    )


def _whose(records: HistoryRecords) -> str:
    return whose(own=len(records.studies) - records.n_shipped, shipped=records.n_shipped)


def _params(params: Mapping[str, object]) -> str:
    parts = (
        f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in params.items()
    )
    return " ".join(parts)
