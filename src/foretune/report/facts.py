"""What does a study say of a search? All of it as plain values, read from the study alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState

from foretune.core import ParamValue, format_duration
from foretune.history.attrs import (
    BUDGET,
    CENSORED,
    DATA_SOURCE,
    DEFAULT_PARAMS,
    DEVICE,
    FAILURE,
    FINGERPRINT,
    KIND,
    MODELS,
    SEARCH,
    SECONDS,
    SEED,
    STAND_IN,
    STATUS,
    TASK,
    TESTED,
    VERSIONS,
)
from foretune.history.inspect import StudyDetails
from foretune.history.wording import whose
from foretune.search.meta_explain import explain
from foretune.search.meta_observe import WHY_KEY
from foretune.space import point_key

SHARES = ("accuracy", "exact_match", "top1_error")  # metrics that are shares of rows


@dataclass(frozen=True)
class TrialFacts:
    """One trial.

    Attributes:
        number: Its number.
        status: How it ended.
        value: Its score in the task's own metric; None: it has none.
        seconds: What it took.
        params: Its configuration.
        why: Where its suggestion came from, a line a reason.
        curve: (epoch, value) of each epoch.
        failure: Why it failed or was cut short.
    """

    number: int
    status: str
    value: float | None
    seconds: float
    params: Mapping[str, ParamValue]
    why: tuple[str, ...]
    curve: tuple[tuple[int, float], ...]
    failure: str

    @property
    def model(self) -> str:
        """The model's name, if the space has one."""
        return str(self.params.get("model", ""))


@dataclass(frozen=True)
class Facts:
    """One search.

    Attributes:
        study: The study's name; task, kind, metric: what was learnt; maximize: its direction.
        attrs: Everything that the study says of itself.
        trials: In the order of their numbers.
        best: The best one; None: none has a score.
        test: The task's metrics of the best trial's model on the test rows, if it was tested.
        space: Each parameter with the range that was searched.
        seconds: All trials together.
        failures: How often each reason of failure occurred.
    """

    study: str
    task: str
    kind: str
    metric: str
    maximize: bool
    attrs: Mapping[str, object]
    trials: tuple[TrialFacts, ...]
    best: TrialFacts | None
    test: Mapping[str, float]
    space: Mapping[str, str]
    seconds: float
    failures: Mapping[str, int]

    @property
    def rows(self) -> Mapping[str, int]:
        """Rows a split."""
        return {split: int(n) for split, n in _mapping(self.attrs.get("rows")).items()}

    @property
    def baseline(self) -> Mapping[str, float]:
        """What a constant answer comes to, a split."""
        return _mapping(self.attrs.get("baseline"))

    @property
    def stand_in(self) -> bool:
        """Whether packaged rows stood in for the data set that was asked for."""
        return self.attrs.get(STAND_IN) is True

    @property
    def data(self) -> str:
        """Which rows were really used, as one sentence."""
        asked = self.attrs.get("asked", self.task)
        what = f"{self.task} (it stands in for {asked})" if self.stand_in else self.task
        rows = ", ".join(f"{n:,} {split}" for split, n in self.rows.items())
        origin = self.attrs.get("origin") or self.attrs.get(DATA_SOURCE) or "of unknown origin"
        return f"{what}: {origin}" + (f"; {rows} rows" if rows else "")

    @property
    def found_by(self) -> tuple[tuple[str, str], ...]:
        """How the search was run, as pairs of a name and a text."""
        budget = _mapping(self.attrs.get(BUDGET))
        limits = [f"{budget['n_trials']} trials"] if budget.get("n_trials") else []
        limits += [format_duration(budget["budget_s"])] if budget.get("budget_s") else []
        versions = _mapping(self.attrs.get(VERSIONS))
        told = {
            "Search": self.attrs.get(SEARCH),
            "Budget": " or ".join(limits),
            "Spent": f"{len(self.trials)} trials, {format_duration(self.seconds)} of training",
            "Seed": self.attrs.get(SEED),
            "Models": ", ".join(map(str, _list(self.attrs.get(MODELS)))),
            "Learned from": self.learned_from,
            "Data fingerprint": self.attrs.get(FINGERPRINT),
            "Device": self.attrs.get(DEVICE),
            "Versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
        }
        return tuple((name, str(text)) for name, text in told.items() if text not in (None, ""))

    @property
    def learned_from(self) -> str:
        """Whose past studies the suggestions came from; empty: from none."""
        return str(self.attrs.get("learned_from", ""))

    def interval(self, split: str, value: float) -> tuple[float, float] | None:
        """Where the metric lies with 95 % on more such rows; None where it is no share of rows."""
        n = self.rows.get(split, 0)
        if self.metric not in SHARES or n < 1 or not 0 <= value <= 1:
            return None
        from scipy.stats import binomtest

        found = binomtest(round(value * n), n).proportion_ci(0.95, method="wilson")
        return float(found.low), float(found.high)

    def told(self, split: str, value: float) -> str:
        """A value with its interval: ``0.870 (95 %: 0.825 to 0.905)``."""
        found = self.interval(split, value)
        return f"{value:.3f}" + (f" (95 %: {found[0]:.3f} to {found[1]:.3f})" if found else "")


def gather(details: StudyDetails) -> Facts:
    """The facts of a study."""
    attrs = details.attrs
    defaults = {point_key(point) for point in _list(attrs.get(DEFAULT_PARAMS))}
    trials = [
        _trial(trial, defaults, details.maximize)
        for trial in sorted(details.trials, key=lambda t: t.number)
    ]
    best = _best(details, trials)
    tested = _mapping(attrs.get(TESTED))
    is_tested = best is not None and tested.get("trial") == best.number
    return Facts(
        study=details.summary.study,
        task=str(attrs.get(TASK) or details.summary.study),
        kind=str(attrs.get(KIND, "")),
        metric=details.metric or "value",
        maximize=details.maximize,
        attrs={**attrs, "learned_from": _learned_from(details.trials)},
        trials=tuple(trials),
        best=best,
        test=_mapping(tested.get("metrics")) if is_tested else {},
        space=_space(details.trials),
        seconds=details.seconds,
        failures=details.failures,
    )


def _trial(trial: FrozenTrial, defaults: set[str], maximize: bool) -> TrialFacts:
    curve = tuple(
        (step, value)
        for step, value in sorted(trial.intermediate_values.items())
        if math.isfinite(value)
    )
    value = trial.values[0] if trial.state is TrialState.COMPLETE and trial.values else None
    if trial.state is TrialState.PRUNED and curve:
        value = (max if maximize else min)(v for _, v in curve)
    status = str(trial.user_attrs.get(STATUS) or trial.state.name.lower())
    seconds = trial.user_attrs.get(SECONDS)
    return TrialFacts(
        number=trial.number,
        status=status,
        value=value if value is not None and math.isfinite(value) else None,
        seconds=float(seconds) if isinstance(seconds, int | float) else 0.0,
        params=trial.params,
        why=_why(trial, defaults),
        curve=curve,
        failure=str(trial.user_attrs.get(FAILURE, "")),
    )


def _why(trial: FrozenTrial, defaults: set[str]) -> tuple[str, ...]:
    if WHY_KEY in trial.system_attrs:
        return tuple(explain(trial).partition(": ")[2].splitlines())
    if "fixed_params" in trial.system_attrs:
        return ("Queued by hand, or again after it was cut short.",)
    if point_key(trial.params) in defaults:
        return ("A known-good default configuration.",)
    return ("Drawn by the search method.",)


def _best(details: StudyDetails, trials: Sequence[TrialFacts]) -> TrialFacts | None:
    """The best trial whose model there is: one killed for its time left none."""
    lost = {t.number for t in details.trials if t.user_attrs.get(CENSORED)}
    scored = [t for t in trials if t.value is not None and t.number not in lost]
    sign = 1.0 if details.maximize else -1.0
    return max(scored, key=lambda t: (sign * (t.value or 0.0), -t.number), default=None)


def _learned_from(trials: Sequence[FrozenTrial]) -> str:
    reasons = [t.system_attrs.get(WHY_KEY) for t in trials]
    counts = [why.get("learned_from") for why in reasons if isinstance(why, Mapping)]
    last = next((found for found in reversed(counts) if isinstance(found, Mapping)), None)
    return whose(own=int(last["own"]), shipped=int(last["shipped"])) if last else ""


def _space(trials: Sequence[FrozenTrial]) -> dict[str, str]:
    """Each parameter's range, the widest where it differed."""
    found: dict[str, list[BaseDistribution]] = {}
    for trial in trials:
        for name, distribution in trial.distributions.items():
            known = found.setdefault(name, [])
            if distribution not in known:
                known.append(distribution)
    return {name: " or ".join(map(_range, kinds)) for name, kinds in found.items()}


def _range(distribution: BaseDistribution) -> str:
    if isinstance(distribution, CategoricalDistribution):
        return ", ".join(map(str, distribution.choices))
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    scale = " (log)" if distribution.log else ""
    return f"{distribution.low:g} to {distribution.high:g}{scale}"


def _mapping(value: object) -> Mapping[str, float]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> Sequence[Mapping[str, ParamValue]]:
    return value if isinstance(value, list) else []
