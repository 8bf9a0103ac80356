"""What does MLflow hold of one search? One parent run, one child run a trial, their lives.

Every method writes at once and may raise; the tracker decides when, and what a failure means.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from mlflow.entities import Dataset, DatasetInput, Metric, Param, Run, RunTag

from foretune.core import (
    EpochReport,
    FrontTrial,
    SearchPlan,
    SearchSummary,
    Status,
    TrialResult,
    TrialSpec,
)
from foretune.tracking import records
from foretune.tracking.database import Database
from foretune.tracking.owner import owner_lives, owner_tags

PARENT_TAG = "mlflow.parentRunId"
NOTE_TAG = "mlflow.note.content"
SOURCE = {"mlflow.source.name": "foretune", "mlflow.source.type": "LOCAL"}
PAUSED = "SCHEDULED"  # MLflow's nearest word for a run that goes on some day
END = {
    Status.COMPLETED: "FINISHED",
    Status.PRUNED: "FINISHED",  # a result, if a cheap one; its tag says that it was pruned
    Status.FAILED: "FAILED",
    Status.INTERRUPTED: "KILLED",
}


def now_ms() -> int:
    """The time as MLflow stamps it."""
    return time.time_ns() // 1_000_000


class SearchRuns:
    """The runs of one search.

    Attributes:
        parent: The parent's run id, once ``open`` has found or made it.
    """

    def __init__(self, database: Database, plan: SearchPlan) -> None:
        self.parent = ""
        self._database = database
        self._client = database.client
        self._plan = plan
        self._children: dict[int, str] = {}  # run ids of the running trials, by number
        self._n_epochs: dict[int, int] = {}  # epochs logged of the running trials

    def open(self, at_ms: int) -> None:
        """Go on with the study's parent run, or make one."""
        note = {NOTE_TAG: records.description(self._plan)}
        tags = records.search_tags(self._plan) | owner_tags() | note
        with self._database.alone():  # or two processes that begin a study make a parent each
            found = self._find_parent()
            if found is None:
                run = self._client.create_run(
                    self._database.experiment_id, at_ms, tags | SOURCE, self._plan.study
                )
                self.parent = run.info.run_id
        if found is None:
            self._client.log_inputs(self.parent, [_dataset(self._plan)])
        else:
            self.parent = found.info.run_id
            self._end_orphans()
            self._client.log_batch(self.parent, tags=_tags(tags))
            self._client.update_run(self.parent, status="RUNNING")

    def log_config(self) -> None:
        """Store the resolved configuration as an artifact of the search."""
        self._client.log_dict(self.parent, dict(self._plan.config), "config.yaml")

    def open_trial(self, spec: TrialSpec, why: str, at_ms: int) -> None:
        """Make the trial's run; nothing where it is open already."""
        if spec.number in self._children:
            return
        tags = records.trial_tags(self._plan, spec, why) | owner_tags() | {PARENT_TAG: self.parent}
        run = self._client.create_run(
            self._database.experiment_id, at_ms, tags | SOURCE, records.trial_name(spec)
        )
        self._children[spec.number] = run.info.run_id
        params = [Param(name, text) for name, text in records.trial_params(spec).items()]
        self._client.log_batch(run.info.run_id, params=params)

    def log_epochs(self, number: int, reports: Iterable[EpochReport], at_ms: int) -> None:
        """Log the epochs that are not logged yet, each at its step."""
        new = [report for report in reports if report.epoch > self._n_epochs.get(number, 0)]
        if new:
            metrics = [
                metric
                for report in new
                for metric in _metrics(records.epoch_metrics(report), at_ms, report.epoch)
            ]
            self._client.log_batch(self._children[number], metrics=metrics)
            self._n_epochs[number] = new[-1].epoch

    def pause_trial(self, result: TrialResult, at_ms: int) -> None:
        """Say that the trial is put aside, and what it has come to; its run goes on some day."""
        number = result.spec.number
        run_id = self._children[number]
        tags = records.result_tags(result, False)
        metrics = _metrics(records.trial_metrics(result), at_ms)
        self._client.log_batch(run_id, metrics=metrics, tags=_tags(tags))
        self._client.update_run(run_id, status=PAUSED)
        del self._children[number]
        self._n_epochs.pop(number, None)

    def resume_trial(self, spec: TrialSpec, why: str, at_ms: int) -> None:
        """Go on with a paused trial's run, maybe of another process."""
        self.find_trial(spec, at_ms)
        tags = {"status": "running", "resumed": why} | owner_tags()
        self._client.log_batch(self._children[spec.number], tags=_tags(tags))
        self._client.update_run(self._children[spec.number], status="RUNNING")

    def find_trial(self, spec: TrialSpec, at_ms: int) -> None:
        """See that the trial has an open run: its own, a paused one, or a new one."""
        if spec.number in self._children:
            return
        paused = f"{_child_of(self.parent)} AND tags.trial = '{spec.number}'"
        run = next((r for r in self._search(paused, limit=10) if r.info.status == PAUSED), None)
        if run is None:
            self.open_trial(spec, "", at_ms)
            return
        self._children[spec.number] = run.info.run_id
        known = self._client.get_metric_history(run.info.run_id, "epoch_score")
        self._n_epochs[spec.number] = max((metric.step for metric in known), default=0)

    def close_trial(self, result: TrialResult, is_best: bool, at_ms: int) -> None:
        """Log the trial's result in one batch and end its run."""
        number = result.spec.number
        run_id = self._children[number]
        metrics = _metrics(records.trial_metrics(result), at_ms)
        tags = records.result_tags(result, is_best)
        self._end(run_id, END[result.status], tags, at_ms, metrics)
        del self._children[number]
        self._n_epochs.pop(number, None)

    def log_score(self, number: int, score: float, is_best: bool, at_ms: int) -> None:
        """Add a trial to the search's own curves, whose step is the trial's number."""
        names = ("trial_score", "best_score") if is_best else ("trial_score",)
        values = dict.fromkeys(names, score)
        self._client.log_batch(self.parent, metrics=_metrics(values, at_ms, number))

    def log_plot(self, path: Path) -> None:
        """Store a file among the search's plots."""
        self._client.log_artifact(self.parent, str(path), "plots")

    def log_front(self, front: Sequence[FrontTrial]) -> None:
        """Store the trials that no other beats in no more seconds as a table."""
        self._client.log_table(self.parent, records.front_table(self._plan, front), "pareto.json")

    def close(self, summary: SearchSummary, lines: Iterable[str], at_ms: int) -> None:
        """Log what the search found and end its run; ``lines`` join the page's text."""
        metrics = _metrics(records.summary_metrics(self._plan, summary), at_ms)
        tags = records.summary_tags(summary) | {NOTE_TAG: records.description(self._plan, lines)}
        status = "KILLED" if summary.interrupted else "FINISHED"
        self._end(self.parent, status, tags, at_ms, metrics)

    def break_off(self, status: Status, reason: str, at_ms: int) -> None:
        """End every run of a search that came to no summary."""
        tags = {"status": status.value, "reason": reason}
        for run_id in (*self._children.values(), self.parent):
            self._end(run_id, END[status], tags, at_ms)

    def _find_parent(self) -> Run | None:
        """The run of this study, unless the study was begun anew under its old name.

        Then it holds nothing, where the record had trials before it was looked at; those that
        ended since are another process's, which works on the same study.
        """
        name = self._plan.study
        pattern = name.replace("'", "_")  # a quote cannot be escaped; _ stands for any character
        like = self._search(f"tags.role = 'search' AND tags.study LIKE '{pattern}'", limit=100)
        found = [run for run in like if run.data.tags["study"] == name]
        if not found:
            return None
        ended = " AND ".join(f"tags.status != '{s}'" for s in ("running", "interrupted", "paused"))
        if math.isfinite(self._plan.seen_s):
            ended += f" AND attributes.end_time < {1000 * self._plan.seen_s:.0f}"
        if self._plan.n_done == 0 and self._search(
            f"{_child_of(found[0].info.run_id)} AND {ended}", limit=1
        ):
            return None
        return found[0]

    def _end_orphans(self) -> None:
        """End the trials that an earlier process of this study left running when it died.

        What the study was told of one before that is written now.
        """
        running = f"{_child_of(self.parent)} AND attributes.status = 'RUNNING'"
        for run in self._search(running, limit=100):
            if owner_lives(run.data.tags):
                continue
            number = run.data.tags.get("trial", "")
            told = self._plan.ended.get(int(number)) if number.isdigit() else None
            if told is None:
                tags = {"status": Status.INTERRUPTED.value, "reason": "its process died"}
                self._end(run.info.run_id, END[Status.INTERRUPTED], tags, now_ms())
            else:
                metrics = _metrics(records.trial_metrics(told), now_ms())
                tags = records.result_tags(told, False)
                self._end(run.info.run_id, END[told.status], tags, now_ms(), metrics)

    def _search(self, condition: str, *, limit: int) -> list[Run]:
        return list(
            self._client.search_runs([self._database.experiment_id], condition, max_results=limit)
        )

    def _end(
        self,
        run_id: str,
        status: str,
        tags: Mapping[str, str],
        at_ms: int,
        metrics: Iterable[Metric] = (),
    ) -> None:
        self._client.log_batch(run_id, metrics=list(metrics), tags=_tags(tags))
        self._client.set_terminated(run_id, status=status, end_time=at_ms)


def _child_of(parent: str) -> str:
    return f"tags.`{PARENT_TAG}` = '{parent}'"


def _metrics(values: Mapping[str, float], at_ms: int, step: int = 0) -> list[Metric]:
    """One metric a value; at step 0 alone, the UI compares runs by bars, else by curves."""
    return [Metric(name, value, at_ms, step) for name, value in records.finite(values).items()]


def _tags(values: Mapping[str, str]) -> list[RunTag]:
    return [RunTag(name, text) for name, text in values.items()]


def _dataset(plan: SearchPlan) -> DatasetInput:
    """The data as MLflow shows it beside a run: name, digest, where it came from."""
    task = plan.task
    source = json.dumps({"source": task.source, "origin": task.origin})
    profile = json.dumps({"rows": dict(task.rows), "stand_in_for": task.asked * task.stand_in})
    digest = task.fingerprint[:8]  # as long as MLflow's own digests; whole in a tag
    return DatasetInput(
        Dataset(task.name, digest, source_type=task.source, source=source, profile=profile)
    )
