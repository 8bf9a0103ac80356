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
    """Optuna's distribution of ``parameter``."""
    match parameter:
        case Float():
            return FloatDistribution(
                parameter.low, parameter.high, log=parameter.log, step=parameter.step
            )
        case Int():
            return IntDistribution(
                parameter.low, parameter.high, log=parameter.log, step=parameter.step
            )
        case Choice():
            return CategoricalDistribution(parameter.choices)
        case _:
            raise TypeError(f"expected Float, Int or Choice, got {type(parameter).__name__}")


def suggest(trial: Trial, space: Space) -> Point:
    """The point that the study's sampler suggests, asked for parents first (define-by-run)."""

    def ask(parameter: Parameter) -> ParamValue:
        name = parameter.name
        match parameter:
            case Float(low=low, high=high, log=log, step=step):
                return trial.suggest_float(name, low, high, log=log, step=step)
            case Int():
                return trial.suggest_int(
                    name, parameter.low, parameter.high, log=parameter.log, step=parameter.step
                )
            case Choice(choices=choices):
                return trial.suggest_categorical(name, choices)
            case _:
                raise TypeError(f"expected Float, Int or Choice, got {type(parameter).__name__}")

    return space.walk(ask)
