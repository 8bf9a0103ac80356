"""What does MLflow store of a plan, a trial and a summary? Plain mappings, no MLflow in sight."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence

from foretune.core import (
    EpochReport,
    FrontTrial,
    ParamValue,
    Resources,
    SearchPlan,
    SearchSummary,
    TrialResult,
    TrialSpec,
    format_duration,
)

_NOT_IN_KEYS = re.compile(r"[^\w\-. :/]")


def key(name: str) -> str:
    """``name`` as MLflow takes it for a param, metric or tag.

    >>> key("f1 (macro)")
    'f1 _macro_'
    """
    return _NOT_IN_KEYS.sub("_", name)[:250]


def search_tags(plan: SearchPlan) -> dict[str, str]:
    """What a person filters searches by; all that may differ when the search is resumed."""
    task = plan.task
    foreseen = {} if plan.forecast is None else {"plan": plan.forecast.text}
    return foreseen | {
        "role": "search",
        "study": plan.study,
        "search": plan.search,
        "task": task.name,
        "asked_task": task.asked,
        "kind": task.kind.value,
        "metric": task.metric,
        "data_source": task.source,
        "data_origin": task.origin,
        "stand_in": str(task.stand_in).lower(),
        "fingerprint": task.fingerprint,
        "models": ", ".join(plan.models),
        "budget": budget_text(plan),
        "folder": str(plan.folder),
    }


def budget_text(plan: SearchPlan) -> str:
    """The budget as a person says it: ``20 trials, 4 min 0 s``."""
    budget = plan.budget
    parts = [f"{budget.n_trials} trials"] if budget.n_trials is not None else []
    parts += [format_duration(budget.budget_s)] if budget.budget_s is not None else []
    return ", ".join(parts)


def trial_tags(plan: SearchPlan, spec: TrialSpec, why: str) -> dict[str, str]:
    """What a person filters trials by, known when the trial starts."""
    task = plan.task
    return {
        "role": "trial",
        "study": plan.study,
        "search": plan.search,
        "task": task.name,
        "asked_task": task.asked,
        "data_source": task.source,
        "stand_in": str(task.stand_in).lower(),
        "trial": str(spec.number),
        "model": str(spec.params.get("model", "")),
        "status": "running",
        "why": why,
    }


def trial_name(spec: TrialSpec) -> str:
    """``trial 007 minilm``: sorts by number."""
    return f"trial {spec.number:03d} {spec.params.get('model', '')}".rstrip()


def trial_params(spec: TrialSpec) -> dict[str, str]:
    """The point of the space and its seed."""
    point = {key(name): param_text(value) for name, value in spec.params.items()}
    return {**point, "seed": str(spec.seed)}


def param_text(value: ParamValue) -> str:
    """A parameter's value, floats short but exact enough to tell two trials apart.

    >>> param_text(0.000213841729), param_text(16), param_text(True)
    ('0.000213842', '16', 'True')
    """
    return format(value, ".6g") if isinstance(value, float) else str(value)


def epoch_metrics(report: EpochReport) -> dict[str, float]:
    """One epoch's validation metrics, logged at step ``report.epoch``."""
    values = {key(name): value for name, value in report.metrics.items() if name != "epoch"}
    return {**values, "epoch_score": report.score, "epoch_seconds": report.seconds}


def trial_metrics(result: TrialResult) -> dict[str, float]:
    """What a finished trial is compared by: its best epoch and what it cost.

    MLflow shows a metric's last value, and the last epoch is not always the best one: so the best
    epoch's metrics get names of their own. A name's part before the slash is its section in the UI.
    """
    best = {f"best/{key(name)}": value for name, value in result.metrics.items()}
    score = {} if result.score is None else {"score": result.score}
    return {**score, **best, **_resources(result.resources)}


def _resources(used: Resources) -> dict[str, float]:
    return {
        "resources/seconds": used.seconds,
        "resources/once_s": used.once_s,
        "resources/examples_per_second": used.examples_per_second,
        "resources/peak_ram_mb": used.peak_ram_mb,
        "resources/peak_gpu_mb": used.peak_gpu_mb,
        "resources/cpu_percent": used.cpu_percent,
        "resources/gpu_percent": used.gpu_percent,
    }


def result_tags(result: TrialResult, is_best: bool) -> dict[str, str]:
    """How the trial ended; ``improved`` where it was the best one of its study so far."""
    tags = {"status": result.status.value, "improved": str(is_best).lower()}
    return {**tags, "reason": result.reason} if result.reason else tags


def summary_metrics(plan: SearchPlan, summary: SearchSummary) -> dict[str, float]:
    """What searches are compared by: the best score, the test metrics and the baseline."""
    values = {f"test/{key(name)}": value for name, value in summary.test.items()}
    values |= {
        f"baseline/{key(split)}_{key(plan.task.metric)}": value
        for split, value in plan.task.baseline.items()
    }
    values |= {
        "search/n_trials": float(summary.n_trials),
        "search/n_failed": float(summary.n_failed),
        "search/seconds": summary.seconds,
    }
    saved = summary.saved
    if saved.epochs:
        values |= {
            "search/n_stopped": float(saved.stopped),
            "search/n_paused": float(saved.paused),
            "search/n_resumed": float(saved.resumed),
            "search/epochs_saved": float(saved.epochs),
            "search/seconds_saved": saved.seconds,
        }
    planned = None if plan.forecast is None else plan.forecast.trial_s
    seconds = {"search/planned_trial_seconds": planned, "search/trial_seconds": summary.trial_s}
    values |= {name: value for name, value in seconds.items() if value is not None}
    return values if summary.best_score is None else {**values, "score": summary.best_score}


def front_table(plan: SearchPlan, front: Sequence[FrontTrial]) -> dict[str, list[object]]:
    """The front as columns: trial, metric, seconds, and every parameter."""
    sign = 1.0 if plan.task.higher_is_better else -1.0
    names = list(dict.fromkeys(name for trial in front for name in trial.params))
    return {
        "trial": [trial.number for trial in front],
        key(plan.task.metric): [sign * trial.score for trial in front],
        "seconds": [trial.seconds for trial in front],
        **{key(n): [param_text(t.params.get(n, "-")) for t in front] for n in names},
    }


def summary_tags(summary: SearchSummary) -> dict[str, str]:
    """How the search ended, and the best configuration (tags: a resumed search may better it)."""
    tags = {"status": "interrupted" if summary.interrupted else "completed"}
    if summary.best_number is not None:
        tags["best_trial"] = str(summary.best_number)
    return tags | {key(f"best.{name}"): param_text(v) for name, v in summary.best_params.items()}


def description(plan: SearchPlan, lines: Iterable[str] = ()) -> str:
    """The text (markdown) at the top of the search's page."""
    return "\n".join((*(f"- {note}" for note in plan.notes), "", *lines)).strip()


def finite(values: Mapping[str, float]) -> dict[str, float]:
    """Without NaN and infinity, which have no place in a chart (a failure has its reason)."""
    return {name: float(value) for name, value in values.items() if math.isfinite(value)}
