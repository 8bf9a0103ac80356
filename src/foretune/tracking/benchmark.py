"""How does a benchmark get into MLflow? One run a method, so that the UI compares methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from foretune.config.schema.tracking import TrackingConfig

_BATCH = 900  # metrics at a time; MLflow takes a thousand


@dataclass(frozen=True)
class MethodRecord:
    """What is recorded of one method.

    Attributes:
        name: The run's name.
        params: How it searched.
        numbers: What methods are compared by.
        curves: Values by name, the first one at step 1; None: unknown there.
        tags: What runs are filtered by.
    """

    name: str
    params: Mapping[str, str]
    numbers: Mapping[str, float]
    curves: Mapping[str, Sequence[float | None]]
    tags: Mapping[str, str] = field(default_factory=dict)


def log_benchmark(
    config: TrackingConfig, experiment: str, methods: Sequence[MethodRecord], page: Path, text: str
) -> tuple[str, ...]:
    """Record a benchmark: a run a method, and one with the report and its figures.

    Args:
        config: Where to.
        experiment: The experiment of its own.
        methods: What is compared, the one that is to be on top first.
        page: report.html; what lies beside it is recorded with it.
        text: What it found, in a sentence.

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

    database = open_database(config.folder, experiment)
    client, at_ms = database.client, now_ms()
    batch = str(at_ms)  # what was recorded together
    for place, method in enumerate(methods):
        tags = {"role": "method", "benchmark": batch, **method.tags}
        started_ms = at_ms + len(methods) - place  # the UI has the newest on top
        run = client.create_run(database.experiment_id, started_ms, tags | SOURCE, method.name)
        curves = {
            (key(name), step): value
            for name, values in method.curves.items()
            for step, value in enumerate(values, 1)
            if value is not None
        }
        metrics = [Metric(name, value, at_ms, step) for (name, step), value in curves.items()]
        numbers = finite({key(name): value for name, value in method.numbers.items()})
        metrics += [Metric(name, value, at_ms, 0) for name, value in numbers.items()]
        params = [Param(key(name), text) for name, text in method.params.items()]
        for start in range(0, len(metrics), _BATCH):
            client.log_batch(run.info.run_id, metrics=metrics[start : start + _BATCH])
        client.log_batch(run.info.run_id, params=params, tags=[RunTag("status", "completed")])
        client.set_terminated(run.info.run_id, "FINISHED", now_ms())
    tags = {"role": "benchmark", "benchmark": batch, NOTE_TAG: text}
    run = client.create_run(database.experiment_id, at_ms, tags | SOURCE, "report")
    client.log_artifact(run.info.run_id, str(page))
    for path in sorted((page.parent / "figures").glob("*.png")):
        client.log_artifact(run.info.run_id, str(path), "figures")
    client.set_terminated(run.info.run_id, "FINISHED", now_ms())
    return (f"MLflow: make ui, experiment {experiment}",)
