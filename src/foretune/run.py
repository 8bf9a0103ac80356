"""What does a job do, from a typed configuration to its result? Plain functions, no Hydra."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from foretune.build import Setup, build_setup, build_storage, build_study, check_outputs
from foretune.build_executor import build_executor, start_workers_early
from foretune.config.location import conf_folder
from foretune.config.schema.root import RootConfig
from foretune.core import SearchSummary, masked
from foretune.history import show_study
from foretune.history.attrs import TESTED

if TYPE_CHECKING:
    from foretune.history.job import HistoryReport
    from foretune.jobs import Report

logger = logging.getLogger(__name__)


def run(config: RootConfig, resolved: Mapping[str, object]) -> bool:
    """Do the job that ``config`` asks for.

    Args:
        config: Validated; see `RootConfig.problems`.
        resolved: The same configuration as plain values, for the record.

    Returns:
        Whether it ran to its end; False: it was interrupted and the same command goes on.

    Raises:
        ForetuneError: The user has something to mend.
    """
    recorded = {key: masked(value) for key, value in resolved.items()}
    match config.job:
        case "search":
            return run_search_job(config, recorded)
        case "ui":
            return _ui(config)
        case "pretrain":
            return _pretrain(config)
        case "record":
            return _record(config)
        case "benchmark":
            return _benchmark(config, recorded)
        case name:
            from foretune.console import print_report

            report = _reports(name)(config)
            print_report(report.title, report.columns, report.rows, report.lines)
            return True


def run_search_job(config: RootConfig, resolved: Mapping[str, object]) -> bool:
    """One search, from data to the exported and tested best model."""
    from foretune.console import ConsoleObserver
    from foretune.model_choice import narrow, with_head_start
    from foretune.search import Stopwatch, pareto_front, plot_search, rehearsal, run_search
    from foretune.tracking import build_tracker
    from foretune.train.predictor import test_metrics

    check_outputs(config.outputs)
    start_workers_early(config)
    storage = build_storage(config)
    with build_tracker(config.tracking) as tracker:
        setup = narrow(build_setup(config, conf_folder()), config, storage)
        setup = with_head_start(setup, config, storage)
        with ConsoleObserver(closing_lines=tracker.closing_lines) as console:
            with build_executor(setup, config) as executor:
                time_step, stopwatch = rehearsal(executor), Stopwatch()
                study, plan, fidelity = build_study(
                    setup, config, storage, resolved, time_step=time_step
                )
                summary = run_search(
                    study,
                    space=setup.space,
                    executor=executor,
                    plan=plan,
                    fidelity=fidelity,
                    observers=[console, tracker, stopwatch],
                    seed=config.search.seed,
                )
            test: Mapping[str, float] = {}
            if summary.model_dir is not None:
                test = test_metrics(summary.model_dir, setup.data, config.trainer)
                study.set_user_attr(TESTED, {"trial": summary.best_number, "metrics": test})
                _write_card(config, setup, summary, study.study_name)
            front = pareto_front(study) if config.search.wants_front else ()
            plots = plot_search(
                study, plan.folder / "plots", metric=setup.data.info.metric, front=front
            )
            summary = stopwatch.written_into(summary)
            ended: SearchSummary = dataclasses.replace(
                summary, test=test, artifacts=plots, front=front
            )
            for observer in (tracker, console):  # the console tells what the record holds
                observer.search_ended(ended)
    return not summary.interrupted


def _write_card(config: RootConfig, setup: Setup, summary: SearchSummary, study: str) -> None:
    """The model card beside the best model; a model without one is no reason to fail."""
    from foretune.report import gather, write_card

    assert summary.model_dir is not None
    details = show_study([config.storage.url], study)
    base = setup.cards[str(summary.best_params.get("model", next(iter(setup.cards))))]
    try:
        write_card(summary.model_dir, gather(details), base)
    except OSError as error:
        logger.warning("the model card is not written: %s", error)


def _reports(name: str) -> Callable[[RootConfig], Report | HistoryReport]:
    """The job of that name, which answers with a table."""
    from foretune import jobs
    from foretune.history.job import run_history_job
    from foretune.report import report_job

    reports: dict[str, Callable[[RootConfig], Report | HistoryReport]] = {
        "history": lambda config: run_history_job(config.history, config.storage),
        "recommend": jobs.recommend_job,
        "select": jobs.select_job,
        "explain": jobs.explain_job,
        "report": report_job,
        "meta-validate": jobs.validate_job,
    }
    return reports[name]


def _pretrain(config: RootConfig) -> bool:
    from foretune.console import PretrainConsole, print_report
    from foretune.jobs_pool import pretrain_job

    with PretrainConsole() as console:
        report, finished = pretrain_job(config, console)
    print_report(report.title, report.columns, report.rows, report.lines)
    return finished


def _record(config: RootConfig) -> bool:
    from foretune.console import RecordConsole, print_report
    from foretune.record import record_job

    report, finished = record_job(config, RecordConsole())
    print_report(report.title, report.columns, report.rows, report.lines)
    return finished


def _benchmark(config: RootConfig, resolved: Mapping[str, object]) -> bool:
    from foretune.console import BenchmarkConsole, print_report
    from foretune.jobs_bench import benchmark_job
    from foretune.jobs_bench_live import benchmark_live_job

    check_outputs(config.outputs)
    live = config.benchmark.mode == "live"
    job = benchmark_live_job if live else benchmark_job
    try:
        with BenchmarkConsole() as console:
            report = job(config, resolved, console.step)
    except KeyboardInterrupt:
        kept = "the same command goes on from here" if live else "nothing was written"
        logger.warning("interrupted: %s", kept)
        return False
    print_report(report.title, report.columns, report.rows, report.lines)
    return True


def _ui(config: RootConfig) -> bool:
    from foretune.tracking import show_ui

    logging.getLogger("foretune.tracking.ui").addHandler(logging.StreamHandler())
    show_ui(config.tracking)
    return True
