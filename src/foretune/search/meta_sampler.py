"""How does an Optuna study learn from the studies that came before it?"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from foretune.core.errors import ConfigError
from foretune.core.seeding import derive_seed
from foretune.history.attrs import METRIC, METRIC_RANGE
from foretune.meta.cache import cache_folder
from foretune.meta.model import MetaModel
from foretune.meta.settings import Ablation, MetaSettings
from foretune.search.decided import decided
from foretune.search.meta_ahead import MAX_OPENING, Lesson, Opening, judged_by
from foretune.search.meta_desk import Ask, Plan
from foretune.search.meta_history import learned, recorded
from foretune.search.meta_observe import PLAN_KEY, WHY_KEY, StudyView, configuration
from foretune.search.meta_plan import Planner
from foretune.search.meta_spend import Spending
from foretune.search.meta_threads import one_thread
from foretune.search.meta_values import bounds, fitting, follows, mapping, numbers
from foretune.search.study import place

_log = logging.getLogger(__name__)

_PLANS_KEPT = 256
_RACES = 10  # plans at most, where other processes announce the same ones meanwhile


class MetaSampler(BaseSampler):
    """Suggests what an Optuna history and the study itself say is worth trying.

    It meta-learns from finished studies, starts with known-good defaults or with what served past
    tasks best, then maximises expected improvement under meta-trained Gaussian processes, and
    stops listening to the history where the study's own trials contradict it. Without a history
    it is a Gaussian-process sampler. Conditional, changing and mixed spaces are modelled whole.

    Args:
        history: A storage URL, an Optuna storage, an exported parquet file, a list of these, or
            what `foretune.read_history` made of them. The study itself may be in it: its own
            trials are no history.
        seed: Same seed, same history, one worker: the same trials, bit for bit.
        default_params: One or several known-good configurations, tried first; if None, those in
            the study's user attribute ``default_params``.
        judge_defaults: Leave a default that at least three past tasks have tried to what they say
            of it, instead of trying it first.
        keep_of_default: Parameters that the very first trial then has from the default all the
            same: what was decided by other means, as a model that a probe chose.
        learn_meanwhile: Learn in a thread, and suggest until it is done what served past tasks
            best, with the kept parameters of the default. The seventh trial waits for it.
        meta_lr: Learning rate of meta-training.
        meta_iterations: Its steps.
        support_size: Half the number of trials of a task that one step of it sees.
        selection_threshold: Suggestions within this share of the best expected improvement count
            as equal; the one with the least predicted seconds is taken.
        candidates: Configurations that alone may be suggested, each once before any is repeated: a
            table of results, say. None: the whole space.
        cache_dir: Where the trained model is kept for the next process; None: the user's cache.
        include_same_data: Also learn from studies whose user attribute ``fingerprint`` is this
            study's. By default they are left out, so that a benchmark never leaks.
        cost_aware: Prefer configurations that are predicted to take few seconds, the more the more
            of the budget is left: log EI - kappa log seconds, kappa that share (1 where no budget
            is known). Seconds are each trial's user attribute ``seconds``, else its duration.
        budget_s: Seconds that the study may spend.
        n_trials: Trials that it may hold.
        objectives: ``("score", "seconds")`` searches the front of the two: the study keeps its one
            direction, its trials' seconds are the second objective.
        ablation: Parts to switch off in an experiment.

    Raises:
        ConfigError: A number is out of its range.
    """

    def __init__(
        self,
        history: Any = None,
        *,
        seed: int | None = None,
        default_params: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        judge_defaults: bool = False,
        keep_of_default: Sequence[str] = (),
        learn_meanwhile: bool = False,
        meta_lr: float = MetaSettings.meta_lr,
        meta_iterations: int = MetaSettings.meta_iterations,
        support_size: int = MetaSettings.support_size,
        selection_threshold: float = MetaSettings.selection_threshold,
        candidates: Sequence[Mapping[str, Any]] | None = None,
        cache_dir: str | Path | None = None,
        include_same_data: bool = False,
        cost_aware: bool = False,
        budget_s: float | None = None,
        n_trials: int | None = None,
        objectives: Sequence[str] = ("score",),
        ablation: Ablation | None = None,
    ) -> None:
        self._seed = seed if seed is not None else _fresh_seed()
        self._defaults = default_params
        self._judges, self._keeps = judge_defaults, tuple(keep_of_default)
        self._meanwhile = learn_meanwhile
        self._settings = MetaSettings(
            meta_lr=meta_lr, meta_iterations=meta_iterations, support_size=support_size,
            selection_threshold=selection_threshold, ablation=ablation or Ablation(),
        )  # fmt: skip
        self._history = history if self._settings.ablation.history else None
        self._spending = Spending(cost_aware, budget_s, n_trials, tuple(objectives))
        if candidates is not None and not len(candidates):
            raise ConfigError("candidates: expected at least one configuration, or None for all")
        self._candidates = tuple(candidates or ())
        self._cache_dir = cache_folder(cache_dir)
        self._include_same_data = include_same_data
        self._planners: dict[str, Planner] = {}
        self._openings: dict[str, Opening] = {}
        self._plans: dict[tuple[str, int], Plan] = {}
        self._untimed: set[str] = set()
        self._lock = threading.RLock()

    def reseed_rng(self) -> None:
        """Take a new seed: Optuna asks for it in each worker of a parallel search."""
        self._seed = _fresh_seed()

    def model(self, study: Study) -> MetaModel | None:
        """What was learnt from the history for ``study``; None where there is nothing to learn."""
        with self._lock, one_thread():
            return self._planner(study).model

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Nothing: a planned configuration is handed out one parameter at a time.

        So a parameter may change its range, appear or vanish at any trial, and what the objective
        asks for is known for certain when a value is given.
        """
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Values for all of ``search_space`` at once, should a caller ask so."""
        _single_objective(study)
        if not search_space:
            return {}
        with self._lock, one_thread():
            plan = self._plan(study, trial, search_space)
        return {n: fitting(plan.params[n], d) for n, d in search_space.items()}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """The planned value; a new plan is made where the trial departs from the old one."""
        _single_objective(study)
        if param_distribution.single():
            return fitting(None, param_distribution)
        key = (study.study_name, trial.number)
        with self._lock, one_thread():
            plan = self._plans.get(key)
            if plan is None or not follows(plan.params, trial, param_name, param_distribution):
                plan = self._plan(study, trial, {param_name: param_distribution})
                self._plans[key] = plan
                while len(self._plans) > _PLANS_KEPT:
                    del self._plans[next(iter(self._plans))]
        return fitting(plan.params[param_name], param_distribution)

    def _plan(
        self, study: Study, trial: FrozenTrial, asked: Mapping[str, BaseDistribution]
    ) -> Plan:
        fixed = decided(trial)
        shown = {**trial.distributions, **asked}
        attrs = study.user_attrs
        defaults = self._defaults if self._defaults is not None else attrs.get("default_params", ())
        known_good = [defaults] if isinstance(defaults, Mapping) else list(defaults)
        for attempt in range(_RACES):
            view = StudyView.of(study.get_trials(deepcopy=False), study.direction, trial.number)
            self._say_untimed(study, view)
            opening = None if fixed else self._opening(study, len(view.trials))
            planner = self._planner(study) if opening is None else opening.planner
            plan = planner.plan(
                Ask(
                    view=view, number=trial.number, fixed=fixed, asked=shown,
                    defaults=known_good, judged_by=judged_by(opening) if self._judges else None,
                    kept=self._keeps if opening or not view.trials else (),
                    task=numbers(attrs.get("task_descriptors")),
                    models={
                        str(k): numbers(v)
                        for k, v in mapping(attrs.get("model_descriptors")).items()
                    },
                    metric=str(attrs.get(METRIC) or ""),
                    bounds=bounds(attrs.get(METRIC_RANGE)),
                    price=self._spending.price(view, opening=opening is not None),
                    front=self._spending.front,
                    seed=derive_seed(
                        self._seed, place(study, trial.number), len(trial.params), attempt
                    ),
                    attempt=attempt,
                    candidates=self._candidates,
                )
            )  # fmt: skip
            if opening is not None:
                opening.begin()
            self._announce(study, trial, plan)
            if not self._raced(study, trial, plan):
                break
        return plan

    def _say_untimed(self, study: Study, view: StudyView) -> None:
        """One line a study where seconds count and some trial has none."""
        spending, name = self._spending, study.study_name
        if name in self._untimed or not (spending.cost_aware or spending.front):
            return
        if len(view.untimed):
            self._untimed.add(name)
            _log.warning(
                "Study %s: trial %d has no seconds above 0: its cost is predicted by the others.",
                name, view.untimed[0],
            )  # fmt: skip

    def _announce(self, study: Study, trial: FrozenTrial, plan: Plan) -> None:
        """Keep plan and reasons with the trial, where other workers see them."""
        storage = study._storage
        storage.set_trial_system_attr(trial._trial_id, PLAN_KEY, cast(Any, plan.params))
        storage.set_trial_system_attr(trial._trial_id, WHY_KEY, cast(Any, plan.why))

    def _raced(self, study: Study, trial: FrozenTrial, plan: Plan) -> bool:
        """Whether another worker announced, or even finished, the very same meanwhile.

        Each worker announces before it looks, so of two with one plan at least one sees the other.
        """
        if plan.why.get("expert") == "repeat":
            return False
        others = (t for t in study.get_trials(deepcopy=False) if t.number != trial.number)
        return any(configuration(other) == plan.params for other in others)

    def _planner(self, study: Study) -> Planner:
        name = study.study_name
        if name not in self._planners:
            opening = self._openings.pop(name, None)
            learn = self._lesson(study, self._history)
            now = learn() if opening is None else opening.result()
            turn = self._lesson(study, self._history, turned=True)
            self._planners[name] = Planner(now, self._settings, self._seed, turn=turn)
        return self._planners[name]

    def _opening(self, study: Study, n_trials: int) -> Opening | None:
        """How a study of so many trials goes on while its history is learned from; None: by it."""
        name = study.study_name
        may = self._meanwhile and self._history is not None and n_trials < MAX_OPENING
        if not may or name in self._planners:
            return None
        if name not in self._openings:
            records = recorded(self._history, fingerprint=self._same(study), name=name)
            lesson = self._lesson(study, records)
            self._openings[name] = Opening(records, self._settings, self._seed, lesson)
        opening = self._openings[name]
        return None if opening.is_over else opening

    def _lesson(self, study: Study, history: Any, *, turned: bool = False) -> Lesson:
        """What learns from a history, in any thread."""
        name, same = study.study_name, self._same(study)

        def learn() -> MetaModel | None:
            if history is None:
                return None
            with one_thread():
                return learned(
                    history, self._settings, self._cache_dir, fingerprint=same, name=name,
                    turned=turned,
                )  # fmt: skip

        return learn

    def _same(self, study: Study) -> object:
        """The fingerprint of data whose studies are left out."""
        return None if self._include_same_data else study.user_attrs.get("fingerprint")


def _fresh_seed() -> int:
    return int(np.random.SeedSequence().generate_state(1)[0]) >> 1


def _single_objective(study: Study) -> None:
    if len(study.directions) > 1:
        raise ValueError(
            f"expected a single-objective study, got {len(study.directions)} directions: "
            "use optuna.samplers.NSGAIISampler or TPESampler for several objectives"
        )
