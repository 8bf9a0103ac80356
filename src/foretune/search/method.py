"""Which sampler and which pruner does a search setting mean, and what exactly are they called?"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from foretune.config.schema.search import (
    ALGORITHMS,
    FREEZE_THAW,
    METHODS,
    OBJECTIVES,
    PRUNERS,
    SearchConfig,
)
from foretune.core import Budget, ConfigError, unknown_name
from foretune.history import HistoryRecords
from foretune.search.fidelity import Fidelity, ToTheEnd
from foretune.search.pace import Picks
from foretune.search.points import PointSampler, grid_points, model_points, random_points
from foretune.space import MODEL, Grid, Space, finite_size

_LONG_S = 3600.0  # seconds beside which those of learning, ten to thirty, are nothing (taste)
MIN_STUDIES = 3  # so many past studies know the other models better than their cards do (taste)


@dataclass(frozen=True)
class Method:
    """How a search suggests.

    Attributes:
        sampler: For Optuna.
        description: The exact method, variant and version.
        n_points: How many different points it can suggest; None: no end.
        notes: What a person should know of it.
        picks: Which of past trials are like its own.
    """

    sampler: BaseSampler
    description: str
    n_points: int | None = None
    notes: tuple[str, ...] = ()
    picks: Picks = Picks.ANY


def build_method(
    config: SearchConfig,
    space: Space,
    *,
    history: object = None,
    budget: Budget | None = None,
    n_workers: int = 1,
    model_chosen: bool = False,
    is_isolated: bool = False,
) -> Method:
    """The sampler that ``config.method`` means on ``space``.

    Args:
        config: The search section.
        space: What is searched.
        history: What MetaSampler learns from, as it takes it; the other methods learn nothing.
        budget: What the study may spend, where it is known.
        n_workers: Trials at a time.
        model_chosen: Whether the first default's model was chosen for this task, by a probe.
        is_isolated: Whether trials run in processes of their own.

    Raises:
        ConfigError: An unknown method, or a grid that cannot be made.
    """
    seed = config.seed
    match config.method:
        case "random":
            sampler = PointSampler(random_points(space, seed), space=space, seed=seed)
            return Method(sampler, "random search", finite_size(space))
        case "grid":
            return _grid(config, space)
        case "bayes":
            make, name = _bayes(config.bayes.algorithm, space)
            sampler = PointSampler(
                model_points(make, space=space, seed=seed), space=space, seed=seed
            )
            return Method(sampler, f"{name} (Optuna {optuna.__version__})", finite_size(space))
        case "meta":
            return _meta(
                config, space, history, budget, n_workers,
                model_chosen=model_chosen, is_isolated=is_isolated,
            )  # fmt: skip
        case _:
            raise ConfigError(unknown_name("search method", config.method, METHODS))


def build_pruner(config: SearchConfig, *, history: object = None) -> BasePruner:
    """The pruner that ``config`` means; Optuna's own have Optuna's own settings.

    Args:
        config: The search section.
        history: What MetaPruner learns from, as it takes it; the others learn nothing.

    Raises:
        ConfigError: An unknown name.
    """
    match config.stops_by:
        case "none" | "freeze_thaw":
            return optuna.pruners.NopPruner()
        case "meta":
            from foretune.search.meta_pruner import MetaPruner  # brings torch

            # The seed is of its training alone: one for all searches, so that it is trained once.
            return MetaPruner(
                history,
                cache_dir=config.meta.cache_dir,
                include_same_data=config.meta.include_same_data,
            )
        case "median":
            return optuna.pruners.MedianPruner()
        case "percentile":
            return optuna.pruners.PercentilePruner(25.0)  # Optuna's own example: keep a quarter
        case "successive_halving":
            return optuna.pruners.SuccessiveHalvingPruner()
        case "hyperband":
            return WholeStudyPruner(optuna.pruners.HyperbandPruner())
        case _:
            raise ConfigError(unknown_name("pruner", config.pruner, PRUNERS))


def build_fidelity(config: SearchConfig, *, history: object = None) -> Fidelity:
    """Whose turn it is: each trial's to its end, or freeze-thaw's choice.

    Args:
        config: The search section, without problems.
        history: What freeze-thaw learns from, as MetaPruner takes it.
    """
    if config.fidelity != FREEZE_THAW:
        return ToTheEnd()
    from foretune.search.freeze_thaw import FreezeThaw  # brings torch

    return FreezeThaw(
        history, cache_dir=config.meta.cache_dir, include_same_data=config.meta.include_same_data
    )


class WholeStudyPruner(BasePruner):
    """Prunes as ``inner`` does, and leaves the sampler the whole study to see.

    Optuna shows a sampler only its bracket of a study that HyperbandPruner prunes, without the
    study's attributes; grid and MetaSampler need all of it.
    """

    def __init__(self, inner: BasePruner) -> None:
        self._inner = inner

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Whether ``inner`` would stop the trial."""
        return self._inner.prune(study, trial)


def _grid(config: SearchConfig, space: Space) -> Method:
    try:
        grid = Grid(space, config.grid.points)
    except ValueError as error:
        raise ConfigError(
            f"search=grid with search.grid.points=null: {error}; set search.grid.points, or list "
            "its values (+space.params.NAME.choices=[a,b,c])"
        ) from error
    n_trials = config.budget(on_cpu=False).n_trials
    shuffled = n_trials is None or n_trials < grid.size
    sampler = PointSampler(
        grid_points(grid, seed=config.seed, shuffled=shuffled), space=space, seed=config.seed
    )
    order = "in shuffled order" if shuffled else "in order"
    notes = (
        (f"the grid holds {grid.size:,} points, more than the budget: visited {order}",)
        if n_trials is not None and n_trials < grid.size
        else ()
    )
    return Method(sampler, f"grid of {grid.size:,} points, {order}", grid.size, notes)


def _bayes(algorithm: str, space: Space) -> tuple[Callable[[int], BaseSampler], str]:
    """How to make the sampler from a seed, and the variant's name."""
    match algorithm:
        case "tpe":
            return _make_tpe(group=space.conditional), (
                "TPE, multivariate, group" if space.conditional else "TPE, multivariate"
            )
        case "gp":
            partly = ", conditional parameters at random" if space.conditional else ""
            return _make_gp, "GPSampler" + partly
        case _:
            raise ConfigError(unknown_name("algorithm", algorithm, ALGORITHMS))


def _make_tpe(*, group: bool) -> Callable[[int], BaseSampler]:
    def make(seed: int) -> BaseSampler:
        with warnings.catch_warnings():  # "group is experimental", for every trial
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return optuna.samplers.TPESampler(seed=seed, multivariate=True, group=group)

    return make


def _make_gp(seed: int) -> BaseSampler:
    return optuna.samplers.GPSampler(seed=seed, warn_independent_sampling=False)


def _meta(
    config: SearchConfig,
    space: Space,
    history: object,
    budget: Budget | None,
    n_workers: int,
    *,
    model_chosen: bool,
    is_isolated: bool,
) -> Method:
    from foretune.search.meta_sampler import MetaSampler  # brings torch

    settings = config.meta
    limit_s = None if budget is None else budget.budget_s
    aware = settings.cost_aware
    if aware is None:
        only_seconds = limit_s is not None and budget is not None and budget.n_trials is None
        aware = only_seconds and not config.wants_front
    learns = isinstance(history, HistoryRecords) and len(history.studies) >= MIN_STUDIES
    defaults = space.defaults[:1] if learns else space.defaults
    sampler = MetaSampler(
        history,
        seed=config.seed,
        default_params=[dict(point) for point in defaults],
        judge_defaults=True,
        keep_of_default=(MODEL,) if model_chosen else (),
        learn_meanwhile=aware and is_isolated and limit_s is not None and limit_s < _LONG_S,
        meta_lr=settings.meta_lr,
        meta_iterations=settings.meta_iterations,
        support_size=settings.support_size,
        selection_threshold=settings.selection_threshold,
        cache_dir=settings.cache_dir,
        include_same_data=settings.include_same_data,
        cost_aware=aware,
        budget_s=None if limit_s is None else limit_s * n_workers,
        n_trials=None if budget is None else budget.n_trials,
        objectives=OBJECTIVES if config.wants_front else OBJECTIVES[:1],
    )
    notes = ("seconds limit this search: short trials are preferred",) if aware else ()
    name = f"MetaSampler (Foretune {version('foretune')})"
    picks = Picks.SHORT if aware else Picks.GOOD
    return Method(sampler, name, finite_size(space), notes, picks)
