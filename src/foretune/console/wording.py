"""How are numbers and configurations said briefly, and a search's begin and end in sentences?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from foretune.core import (
    Budget,
    ParamValue,
    Savings,
    SearchPlan,
    SearchSummary,
    TaskInfo,
    format_duration,
)

# Parameters in the order in which they are shown, with short names ("": the value says it all).
# Parameters that are not named here follow under their own names.
SHORT_NAMES = {
    "lr": "lr",
    "batch_size": "bs",
    "epochs": "ep",
    "layers": "L",
    "frozen": "frz",
    "optimiser": "",
    "dropout": "do",
    "weight_decay": "wd",
    "head_lr_multiplier": "head",
    "pooling": "",
    "schedule": "",
    "warmup": "wu",
}

STAND_IN = "STAND-IN"


def number(value: float) -> str:
    """A number in about three digits.

    >>> number(0.000213), number(16), number(0.25), number(1234.5), number(0.0)
    ('2.1e-4', '16', '0.25', '1,234', '0')
    """
    if value and abs(value) < 1e-2 and math.isfinite(value):
        mantissa, exponent = f"{value:.1e}".split("e")
        return f"{mantissa.removesuffix('.0')}e{int(exponent)}"
    if abs(value) >= 1000 and math.isfinite(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"


def configuration(params: Mapping[str, ParamValue]) -> str:
    """A configuration without its model, most telling parameters first, in short names.

    >>> configuration({"epochs": 2, "optimiser": "adamw", "lr": 2e-4, "model": "minilm"})
    'lr 2e-4 ep 2 adamw'
    """
    known = [name for name in SHORT_NAMES if name in params]
    others = [name for name in params if name not in SHORT_NAMES and name != "model"]
    parts = ((SHORT_NAMES.get(name, name), params[name]) for name in known + others)
    return " ".join(f"{name} {_text(value)}".strip() for name, value in parts)


def _text(value: ParamValue) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return number(value)


def seconds(value: float) -> str:
    """Seconds in at most six columns.

    >>> seconds(13.04), seconds(252.2), seconds(45000)
    ('13.0 s', '252 s', '12.5 h')
    """
    if value < 100:
        return f"{value:.1f} s"
    return f"{value:.0f} s" if value < 10_000 else f"{value / 3600:.1f} h"


def metric(task: TaskInfo, score: float) -> str:
    """A score in the units of the task's headline metric.

    A score is higher-is-better; the metric may not be.
    """
    return f"{score if task.higher_is_better else -score:.4f}"


def budget(limit: Budget) -> str:
    """A budget as a sentence's end.

    >>> budget(Budget(20, 240)), budget(Budget(n_trials=1))
    ('20 trials or 4 min 0 s, whichever ends first', '1 trial')
    """
    parts = [] if limit.n_trials is None else [count(limit.n_trials, "trial")]
    parts += [] if limit.budget_s is None else [format_duration(limit.budget_s)]
    return " or ".join(parts) + (", whichever ends first" if len(parts) > 1 else "")


def count(n: int, noun: str) -> str:
    """``1 trial``, ``2 trials``, ``1,000 rows``."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def opening(plan: SearchPlan) -> Iterator[tuple[str, str]]:
    """What a search is about to do: label and text, line by line."""
    task = plan.task
    rows = ", ".join(f"{n:,} {split}" for split, n in task.rows.items())
    yield "Task", f"{task.asked} ({task.kind.value}), compared by {task.metric}; rows: {rows}"
    notes = [_labelled(note) for note in plan.notes]
    about_data = [text for label, text in notes if label == "Data"]
    for text in about_data or [f"{task.name} ({task.source}): {task.origin}"]:
        yield "Data", f"{STAND_IN}, not {task.asked}: {text}" if task.stand_in else text
    yield "Models", ", ".join(plan.models)
    yield "Search", f"{plan.search}; {budget(plan.budget)}"
    resumed = ""
    if plan.n_done:
        spent = format_duration(plan.seconds_done)
        resumed = f", resumed with {count(plan.n_done, 'trial')} done in {spent}"
        resumed += "" if plan.best is None else f", best {metric(task, plan.best)}"
    yield "Study", f"{plan.study}{resumed}"
    yield from (note for note in notes if note[0] != "Data")


def saved(found: Savings) -> str:
    """What stopping and pausing came to.

    >>> saved(Savings(paused=12, resumed=3, epochs=96, seconds=80.4))
    '96 epochs were never trained, about 1 min 20 s (12 trials paused, 3 resumed)'
    """
    parts = [f"{count(found.stopped, 'trial')} stopped"] if found.stopped else []
    parts += (
        [f"{count(found.paused, 'trial')} paused, {found.resumed} resumed"] if found.paused else []
    )
    about = f", about {format_duration(found.seconds)}" if found.seconds else ""
    what = "epoch was" if found.epochs == 1 else "epochs were"
    return f"{found.epochs:,} {what} never trained{about} ({', '.join(parts)})"


def _labelled(note: str) -> tuple[str, str]:
    """A note's label and text, where it has the form ``label: text``."""
    label, colon, text = note.partition(": ")
    if colon and len(label) <= 12 and " " not in label:
        return label.capitalize(), text
    return "Note", note


def closing(plan: SearchPlan, summary: SearchSummary) -> Iterator[tuple[str, str]]:
    """What a search found: label and text, line by line."""
    task = plan.task
    failed = f", {summary.n_failed} failed" if summary.n_failed else ""
    ran = f"{count(summary.n_trials, 'trial')}{failed}, {format_duration(summary.seconds)}"
    if summary.interrupted:
        yield "Interrupted", f"after {ran}; the same command goes on from here"
    else:
        yield "Done", ran
    if plan.forecast is not None and summary.trial_s is not None:
        yield "Plan", kept(plan.forecast.trial_s, summary.trial_s)
    if summary.saved.epochs:
        yield "Saved", saved(summary.saved)
    if summary.best_score is None:
        yield "Best", "none: no trial has finished an epoch"
        return
    yield (
        "Best",
        f"validation {task.metric} {metric(task, summary.best_score)}"
        + ("" if summary.best_number is None else f" (trial {summary.best_number})"),
    )
    if summary.test:
        yield "Test", _test(task, summary.test)
    if task.stand_in:
        yield STAND_IN, f"measured on {task.name}, which stands in for {task.asked}"
    named = " ".join(f"{name}={_text(value)}" for name, value in summary.best_params.items())
    yield "Config", named
    for k, trial in enumerate(summary.front):
        reached = f"{metric(task, trial.score)} in {seconds(trial.seconds)} (trial {trial.number})"
        model = f"{trial.params['model']}, " if "model" in trial.params else ""
        yield "" if k else "Front", f"{reached}: {model}{configuration(trial.params)}"
    if summary.model_dir is not None:
        yield "Model", str(summary.model_dir)
        yield "Load it", f'foretune.train.load_model("{summary.model_dir}").predict([...])'


def kept(planned_s: float, took_s: float) -> str:
    """How well a plan was kept.

    >>> kept(41.0, 47.2)
    'planned 41.0 s a trial, took 47.2 s: 15 % over'
    """
    error = round(100 * (took_s / planned_s - 1))
    how = f"{abs(error)} % {'over' if error > 0 else 'under'}" if error else "as planned"
    planned, took = format_duration(planned_s), format_duration(took_s)
    return f"planned {planned} a trial, took {took}: {how}"


def _test(task: TaskInfo, test: Mapping[str, float]) -> str:
    """The test metrics, the headline one first and beside its baseline."""
    headline = test.get(task.metric)
    others = [f"{name} {value:.4f}" for name, value in test.items() if name != task.metric]
    if headline is None:
        return ", ".join(others)
    text = f"{task.metric} {headline:.4f}"
    if "test" in task.baseline:
        baseline = task.baseline["test"]
        gain = headline - baseline if task.higher_is_better else baseline - headline
        verdict = "better" if gain > 0 else "NOT better"
        text += f" ({verdict} than the baseline's {baseline:.4f})"
    return ", ".join([text, *others])
