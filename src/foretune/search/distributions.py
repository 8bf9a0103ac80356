"""How does a space of ours become Optuna's: parameters as distributions, points as suggestions?"""

from __future__ import annotations

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import Trial

from foretune.core import ParamValue
from foretune.space import Choice, Float, Int, Parameter, Point, Space


def distribution(parameter: Parameter) -> BaseDistribution:
    """Optuna's distribution of ``parameter``; its upper end is the last value of the step."""
    match parameter:
        case Float(low=low, high=high, log=log, step=step):
            return FloatDistribution(low, parameter.clip(high), log=log, step=step)
        case Int(low=low, high=high, log=log, step=step):
            return IntDistribution(low, parameter.clip(high), log=log, step=step)
        case Choice(choices=choices):
            return CategoricalDistribution(choices)
        case _:
            raise TypeError(f"expected Float, Int or Choice, got {type(parameter).__name__}")


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """One a name: choices are the same under all conditions, of ranges it is the first one."""
    return {p.name: distribution(p) for p in reversed(space.parameters)}


def suggest(trial: Trial, space: Space) -> Point:
    """The point that the study's sampler suggests, asked for parents first (define-by-run)."""

    def ask(parameter: Parameter) -> ParamValue:
        name, dist = parameter.name, distribution(parameter)
        if isinstance(dist, FloatDistribution):
            return trial.suggest_float(name, dist.low, dist.high, log=dist.log, step=dist.step)
        if isinstance(dist, IntDistribution):
            return trial.suggest_int(name, dist.low, dist.high, log=dist.log, step=dist.step)
        assert isinstance(dist, CategoricalDistribution)
        return trial.suggest_categorical(name, dist.choices)

    return space.walk(ask)
