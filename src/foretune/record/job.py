"""How is a history recorded? Round by round over the tasks, in any number of sittings."""

from __future__ import annotations

import dataclasses
import math
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from optuna.pruners import NopPruner
from optuna.study import Study

from foretune.build_executor import build_executor
from foretune.config.schema.record import RecordConfig, RecordedTask
from foretune.config.schema.root import RootConfig
from foretune.core import (
    Budget,
    Executor,
    Status,
    TrialSpec,
    derive_seed,
    parse_duration,
)
from foretune.history.attrs import installed_versions, study_attributes
from foretune.history.exchange import export_history
from foretune.history.seed import SHARED_POINTS
from foretune.history.store import open_storage
from foretune.jobs import Report
from foretune.record.headroom import REPEATS, Headroom, headroom
from foretune.record.origin import EARLIER, RECORDED, origin_attributes
from foretune.record.points import listed
from foretune.record.ready import ReadyTask, ready_task
from foretune.search import Method, open_study, plan_search, progress, run_search, study_name
from foretune.search.points import PointSampler
from foretune.space import Point

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

METHOD = "recorded plan"


class Screen(Protocol):
    """Where it is shown how the record is coming on."""

    def line(self, text: str) -> None:
        """What became of a task's share."""
        ...


def record_job(config: RootConfig, screen: Screen) -> tuple[Report, bool]:
    """Run what is left of the plan, export all of it, and tell each task's headroom.

    Returns:
        The table, and whether the plan was not interrupted.

    Raises:
        ForetuneError: A task's rows or models cannot be had, or nothing can be written.
    """
    plan = config.record
    folder = Path(config.outputs) / "record"
    url = f"sqlite:///{folder / plan.name}.db"
    storage = open_storage(url, busy_timeout_s=config.storage.busy_timeout_s)
    ends = math.inf
    if plan.budget_s is not None:
        ends = time.monotonic() + parse_duration(plan.budget_s)
    finished = True
    tasks = [task for task in plan.tasks if not plan.only or task.called in plan.only]
    for part in range(1, plan.rounds + 1):
        for task in tasks:
            if not finished or time.monotonic() >= ends:
                break
            finished = _visit(config, task, storage, share=part / plan.rounds, ends=ends)
            screen.line(f"round {part} of {plan.rounds}: {task.called}")
    file = Path(plan.file or folder / f"{plan.name}.parquet")
    done = export_history([storage], file, overwrite=True)
    report = headroom_report(storage)
    told = f"{done.n_trials:,} trials on {done.n_studies} tasks in {file}"
    return dataclasses.replace(report, lines=(*report.lines, *done.notes, told)), finished


def headroom_report(storage: RDBStorage) -> Report:
    """The table of every recorded task's headroom."""
    import optuna

    names = optuna.get_all_study_names(storage)
    studies = [optuna.load_study(study_name=name, storage=storage) for name in names]
    found = [room for study in studies if (room := headroom(study)) is not None]
    columns = (
        *("task", "trials", "failed", "above constant", "constant", "default", "best"),
        *("seed noise", "best - default in noise", "test of best", "s a trial"),
    )
    return Report(
        title="Headroom of the recorded tasks",
        columns=columns,
        rows=tuple(_row(room) for room in found),
        lines=(
            "scores are on validation rows, higher is better; noise is the default's over seeds",
        ),
    )


def _row(room: Headroom) -> tuple[str, ...]:
    scores = (room.constant, room.default, room.best, room.noise)
    return (
        room.task,
        str(room.n),
        str(room.n_failed),
        f"{room.above:.0%}",
        *(f"{score:.3f}" for score in scores),
        f"{room.in_noise:.1f}",
        f"{room.test_of_best:.3f}",
        f"{room.seconds:.1f}",
    )


def _visit(
    config: RootConfig, task: RecordedTask, storage: RDBStorage, *, share: float, ends: float
) -> bool:
    """Bring one task to its share of the points; whether it was not interrupted."""
    ready = ready_task(config, task)
    setup, points = ready.setup, ready.points
    info, name = setup.data.info, _name(ready, task, config.record)
    study = open_study(
        storage,
        name=name,
        higher_is_better=info.higher_is_better,
        attributes=_attributes(ready, task, _commits_before(storage, name)),
        sampler=PointSampler(listed(points), space=setup.space, seed=config.record.seed),
        pruner=NopPruner(),
        space=setup.space,
    )
    left_s = None
    if not math.isinf(ends):  # a sitting runs one trial at least
        left_s = progress(study).seconds + max(ends - time.monotonic(), 1e-3)
    plan = plan_search(
        study,
        method=Method(study.sampler, METHOD, len(points)),
        task=info,
        models=list(setup.cards),
        budget=Budget(math.ceil(share * len(points)), left_s),
        config={},
        notes=setup.notes,
        folder=Path(config.outputs) / "record" / "trials" / study.study_name,
        space=setup.space,
    )
    plan = dataclasses.replace(plan, keeps_model=False)
    with build_executor(setup, ready.config) as executor:
        summary = run_search(
            study, space=setup.space, executor=executor, plan=plan, seed=config.record.seed
        )
        if summary.interrupted:
            return False
        return _repeat(study, points[0], executor, config.record)


def _repeat(study: Study, point: Point, executor: Executor, plan: RecordConfig) -> bool:
    """Run the default under other seeds, once a study: what a seed alone does to the score.

    Returns:
        Whether it was not interrupted.
    """
    if REPEATS in study.user_attrs:
        return True
    scores = []
    for number in range(plan.repeats):
        spec = TrialSpec(number, point, derive_seed(plan.seed, "repeat", number))
        executor.submit(spec)
        result = executor.next_result(lambda spec, report: False)
        if result.status is Status.INTERRUPTED:
            return False
        scores += [] if result.score is None else [result.score]
    study.set_user_attr(REPEATS, scores)
    return True


def _name(ready: ReadyTask, task: RecordedTask, plan: RecordConfig) -> str:
    """The name of a task's study; another one if its rows, models or shared points are others."""
    points = ready.points[: ready.n_shared]
    identity = {"task": asdict(task), "plan": plan.name, "points": points, "seed": plan.seed}
    return study_name(ready.setup.data.info, "record", identity)


def _commits_before(storage: RDBStorage, name: str) -> list[str]:
    """Of the checkouts that earlier sittings ran from, the first one first."""
    import optuna

    try:
        recorded = optuna.load_study(study_name=name, storage=storage).user_attrs[RECORDED]
    except KeyError:
        return []
    before = [*recorded.get(EARLIER, ()), recorded["commit"]]
    return list(dict.fromkeys(one for one in before if one))


def _attributes(
    ready: ReadyTask, task: RecordedTask, commits_before: list[str]
) -> dict[str, object]:
    setup, config = ready.setup, ready.config
    attributes = study_attributes(
        setup.data.info,
        search=METHOD,
        models=list(setup.cards),
        device="cpu",
        versions=installed_versions(),
        model_descriptors={name: card.descriptors() for name, card in setup.cards.items()},
        default_params=[dict(point) for point in setup.space.defaults],
    )
    origin = origin_attributes(
        setup.data.info,
        task,
        config.record,
        cards=setup.cards,
        trainer=config.trainer,
        commits_before=commits_before,
    )
    return attributes | origin | {SHARED_POINTS: ready.n_shared}
