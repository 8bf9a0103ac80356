"""Under which names does a search write down what a later learner needs?

These are plain Optuna user attributes: any Optuna user may set them on studies of their own, and
every one is optional. docs/history.md explains them.
"""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping, Sequence
from enum import Enum
from importlib import metadata

from foretune.core import Status, TaskInfo, TrialResult

# Of a study.
TASK = "task"
METRIC = "metric"
METRIC_RANGE = "metric_range"
KIND = "kind"
MODALITY = "modality"
FINGERPRINT = "fingerprint"
DATA_SOURCE = "data_source"
STAND_IN = "stand_in"
SEARCH = "search"
TASK_DESCRIPTORS = "task_descriptors"
MODEL_DESCRIPTORS = "model_descriptors"
DEFAULT_PARAMS = "default_params"
MODELS = "models"
DEVICE = "device"
VERSIONS = "versions"
SEED = "seed"  # of the search
BUDGET = "budget"  # n_trials and budget_s, null: no limit
TESTED = "tested"  # metrics of the best trial's model on the test rows, and that trial's number
SELECTION = "selection"  # what the support set said of each model before the first trial
HEAD_START = "head_start"  # what new heads start from, where it was learnt from past tasks

# Of a trial.
SECONDS = "seconds"
ONCE = "once_s"  # of the seconds: what made things that later trials find ready
STATUS = "status"
FAILURE = "failure"
METRICS = "metrics"
LEASE = "lease"  # who runs the trial, and until when to believe it
CENSORED = "censored"  # it was killed for its time: its score bounds what it might have come to
MICRO_BATCHES = "micro_batches"  # parts that each batch was computed in, for want of memory
TEST = "test_metrics"  # of the best epoch, for comparisons: nothing is chosen by them
TEST_SCORE = "test_score"
STOPPED = "stopped"  # why MetaPruner stopped it, as a sentence
PAUSES = "pauses"  # when a freeze-thaw search put it aside and took it up again, and why

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]


def study_attributes(
    task: TaskInfo,
    *,
    search: str,
    models: Sequence[str],
    device: str,
    versions: Mapping[str, str],
    model_descriptors: Mapping[str, Mapping[str, float]] | None = None,
    default_params: Sequence[Mapping[str, object]] = (),
) -> dict[str, Json]:
    """What a study says of itself, as user attributes (its direction is Optuna's own).

    Args:
        task: The task.
        search: The exact search method.
        models: The models in the space.
        device: Where trials train (``cpu``, ``cuda: NVIDIA A100``).
        versions: Versions of what took part; ``installed_versions`` collects them.
        model_descriptors: Numbers that describe each model, by its name in the space.
        default_params: Known-good configurations.
    """
    return {
        TASK: task.name,
        "asked": task.asked,
        METRIC: task.metric,
        METRIC_RANGE: list(task.metric_range),
        "higher_is_better": task.higher_is_better,
        KIND: str(task.kind),
        MODALITY: task.kind.modality,
        FINGERPRINT: task.fingerprint,
        DATA_SOURCE: task.source,
        "origin": task.origin,
        STAND_IN: task.stand_in,
        "rows": json_safe(task.rows),
        "baseline": json_safe(task.baseline),
        SEARCH: search,
        TASK_DESCRIPTORS: json_safe(task.descriptors),
        MODELS: list(models),
        MODEL_DESCRIPTORS: json_safe(model_descriptors or {}),
        DEFAULT_PARAMS: json_safe(default_params),
        DEVICE: device,
        VERSIONS: json_safe(versions),
    }


def trial_attributes(result: TrialResult) -> dict[str, Json]:
    """What a trial says of itself, as user attributes (its curve is in Optuna's own table)."""
    used = result.resources
    attrs = {
        STATUS: str(result.status),
        SECONDS: used.seconds,
        ONCE: used.once_s,
        "peak_ram_mb": used.peak_ram_mb,
        "peak_gpu_mb": used.peak_gpu_mb,
        "examples_per_second": used.examples_per_second,
        "cpu_percent": used.cpu_percent,
        "gpu_percent": used.gpu_percent,
        METRICS: result.metrics,
    }
    if result.status in (Status.FAILED, Status.INTERRUPTED) or result.censored:
        attrs[FAILURE] = result.reason or str(result.status)
    if result.censored:
        attrs[CENSORED] = True
    if result.test_score is not None:
        attrs |= {TEST: result.test, TEST_SCORE: result.test_score}
    if result.micro_batches > 1:
        attrs[MICRO_BATCHES] = result.micro_batches
    safe = json_safe(attrs)
    assert isinstance(safe, dict)
    return safe


def installed_versions() -> dict[str, str]:
    """Versions of what decides how a trial ends, without importing any of it."""
    found = {"python": platform.python_version()}
    for package in ("foretune", "optuna", "torch", "transformers", "timm"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def json_safe(value: object) -> Json:
    """``value`` as strict JSON can hold it: numpy numbers as Python's, no NaN, no infinity.

    Members of a mapping that are not finite are left out; elsewhere they become None.

    >>> json_safe({"rows": (3, 4), "entropy": float("nan")})
    {'rows': [3, 4]}
    """
    if isinstance(value, Enum):
        return json_safe(value.value)
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {
            str(key): json_safe(member) for key, member in value.items() if not _no_number(member)
        }
    if isinstance(value, Sequence | set | frozenset):
        return [json_safe(member) for member in value]
    if hasattr(value, "item"):  # a numpy scalar
        return json_safe(value.item())
    return str(value)


def _no_number(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
