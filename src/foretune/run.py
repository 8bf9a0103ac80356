"""What does a job do, from a typed configuration to its result? Plain functions, no Hydra."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from foretune.build import build_setup, build_storage, build_study, check_outputs
from foretune.build_executor import build_executor, start_workers_early
from foretune.config.location import conf_folder
from foretune.config.schema.root import RootConfig
from foretune.core import SearchSummary
from foretune.history import mask_url

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
    match config.job:
        case "search":
            return run_search_job(config, _without_credentials(resolved))
        case "ui":
            return _ui(config)
        case "pretrain":
            return _pretrain(config)
        case name:
            from foretune.console import print_report

            report = _reports(name)(config)
            print_report(report.title, report.columns, report.rows, report.lines)
            return True


def run_search_job(config: RootConfig, resolved: Mapping[str, object]) -> bool:
    """One search, from data to the exported and tested best model."""
    from foretune.console import ConsoleObserver
    from foretune.model_choice import narrow
    from foretune.search import plot_search, run_search
    from foretune.tracking import build_tracker
    from foretune.train.predictor import test_metrics

    check_outputs(config.outputs)
    start_workers_early(config)
    storage = build_storage(config)
    with build_tracker(config.tracking) as tracker:
        setup = narrow(build_setup(config, conf_folder()), config, storage)
        study, plan, fidelity = build_study(setup, config, storage, resolved)
        with ConsoleObserver(closing_lines=tracker.closing_lines) as console:
            with build_executor(setup, config) as executor:
                summary = run_search(
                    study,
                    space=setup.space,
                    executor=executor,
                    plan=plan,
                    fidelity=fidelity,
                    observers=[console, tracker],
                    seed=config.search.seed,
                )
            test: Mapping[str, float] = {}
            if summary.model_dir is not None:
                test = test_metrics(summary.model_dir, setup.data, config.trainer)
            plots = plot_search(study, plan.folder / "plots", metric=setup.data.info.metric)
            ended: SearchSummary = dataclasses.replace(summary, test=test, artifacts=plots)
            for observer in (tracker, console):  # the console tells what the record holds
                observer.search_ended(ended)
    return not summary.interrupted


def _without_credentials(config: Mapping[str, object]) -> dict[str, object]:
    """The configuration as it may be recorded: no user and password in any URL."""

    def masked(value: object) -> object:
        if isinstance(value, str):
            return mask_url(value)
        if isinstance(value, Mapping):
            return {key: masked(member) for key, member in value.items()}
        return [masked(member) for member in value] if isinstance(value, list) else value

    return {key: masked(value) for key, value in config.items()}


def _reports(name: str) -> Callable[[RootConfig], Report | HistoryReport]:
    """The job of that name, which answers with a table."""
    from foretune import jobs
    from foretune.history.job import run_history_job

    reports: dict[str, Callable[[RootConfig], Report | HistoryReport]] = {
        "history": lambda config: run_history_job(config.history, config.storage),
        "recommend": jobs.recommend_job,
        "select": jobs.select_job,
        "explain": jobs.explain_job,
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


def _ui(config: RootConfig) -> bool:
    from foretune.tracking import show_ui

    logging.getLogger("foretune.tracking.ui").addHandler(logging.StreamHandler())
    show_ui(config.tracking)
    return True
