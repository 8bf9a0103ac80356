"""How does a sampler choose from a list of recorded configurations?

Every sampler that only knows ranges is treated alike: what it suggests is moved to the nearest
recorded configuration that was not tried, on the encoded scale, and that one is what it is told.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial

from foretune.bench.table import Config, TableTask
from foretune.core import ParamValue
from foretune.meta.codec import Codec, ParamCode
from foretune.meta.conditions import apply_rules, infer_rules


class Listing:
    """A task's configurations, encoded.

    Attributes:
        configs: c of them.
        distributions: Of each parameter.
    """

    def __init__(self, task: TableTask) -> None:
        self.configs = task.configs
        self.distributions = task.distributions
        params = tuple(ParamCode.of(n, d) for n, d in self.distributions.items())
        plain = Codec(params)
        raw = plain.to_raw(self.configs)
        optional = frozenset(p.name for j, p in enumerate(params) if np.isnan(raw[:, j]).any())
        self._codec = Codec(params, optional)
        self._rules = infer_rules(raw, self._codec)
        self._encoded = self._codec.encode(raw)

    @property
    def conditional(self) -> bool:
        """Whether some parameter is not in every configuration."""
        return bool(self._codec.optional)

    def nearest(self, config: Config, tried: Collection[int]) -> int:
        """The place of the configuration nearest to ``config`` that was not tried."""
        raw = apply_rules(self._codec.to_raw([config]), self._rules, self._codec)
        gap = ((self._encoded - self._codec.encode(raw)) ** 2).sum(1)
        gap[list(tried)] = np.inf
        return int(gap.argmin())

    def walk(self, trial: Trial) -> int:
        """Ask for a configuration as an objective does, parameter by parameter; its place."""
        left, asked = list(range(len(self.configs))), dict[str, ParamValue]()
        while True:
            name = self._next(left, asked)
            if name is None:
                return left[0]
            asked[name] = suggest(trial, name, self.distributions[name])
            left = [k for k in left if _same(self.configs[k].get(name), asked[name])]
            if not left:
                raise ValueError(f"expected a recorded configuration, got {asked} and more")

    def _next(self, left: Sequence[int], asked: Collection[str]) -> str | None:
        """A parameter that all that is left has; one that some have, where none is."""
        first = None
        for name in self.distributions:
            having = 0 if name in asked else sum(name in self.configs[k] for k in left)
            if having == len(left):
                return name
            first = name if having and first is None else first
        return first


class NearestSampler(BaseSampler):
    """Optuna's own sampler ``inner``, moved to the nearest configuration of the list.

    Args:
        inner: Suggests.
        listing: What there is.
        at_once: Whether ``inner`` is asked for all parameters at once, whatever it says of itself.
        first: The place of what is tried first, whatever ``inner`` says; None: nothing is.
    """

    def __init__(
        self,
        inner: BaseSampler,
        listing: Listing,
        *,
        at_once: bool = False,
        first: int | None = None,
    ) -> None:
        self._inner, self._listing, self._at_once = inner, listing, at_once
        self._first = first
        self._tried: set[int] = set()
        self._drawn: dict[str, ParamValue] = {}

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Draw the whole configuration; its parameters are the search space."""
        inner = self._inner
        space = self._listing.distributions
        if not self._at_once:
            space = inner.infer_relative_search_space(study, trial)
        values = inner.sample_relative(study, trial, space)
        whole = {
            name: values[name]
            if name in values
            else inner.sample_independent(study, trial, name, distribution)
            for name, distribution in self._listing.distributions.items()
        }
        k = self._listing.nearest(whole, self._tried)
        if self._first is not None:
            k, self._first = self._first, None
        self._tried.add(k)
        self._drawn = dict(self._listing.configs[k])
        return {name: self._listing.distributions[name] for name in self._drawn}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, ParamValue]:
        """The configuration that was drawn."""
        return self._drawn

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> ParamValue:
        """Never asked: a drawn configuration is whole."""
        raise ValueError(f"expected a parameter of {list(self._drawn)}, got {param_name!r}")


def suggest(trial: Trial, name: str, distribution: BaseDistribution) -> ParamValue:
    """What the study's sampler says of one parameter."""
    match distribution:
        case FloatDistribution(low=low, high=high, log=log, step=step):
            return trial.suggest_float(name, low, high, log=log, step=step)
        case IntDistribution(low=low, high=high, log=log, step=step):
            return trial.suggest_int(name, low, high, log=log, step=step)
        case CategoricalDistribution(choices=choices):
            return trial.suggest_categorical(name, choices)
        case _:
            raise TypeError(f"expected a float, int or categorical one, got {distribution!r}")


def _same(a: ParamValue, b: ParamValue) -> bool:
    if isinstance(a, float) and isinstance(b, int | float):
        return bool(np.isclose(a, b, rtol=1e-9, atol=0.0))
    return a == b
