"""How does a model selection get into MLflow? One run: its settings, every score, a bar chart."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from foretune.config.schema.tracking import TrackingConfig
from foretune.core import TaskInfo

_AS_METRICS = ("score", "seconds")  # the table has the rest
_CHOSEN, _OTHER = "#c1440e", "#7a8ca3"


@dataclass(frozen=True)
class SelectionRecord:
    """What is recorded of a selection.

    Attributes:
        task: The task.
        selector: Which selector judged.
        chosen: The chosen model.
        members: Of each model, best first, its numbers: ``score``, ``low``, ``high``, ``seconds``,
            ``memory_mb`` and each probe's.
        lines: What a person should know.
        n_rows: Rows of the support set.
        seconds: That it took.
    """

    task: TaskInfo
    selector: str
    chosen: str
    members: Mapping[str, Mapping[str, float]]
    lines: Sequence[str]
    n_rows: int
    seconds: float


def log_selection(config: TrackingConfig, record: SelectionRecord) -> tuple[str, ...]:
    """Record a selection as a finished run of its own.

    Returns:
        Where it is, for a person; nothing where tracking is off.

    Raises:
        ConfigError: The tracking folder cannot be written to.
    """
    if not config.enabled:
        return ()
    from mlflow.entities import Metric, Param, RunTag

    from foretune.tracking.database import open_database
    from foretune.tracking.records import finite, key
    from foretune.tracking.runs import NOTE_TAG, SOURCE, now_ms

    database = open_database(config.folder, config.experiment)
    task, at_ms = record.task, now_ms()
    tags = {
        "role": "selection",
        "task": task.name,
        "kind": task.kind.value,
        "fingerprint": task.fingerprint,
        "stand_in": str(task.stand_in).lower(),
        "selector": record.selector,
        "chosen": record.chosen,
        NOTE_TAG: "\n".join(f"- {line}" for line in record.lines),
    }
    run = database.client.create_run(
        database.experiment_id, at_ms, tags | SOURCE, f"select {task.name}"
    )
    run_id = run.info.run_id
    numbers = {
        f"{key(name)}/{key(kind)}": value
        for name, own in record.members.items()
        for kind, value in own.items()
        if kind in _AS_METRICS
    }
    numbers["selection/seconds"] = record.seconds
    database.client.log_batch(
        run_id,
        metrics=[Metric(name, value, at_ms, 0) for name, value in finite(numbers).items()],
        params=[
            Param("selector", record.selector),
            Param("support_rows", str(record.n_rows)),
            Param("chosen", record.chosen),
        ],
        tags=[RunTag("status", "completed")],
    )
    columns: dict[str, list[object]] = {"model": list(record.members)}
    for kind in next(iter(record.members.values())):
        columns[kind] = [own[kind] for own in record.members.values()]
    database.client.log_table(run_id, columns, "selection.json")
    with tempfile.TemporaryDirectory() as folder:
        chart = plot_members(record, Path(folder) / "selection.png")
        if chart is not None:
            database.client.log_artifact(run_id, str(chart), "plots")
    database.client.set_terminated(run_id, "FINISHED", now_ms())
    return (f"MLflow: make ui, run select {task.name} of experiment {config.experiment}",)


def plot_members(record: SelectionRecord, path: Path) -> Path | None:
    """A bar for each model, best first, with its interval; None without matplotlib."""
    try:
        import matplotlib as mpl
    except ImportError:
        return None
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    names = list(record.members)[::-1]
    score, low, high = (
        np.array([record.members[n][kind] for n in names]) for kind in ("score", "low", "high")
    )
    low, high = np.where(np.isfinite(low), low, score), np.where(np.isfinite(high), high, score)
    start = float(low.min() - 0.1 * (high.max() - low.min()))
    figure, axes = plt.subplots(figsize=(8.0, 1.2 + 0.4 * len(names)))
    colours = [_CHOSEN if n == record.chosen else _OTHER for n in names]
    axes.barh(range(len(names)), score - start, left=start, color=colours, height=0.6)
    spread = np.stack([score - low, high - score])
    axes.errorbar(score, range(len(names)), xerr=spread, fmt="none", ecolor="black", capsize=3)
    axes.set_yticks(range(len(names)), names)
    axes.grid(axis="x", alpha=0.3)
    axes.set_xlabel(f"{record.selector}, seen from {record.n_rows} rows (lines: 80 % intervals)")
    axes.set_title(f"{record.task.name}: {record.chosen} is chosen", loc="left")
    figure.savefig(path, dpi=110, bbox_inches="tight")
    plt.close(figure)
    return path
