"""How to search: method, budget, pruning, and the settings of each method."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from foretune.core import Budget, parse_duration, unknown_name

METHODS = ("meta", "grid", "random", "bayes")
ALGORITHMS = ("tpe", "gp")
DEFAULT_TRIALS = 10  # where the user names no budget
DEFAULT_CPU_S = 180.0  # and no GPU is there: a first look, not a study
PRUNERS = ("none", "meta", "median", "hyperband", "percentile", "successive_halving")
FIDELITIES = ("full", "pruned", "freeze_thaw")
FREEZE_THAW = "freeze_thaw"
OBJECTIVES = ("score", "seconds")


@dataclass
class GridConfig:
    """The grid.

    Attributes:
        points: At most this many values of each number, both ends of its range among them; null:
            every value, which only lists and whole numbers have.
    """

    points: int | None = 3


@dataclass
class BayesConfig:
    """Bayesian optimisation: ``tpe`` or ``gp``, both Optuna's own."""

    algorithm: str = "tpe"


@dataclass
class MetaConfig:
    """MetaSampler's settings; see `foretune.MetaSampler` for what each does.

    Attributes:
        history: Storage URLs and exported parquet files to learn from; empty: the storage that the
            search itself is written to.
        include_same_data: Whether studies on this very data (by fingerprint) may be learned from.
        include_stand_ins: Whether studies on packaged stand-in data may be learned from where the
            task is a real one.
        meta_lr: Learning rate of the meta-training.
        meta_iterations: Steps of the meta-training.
        support_size: Observations that the meta-model is trained to predict from.
        selection_threshold: Predicted scores closer than this count as equal.
        cost_aware: Whether configurations of few predicted seconds are preferred, the more the more
            of the budget is left; null: where seconds alone limit the search.
            Suggestions then follow the seconds that trials took: two runs of one seed differ.
        cache_dir: Where trained meta-models are kept; null: the user's cache folder.
    """

    history: list[str] = field(default_factory=list)
    include_same_data: bool = False
    include_stand_ins: bool = False
    meta_lr: float = 1e-3
    meta_iterations: int = 1000
    support_size: int = 32
    selection_threshold: float = 0.01
    cost_aware: bool | None = None
    cache_dir: str | None = None


@dataclass
class SearchConfig:
    """One search.

    Attributes:
        method: ``meta``, ``grid``, ``random`` or ``bayes``.
        n_trials: Trials that the study shall hold in the end, failed ones included; null: no limit.
        budget_s: Seconds that the study may spend over all its runs, also "90m", "2h", "7d"; null:
            no limit. Whichever ends first ends the search. With neither: ``DEFAULT_TRIALS``, and
            on a CPU ``DEFAULT_CPU_S``.
        seed: Seeds everything random in the search.
        fidelity: ``full``: each trial is trained to its end, unless ``pruner`` says otherwise;
            ``pruned``: it is stopped when it is not worth finishing, by ``meta`` where no pruner is
            named; ``freeze_thaw``: it is paused when another one promises more for the next epochs,
            and goes on from its checkpoint when that changes.
        pruner: ``none``, ``meta`` (`foretune.MetaPruner`, by the curves of the history),
            ``median``, ``hyperband``, ``percentile`` or ``successive_halving``.
        objectives: ``[score]``, or ``[score,seconds]``: the report then shows the trials of which
            none is better in no more seconds, and ``meta`` searches for all of these.
    """

    method: str = "meta"
    n_trials: int | None = None
    budget_s: Any = None
    seed: int = 0
    fidelity: str = "full"
    pruner: str = "none"
    objectives: list[str] = field(default_factory=lambda: ["score"])
    grid: GridConfig = field(default_factory=GridConfig)
    bayes: BayesConfig = field(default_factory=BayesConfig)
    meta: MetaConfig = field(default_factory=MetaConfig)

    def budget(self, *, on_cpu: bool) -> Budget:
        """The limits as a value; call it where `problems` found none.

        >>> SearchConfig().budget(on_cpu=True)
        Budget(n_trials=10, budget_s=180.0)
        """
        if self.n_trials is None and self.budget_s is None:
            return Budget(DEFAULT_TRIALS, DEFAULT_CPU_S if on_cpu else None)
        seconds = None if self.budget_s is None else parse_duration(self.budget_s)
        return Budget(self.n_trials, seconds)

    @property
    def stops_by(self) -> str:
        """The pruner that is used, or ``freeze_thaw``, which goes with none.

        >>> SearchConfig(fidelity="pruned").stops_by
        'meta'
        """
        if self.fidelity == FREEZE_THAW:
            return FREEZE_THAW
        return "meta" if self.pruner == "none" and self.fidelity == "pruned" else self.pruner

    def problems(self) -> list[str]:
        """Every problem, one sentence each."""
        found = [
            f"{where}: {unknown_name(what, name, known)}"
            for where, what, name, known in (
                ("search.method", "search method", self.method, METHODS),
                ("search.bayes.algorithm", "algorithm", self.bayes.algorithm, ALGORITHMS),
                ("search.fidelity", "fidelity", self.fidelity, FIDELITIES),
                ("search.pruner", "pruner", self.pruner, PRUNERS),
            )
            if name not in known
        ]
        if self.fidelity == FREEZE_THAW and self.pruner != "none":
            found.append(
                "search.pruner: expected none with search.fidelity=freeze_thaw, which pauses trials"
                f" instead of stopping them, got {self.pruner}"
            )
        if self.n_trials is not None and self.n_trials < 1:
            found.append(f"search.n_trials: expected at least 1, got {self.n_trials}")
        if self.budget_s is not None:
            try:
                parse_duration(self.budget_s)
            except (TypeError, ValueError) as error:
                found.append(f"search.budget_s: {error}")
        if self.seed < 0:
            found.append(f"search.seed: expected 0 or more, got {self.seed}")
        if self.grid.points is not None and self.grid.points < 1:
            found.append(f"search.grid.points: expected at least 1, got {self.grid.points}")
        return found + self._objective_problems() + self._meta_problems()

    @property
    def wants_front(self) -> bool:
        """Whether the front of score against seconds is asked for."""
        return set(self.objectives) == set(OBJECTIVES)

    def _objective_problems(self) -> list[str]:
        named = f"[{','.join(self.objectives)}]"
        asked = f"search.objectives={named}"
        if self.objectives == ["score"]:
            return []
        if sorted(self.objectives) != sorted(OBJECTIVES):
            return [f"search.objectives: expected [score] or [score,seconds], got {named}"]
        found = []
        if self.method == "bayes":
            found.append(
                f"{asked}: expected search=meta, random or grid, got bayes, which sees scores alone"
            )
        if self.stops_by != "none" or self.fidelity != "full":
            found.append(
                f"{asked}: expected search.fidelity=full and search.pruner=none: a trial that "
                "cannot beat the best score may still be the best of its seconds"
            )
        if self.method == "meta" and self.meta.cost_aware:
            found.append(f"{asked}: expected search.meta.cost_aware=false, got true: choose one")
        return found

    def _meta_problems(self) -> list[str]:
        meta = self.meta
        found = [
            f"search.meta.{name}: expected a number above 0, got {value}"
            for name, value in (("meta_lr", meta.meta_lr), ("support_size", meta.support_size))
            if not value > 0
        ]
        found += [
            f"search.meta.{name}: expected 0 or more, got {value}"
            for name, value in (
                ("meta_iterations", meta.meta_iterations),
                ("selection_threshold", meta.selection_threshold),
            )
            if not value >= 0
        ]
        return found
