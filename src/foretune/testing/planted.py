"""A task whose best configuration is known, and a search on it: what the contracts are run on.

The objectives are functions, so a whole search takes a fraction of a second.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import optuna
from optuna.study import Study
from optuna.trial import FrozenTrial

from foretune.config.schema.search import SearchConfig
from foretune.core import (
    Answer,
    EpochReport,
    Executor,
    NullObserver,
    Objective,
    OnEpoch,
    ParamValue,
    SearchPlan,
    SearchSummary,
    Status,
    TaskInfo,
    TaskKind,
    TrialResult,
    TrialSpec,
)
from foretune.execute import InlineExecutor
from foretune.search import (
    build_fidelity,
    build_method,
    build_pruner,
    open_study,
    plan_search,
    run_search,
    study_name,
)
from foretune.search.distributions import suggest
from foretune.search.fidelity import Fidelity
from foretune.space import Choice, Float, Int, Space

TASK = TaskInfo(
    name="planted",
    asked="planted",
    kind=TaskKind.TEXT_CLASSIFICATION,
    metric="accuracy",
    metrics=("accuracy",),
    higher_is_better=True,
    classes=("no", "yes"),
    source="local",
    origin="a formula",
    stand_in=False,
    fingerprint="planted",
)
CONDITIONAL = Space(
    (
        Choice("model", ("small", "large")),
        Float("lr", 1e-5, 1e-3, log=True, when={"model": ("large",)}),
        Float("lr", 1e-4, 1e-2, log=True, when={"model": ("small",)}),
        Int("epochs", 1, 3),
        Choice("optimiser", ("adam", "sgd")),
        Float("momentum", 0.0, 0.9, when={"optimiser": ("sgd",)}),
    ),
    defaults=({"model": "small", "lr": 1e-3, "epochs": 2, "optimiser": "adam"},),
)
FINITE = Space(
    (
        Choice("optimiser", ("adam", "sgd")),
        Int("layers", 1, 3),
        Choice("nesterov", (True, False), when={"optimiser": ("sgd",)}),
    )
)  # 3 + 6 points


def planted_score(params: Mapping[str, ParamValue]) -> float:
    """A score with one best region: lr = 10^-3.5, adam, the large model; at most 0."""
    lr = params.get("lr", 1e-3)
    assert isinstance(lr, float)
    score = -((math.log10(lr) + 3.5) ** 2)
    score -= 0.2 * (params.get("optimiser") != "adam") + 0.1 * (params.get("model") == "small")
    return score - 0.05 * float(params.get("layers") or 0)


def train_planted(spec: TrialSpec, on_epoch: OnEpoch) -> TrialResult:
    """An objective: the planted score, approached from below epoch by epoch."""
    reports = []
    for epoch in range(1, int(spec.params.get("epochs") or 1) + 1):
        score = planted_score(spec.params) - 0.1 / epoch
        reports.append(EpochReport(epoch, score, {"eval_loss": -score}, seconds=0.0))
        answer = Answer(on_epoch(reports[-1]))
        if answer is Answer.STOP:
            return TrialResult(spec, Status.PRUNED, score, epochs=tuple(reports), reason="stopped")
        if answer is Answer.PAUSE and epoch < int(spec.params.get("epochs") or 1):
            return TrialResult(spec, Status.PAUSED, score, epochs=tuple(reports))
    return TrialResult(spec, Status.COMPLETED, reports[-1].score, epochs=tuple(reports))


@dataclass
class Run:
    """One search on the planted task; calling it twice resumes it, as the command line would."""

    config: SearchConfig
    folder: Path
    space: Space = CONDITIONAL
    objective: Objective = train_planted
    task: TaskInfo = TASK
    history: object = None
    storage: optuna.storages.BaseStorage = field(default_factory=optuna.storages.InMemoryStorage)
    observers: tuple[NullObserver, ...] = ()
    fidelity: Fidelity | None = None
    executor: Executor | None = None
    study: Study | None = None
    plan: SearchPlan | None = None

    def __call__(self) -> SearchSummary:
        """Open the study, run it to its budget, and say what it holds."""
        method = build_method(self.config, self.space, history=self.history)
        self.study = open_study(
            self.storage,
            name=study_name(self.task, self.config.method, {"space": self.space.fingerprint()}),
            higher_is_better=self.task.higher_is_better,
            attributes={"fingerprint": self.task.fingerprint},
            sampler=method.sampler,
            pruner=build_pruner(self.config, history=self.history),
            space=self.space,
        )
        self.plan = plan_search(
            self.study,
            method=method,
            task=self.task,
            models=("small", "large"),
            budget=self.config.budget(on_cpu=False),
            config={},
            notes=(),
            folder=self.folder,
            space=self.space,
        )
        return run_search(
            self.study,
            space=self.space,
            executor=self.executor or InlineExecutor(self.objective),
            plan=self.plan,
            fidelity=self.fidelity or build_fidelity(self.config, history=self.history),
            observers=self.observers,
            seed=self.config.seed,
        )

    @property
    def trials(self) -> list[FrozenTrial]:
        """The study's trials, in order."""
        assert self.study is not None
        return self.study.trials

    @property
    def points(self) -> list[dict[str, ParamValue]]:
        """The trials' points, in order."""
        return [t.params for t in self.trials]


def planted_history() -> optuna.storages.InMemoryStorage:
    """Six studies of thirty random trials each on tasks like the planted one."""
    storage = optuna.storages.InMemoryStorage()
    for k in range(6):
        study = optuna.create_study(
            storage=storage,
            study_name=f"past-{k}",
            direction="maximize",
            sampler=optuna.samplers.RandomSampler(k),
        )
        study.set_user_attr("fingerprint", f"past-{k}")
        for _ in range(30):
            trial = study.ask()
            params = suggest(trial, CONDITIONAL)
            shifted = {**params, "lr": float(params["lr"] or 0.0) * 10 ** (0.1 * (k - 2.5))}
            study.tell(trial, 3.0 * planted_score(shifted) + k)
    return storage
