"""What did a search look like? Pictures of its study, for a person."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import optuna
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from foretune.core import FrontTrial
from foretune.history.attrs import SECONDS
from foretune.search.study import sign_of

logger = logging.getLogger(__name__)

MAX_TRIALS = 1000  # newest trials in a plot; more is slow and shows nothing (taste)
SIZE, DPI = (9.0, 5.0), 110  # inches; about 1000 x 550 pixels


def plot_search(
    study: Study, folder: Path, *, metric: str, front: Sequence[FrontTrial] = ()
) -> tuple[Path, ...]:
    """Write the study's history, the parameters' importances and parallel coordinates as PNG.

    A plot that cannot be made (fewer than two completed trials, no parameter that varied,
    matplotlib missing) is left out.

    Args:
        study: The study.
        folder: Where to; it is made.
        metric: The name of the axis.
        front: Trials that no other beats in no more seconds; where there are any they are drawn
            among the others.

    Returns:
        The files written.
    """
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(done) < 2:
        return ()
    try:
        import matplotlib as mpl
    except ImportError:
        logger.info("no plots: matplotlib is not installed (pip install 'foretune[run]')")
        return ()
    mpl.use("Agg")  # no window, also where a display is there
    from optuna.visualization import matplotlib as plots

    shown = _recent(study)
    makers: dict[str, Callable[[], object]] = {
        "optimisation_history": lambda: plots.plot_optimization_history(shown, target_name=metric),
        "param_importances": lambda: plots.plot_param_importances(shown, target_name=metric),
        "parallel_coordinate": lambda: plots.plot_parallel_coordinate(
            shown, params=_varied(shown), target_name=metric
        ),
    }
    if front:
        makers["pareto_front"] = lambda: _plot_front(done, front, sign_of(study), metric)
    folder.mkdir(parents=True, exist_ok=True)
    written = (_draw(folder / f"{name}.png", make) for name, make in makers.items())
    return tuple(path for path in written if path is not None)


def _plot_front(
    done: Sequence[FrozenTrial], front: Sequence[FrontTrial], sign: float, metric: str
) -> None:
    """Every completed trial's value against its seconds, the front joined by steps."""
    from matplotlib import pyplot as plt

    _, axes = plt.subplots()
    timed = [t for t in done if t.user_attrs.get(SECONDS)]
    values = [float(t.value or 0.0) for t in timed]
    axes.scatter([t.user_attrs[SECONDS] for t in timed], values, c="0.6")
    seconds, values = [f.seconds for f in front], [sign * f.score for f in front]
    axes.step(seconds, values, where="post", marker="o", label="no other is better in less time")
    for trial, value in zip(front, values, strict=True):
        axes.annotate(str(trial.number), (trial.seconds, value), (4, 4), textcoords="offset points")
    axes.set_xscale("log")
    axes.set_xlabel("seconds")
    axes.set_ylabel(metric)
    axes.legend()


def _draw(path: Path, make: Callable[[], object]) -> Path | None:
    """Write one plot; None, with a line in the log, where it cannot be made."""
    from matplotlib import pyplot as plt

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # optuna's are experimental, matplotlib's of taste
            make()
            figure = plt.gcf()
            figure.set_size_inches(*SIZE)
            figure.savefig(path, dpi=DPI, bbox_inches="tight")
    except Exception as error:  # optuna raises many kinds for a study that is too plain to plot
        logger.info("no plot %s: %s", path.stem, error)
        return None
    finally:
        plt.close("all")
    return path


def _recent(study: Study) -> Study:
    """The newest ``MAX_TRIALS`` finished trials, in memory: a plot reads the study many times."""
    states = (TrialState.COMPLETE, TrialState.PRUNED)
    copy = optuna.create_study(direction=study.direction)
    copy.add_trials(study.get_trials(states=states)[-MAX_TRIALS:])
    return copy


def _varied(study: Study) -> list[str]:
    """The parameters that took more than one value."""
    values: dict[str, set[object]] = {}
    for trial in study.get_trials(deepcopy=False):
        for name, value in trial.params.items():
            values.setdefault(name, set()).add(value)
    return [name for name, seen in values.items() if len(seen) > 1]
