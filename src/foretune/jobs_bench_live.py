"""How is a live comparison run? Real searches, one after another, each resumed where it was.

The same command again goes on: a search whose seconds are spent is only read.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from foretune.bench.live import LiveSearch
from foretune.bench.report_parts import shown
from foretune.build import Setup, build_storage, build_study, space_of
from foretune.build_executor import build_executor
from foretune.config.schema.root import RootConfig
from foretune.config.schema.search import BayesConfig
from foretune.config.schema.space import SpaceConfig
from foretune.core import ConfigError, TrialSpec, derive_seed, parse_duration, unknown_name
from foretune.history import export_history, wording
from foretune.jobs import Report
from foretune.jobs_bench import check_packages, origin_of, report_folder, table_file
from foretune.record import ready_task
from foretune.search import run_search
from foretune.search.study import counted, score_of

if TYPE_CHECKING:
    from optuna.study import Study

    from foretune.bench.table import Table, TableTask
    from foretune.tracking import Tracker

TEST, AGAIN = "live_test", "live_again"  # study attributes: what was measured after the search
ABOUT = (
    "Every method searches the same space on the same rows through the same machinery, until its "
    "seconds are spent. The configuration that is best on validation is then trained again with "
    "fresh seeds: the difference is luck."
)
_SEARCH = {"tpe": "bayes", "gp": "bayes"}  # the search method of each of ours that is none


@dataclass(frozen=True)
class LiveCase:
    """One search of the comparison."""

    task: TableTask
    method: str
    seed: int

    def __str__(self) -> str:
        return f"{self.method} on {self.task.name}, seed {self.seed}"


def benchmark_live_job(
    config: RootConfig, resolved: Mapping[str, object], step: Callable[[int, int, str], None]
) -> Report:
    """Run the live comparison, or go on with it; write, draw and tell what was found.

    Raises:
        ForetuneError: There is no table, or a task's rows or models cannot be had.
        KeyboardInterrupt: It was stopped; the same command goes on.
    """
    check_packages()
    from foretune.bench.live import live_findings
    from foretune.bench.page import write_page
    from foretune.bench.report_parts import live_sentence
    from foretune.bench.table import load_table

    live = config.benchmark.live
    budget_s = parse_duration(live.budget_s)
    source, folder = table_file(config), report_folder(config)
    table = load_table(source)
    searches = run_live(config, table, source, folder=folder / "live", step=step)
    notes = [
        f"{live.seeds} searches of each method on each task, {budget_s:g} s each, one at a time; "
        f"best configurations trained again with {wording.counted(live.repeats, 'fresh seed')}",
        "a trial that is under way at the end is stopped after its epoch, and counts",
        "meta learns from the recorded tasks of other families: of the shipped table that comes "
        "trained, as a user's first search finds it; of another one a first search pays for it",
        "every method has the recorded models to choose from; no model is probed before",
    ]
    found = live_findings(searches, budget_s=budget_s, about=ABOUT, notes=notes)
    page = write_page(
        folder, {"live": found}, {}, otherwise=origin_of(config, resolved, table, notes)
    )
    rows = tuple(
        (
            str(row["task"]), str(row["method"]),
            *(shown(row[name]) for name in ("best", "test", "again", "again_test", "trials")),
        )
        for row in found["rows"]
    )  # fmt: skip
    columns = ("task", "method", "best validation", "test", "again", "again: test", "trials")
    lines = (live_sentence(found), *notes, f"report: {page}")
    return Report("Really trained, the same seconds for every method", columns, rows, lines)


def live_cases(config: RootConfig, table: Table) -> list[LiveCase]:
    """Every search, seed by seed, so that what is there is even whenever it is stopped.

    Raises:
        ConfigError: A task is not in the table.
    """
    live, known = config.benchmark.live, {task.name: task for task in table.tasks}
    unknown = [name for name in live.tasks if name not in known]
    if unknown:
        raise ConfigError(
            f"benchmark.live.tasks: {unknown_name('recorded task', unknown[0], known)}"
        )
    return [
        LiveCase(known[name], method, seed)
        for seed in range(live.seeds)
        for name in live.tasks
        for method in live.methods
    ]


def run_live(
    config: RootConfig,
    table: Table,
    source: Path,
    *,
    folder: Path,
    step: Callable[[int, int, str], None],
) -> list[LiveSearch]:
    """Run (or read) every case.

    Args:
        config: The configuration.
        table: The recorded tasks.
        source: The file that they come from.
        folder: Where studies and their database go.
        step: Told how far it is.

    Raises:
        ForetuneError: A task's rows or models cannot be had.
        KeyboardInterrupt: It was stopped; what was run is kept.
    """
    cases = live_cases(config, table)
    found = []
    for done, case in enumerate(cases, 1):
        found.append(_run(config, case, _past(table, case.task, source, folder), folder))
        step(done, len(cases), str(case))
    return found


def _past(table: Table, task: TableTask, source: Path, folder: Path) -> Path:
    """The other families' studies in a file of their own."""
    path = folder / f"history-{task.family.replace('/', '-')}.parquet"
    names = [other.record.name for other in table.past(task.family)]
    folder.mkdir(parents=True, exist_ok=True)
    export_history([source], path, studies=names, overwrite=True)
    return path


def _run(config: RootConfig, case: LiveCase, past: Path, folder: Path) -> LiveSearch:
    from foretune.tracking import build_tracker

    own, setup = _prepared(config, case, past, folder)
    tracking = dataclasses.replace(
        config.tracking, experiment=f"{config.benchmark.experiment}-live", log_model=False
    )
    storage = build_storage(own)
    try:
        with build_tracker(tracking) as tracker:
            study = _search(own, setup, storage, tracker)
            _again(own, setup, study, config.benchmark.live.repeats)
    finally:
        storage.engine.dispose()
    return _read(case, study)


def _search(own: RootConfig, setup: Setup, storage: object, tracker: Tracker) -> Study:
    """Search until the seconds are spent, then measure the best model on the test rows."""
    from foretune.train.predictor import test_metrics

    study, plan, _ = build_study(setup, own, storage, {})  # type: ignore[arg-type]
    if plan.budget.spent(plan.n_done, plan.seconds_done) and TEST in study.user_attrs:
        return study
    with build_executor(setup, own) as executor:
        summary = run_search(
            study, space=setup.space, executor=executor, plan=plan, observers=[tracker],
            seed=own.search.seed,
        )  # fmt: skip
    if summary.interrupted:
        raise KeyboardInterrupt
    test = None
    if summary.model_dir is not None:
        metrics = test_metrics(summary.model_dir, setup.data, own.trainer)
        test = setup.data.info.score(metrics)
        summary = dataclasses.replace(summary, test=metrics)
    study.set_user_attr(TEST, test)
    tracker.search_ended(summary)
    return study


def _again(own: RootConfig, setup: Setup, study: Study, repeats: int) -> None:
    """Train the best configuration under fresh seeds: luck on the validation rows shows."""
    done = [tuple(pair) for pair in study.user_attrs.get(AGAIN, ())]
    scored = [
        (score, t)
        for t in counted(study.get_trials(deepcopy=False))
        if (score := score_of(study, t)) is not None
    ]
    if not scored or len(done) >= repeats:
        return
    best = max(scored, key=lambda pair: pair[0])[1]
    trainer = dataclasses.replace(own.trainer, test_trials=True)
    with build_executor(setup, dataclasses.replace(own, trainer=trainer)) as executor:
        for number in range(len(done), repeats):
            seed = derive_seed(own.search.seed, "again", number)
            executor.submit(TrialSpec(number, best.params, seed))
            result = executor.next_result(lambda spec, report: False)
            if result.score is not None and result.test_score is not None:
                done.append((result.score, result.test_score))
            study.set_user_attr(AGAIN, [list(pair) for pair in done])


def _read(case: LiveCase, study: Study) -> LiveSearch:
    trials = counted(study.get_trials(deepcopy=False))
    spans = [(t.datetime_start, t.datetime_complete) for t in trials]
    ends, clock = [], 0.0
    for start, end in spans:
        clock += 0.0 if start is None or end is None else (end - start).total_seconds()
        ends.append(clock)
    again: Sequence[Sequence[float]] = study.user_attrs.get(AGAIN, ())
    return LiveSearch(
        task=case.task.name, family=case.task.family, method=case.method, seed=case.seed,
        ends_s=ends, score=[score_of(study, t) for t in trials],
        test=study.user_attrs.get(TEST), again=[(pair[0], pair[1]) for pair in again],
    )  # fmt: skip


def _prepared(
    config: RootConfig, case: LiveCase, past: Path, folder: Path
) -> tuple[RootConfig, Setup]:
    """The task as it was recorded, with this case's search on it."""
    plan = next((t for t in config.record.tasks if t.called == case.task.name), None)
    if plan is None:
        known = [t.called for t in config.record.tasks]
        raise ConfigError(
            f"benchmark.live.tasks: {unknown_name('task of record.tasks', case.task.name, known)}"
        )
    ready = ready_task(config, plan)
    setup = ready.setup if case.method != "grid" else _on_grid(ready.setup, config)
    cache = folder / "cache" / case.task.family.replace("/", "-")
    search = dataclasses.replace(
        config.search,
        method=_SEARCH.get(case.method, case.method),
        n_trials=None,
        budget_s=parse_duration(config.benchmark.live.budget_s),
        seed=case.seed,
        bayes=BayesConfig(case.method if case.method in _SEARCH else "tpe"),
        meta=dataclasses.replace(
            config.search.meta, history=[str(past)], include_stand_ins=True, cache_dir=str(cache)
        ),
    )
    own = dataclasses.replace(
        ready.config,
        search=search,
        outputs=str(folder),
        storage=dataclasses.replace(config.storage, url=f"sqlite:///{folder / 'live.db'}"),
        history=dataclasses.replace(config.history, seed=False),
        trainer=dataclasses.replace(ready.config.trainer, test_trials=False),
    )
    return own, setup


def _on_grid(setup: Setup, config: RootConfig) -> Setup:
    """The first model alone: the grid's parameters as lists, the others pinned to its default."""
    name, card = next(iter(setup.cards.items()))
    kind = setup.data.info.kind
    default = card.default_for(kind.value)
    axes = config.benchmark.grid
    params = {
        p: list(axes[p]) if p in axes else default[p]
        for p in setup.space_config.params
        if p in axes or p in default
    }
    space_config = SpaceConfig(name="grid", params=params)
    cards = {name: card}
    space = space_of(kind, cards, space_config)
    return dataclasses.replace(
        setup, cards=cards, all_cards=cards, space=space, space_config=space_config
    )
