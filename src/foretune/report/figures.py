"""Which pictures tell a search? Its progress, its curves, what mattered, what it cost; as SVG."""

from __future__ import annotations

import io
import logging
import math
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from foretune.report.facts import Facts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from optuna.trial import FrozenTrial

logger = logging.getLogger(__name__)

SIZE = (6.4, 3.4)  # inches
MIN_FOR_IMPORTANCE = 4  # trials: with fewer any number would be a guess (taste)
MAX_CURVES = 60  # newest trials; more is a tangle
BLUE, GREY, ORANGE = "#2f6db3", "#b5bcc6", "#d9822b"


def figures(facts: Facts, trials: list[FrozenTrial]) -> dict[str, str]:
    """The pictures as SVG by their title; one that has nothing to show is left out.

    Args:
        facts: Of the search.
        trials: The study's trials, for the importances.
    """
    makers: dict[str, Callable[[Axes], object]] = {
        f"Best {facts.metric} so far": lambda axes: _progress(axes, facts),
        "What it cost": lambda axes: _cost(axes, facts),
        "Learning curves": lambda axes: _curves(axes, facts),
        "Which parameters mattered": lambda axes: _importance(axes, facts, trials),
    }
    found = {title: _draw(make, title) for title, make in makers.items()}
    return {title: svg for title, svg in found.items() if svg}


def _draw(make: Callable[[Axes], object], title: str) -> str:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    settings: dict[Any, Any] = {"svg.fonttype": "path", "svg.hashsalt": title, "font.size": 9}
    with mpl.rc_context(settings), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        figure = Figure(figsize=SIZE, layout="constrained")
        axes = figure.subplots()
        axes.spines[["top", "right"]].set_visible(False)
        try:
            if not make(axes):
                return ""
            text = io.StringIO()
            figure.savefig(text, format="svg", metadata={"Date": None})
        except Exception as error:  # a page without one picture is better than none
            logger.info("no picture %r: %s", title, error)
            return ""
    return text.getvalue()[text.getvalue().index("<svg") :]


def _progress(axes: Axes, facts: Facts) -> bool:
    from matplotlib.ticker import MaxNLocator

    scored = [(t.number, t.value) for t in facts.trials if t.value is not None]
    if not scored:
        return False
    better = max if facts.maximize else min
    best, line = scored[0][1], []
    for _, value in scored:
        best = better(best, value)
        line.append(best)
    numbers = [number for number, _ in scored]
    axes.scatter(numbers, [value for _, value in scored], s=22, color=GREY, label="a trial")
    axes.step(numbers, line, where="post", color=BLUE, label="best so far")
    axes.set(xlabel="trial", ylabel=facts.metric)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False)
    return True


def _cost(axes: Axes, facts: Facts) -> bool:
    scored = [t for t in facts.trials if t.value is not None and t.seconds > 0]
    if len(scored) < 2:
        return False
    models = list(dict.fromkeys(t.model for t in scored))
    for k, model in enumerate(models):
        own = [t for t in scored if t.model == model]
        values = [t.value for t in own if t.value is not None]
        axes.scatter([t.seconds for t in own], values, s=24, color=f"C{k}", label=model or None)
    axes.set(xlabel="seconds a trial (log)", ylabel=facts.metric, xscale="log")
    if any(models):
        axes.legend(frameon=False)
    return True


def _curves(axes: Axes, facts: Facts) -> bool:
    from matplotlib.ticker import MaxNLocator

    drawn = [t for t in facts.trials if len(t.curve) > 1][-MAX_CURVES:]
    if not drawn:
        return False
    best = facts.best.number if facts.best else -1
    for trial in sorted(drawn, key=lambda t: t.number == best):
        is_best = trial.number == best
        axes.plot(
            *zip(*trial.curve, strict=True), marker="o", markersize=3,
            color=BLUE if is_best else GREY, lw=2 if is_best else 1,
            label="the best trial" if is_best else None,
        )  # fmt: skip
    axes.set(xlabel="epoch", ylabel=facts.metric)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False)
    return True


def _importance(axes: Axes, facts: Facts, trials: list[FrozenTrial]) -> bool:
    import optuna
    from optuna.trial import TrialState

    done = [t for t in trials if t.state is TrialState.COMPLETE and math.isfinite(t.values[0])]
    if len(done) < MIN_FOR_IMPORTANCE:
        return False
    study = optuna.create_study(direction="maximize" if facts.maximize else "minimize")
    study.add_trials(done)
    found = optuna.importance.get_param_importances(study)
    if not found or not sum(found.values()) > 0:
        return False
    names = list(found)[::-1]
    axes.barh(names, [found[name] for name in names], color=ORANGE)
    axes.set(xlabel="share of the differences between trials")
    return True
