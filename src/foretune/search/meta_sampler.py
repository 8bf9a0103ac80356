"""How does an Optuna study learn from the studies that came before it?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial


class MetaSampler(BaseSampler):
    """Suggests what an Optuna history says is worth trying (first version: defaults, then random)."""

    def __init__(
        self,
        history: Any = None,
        *,
        seed: int | None = None,
        default_params: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        meta_lr: float = 1e-3,
        meta_iterations: int = 1000,
        support_size: int = 32,
        selection_threshold: float = 0.01,
        cache_dir: str | Path | None = None,
        include_same_data: bool = False,
    ) -> None:
        given = [default_params] if isinstance(default_params, Mapping) else default_params
        self._defaults = [dict(d) for d in given or ()]
        self._random = RandomSampler(seed=seed)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Everything is sampled one parameter at a time."""
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Nothing: see `sample_independent`."""
        return {}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """The default's value in the first trials, then a random one."""
        stored = study.user_attrs.get("default_params", [])
        defaults = self._defaults or ([stored] if isinstance(stored, Mapping) else list(stored))
        if trial.number < len(defaults) and param_name in defaults[trial.number]:
            return defaults[trial.number][param_name]
        return self._random.sample_independent(study, trial, param_name, param_distribution)
