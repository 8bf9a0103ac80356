"""Whatever the history or the study holds, the search goes on."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial

from foretune import MetaSampler, read_history

optuna.logging.set_verbosity(optuna.logging.ERROR)
FAST = {"meta_iterations": 20}
X = {"x": FloatDistribution(0.0, 1.0)}


def trial_of(value: float | None, state: TrialState = TrialState.COMPLETE, x: float = 0.5):
    return create_trial(params={"x": x}, distributions=X, value=value, state=state)


def running(url: str) -> None:
    study = optuna.create_study(storage=url)
    for _ in range(3):
        study.ask(X)


def failed(url: str) -> None:
    optuna.create_study(storage=url).add_trials([trial_of(None, TrialState.FAIL)] * 5)


def constant(url: str) -> None:
    optuna.create_study(storage=url).add_trials([trial_of(1.0, x=i / 9) for i in range(9)])


def one_trial(url: str) -> None:
    optuna.create_study(storage=url).add_trial(trial_of(1.0))


def infinite(url: str) -> None:
    study = optuna.create_study(storage=url)
    study.add_trials(
        [trial_of(v, x=i / 9) for i, v in enumerate((math.inf, -math.inf, 1.0, 2.0, 3.0, 1e300))]
    )


def multi(url: str) -> None:
    optuna.create_study(storage=url, directions=["minimize", "maximize"])


def garbage(url: str) -> None:
    Path(url.removeprefix("sqlite:///")).write_bytes(b"no database at all" * 50)


def empty(url: str) -> None:
    optuna.storages.RDBStorage(url)


def absent(url: str) -> None:
    """Nothing is there."""


def other_types(url: str) -> None:
    study = optuna.create_study(storage=url)
    kind = {"x": CategoricalDistribution(["low", "high"])}
    for i in range(6):
        choice = "low" if i % 2 else "high"
        study.add_trial(create_trial(params={"x": choice}, distributions=kind, value=float(i)))


@pytest.mark.parametrize(
    "write",
    [running, failed, constant, one_trial, infinite, multi, garbage, empty, absent, other_types],
)
def test_no_history_takes_the_search_down(tmp_path: Path, write: Callable[[str], None]):
    url = f"sqlite:///{tmp_path / 'history.db'}"
    write(url)
    study = optuna.create_study(sampler=MetaSampler(url, seed=0, cache_dir=tmp_path, **FAST))
    study.optimize(lambda t: (t.suggest_float("x", 0, 1) - 0.3) ** 2, n_trials=8)
    assert all(t.state == TrialState.COMPLETE for t in study.trials)
    assert study.best_value < 0.1


def wide(trial: optuna.Trial) -> float:
    return sum((trial.suggest_float(f"x{i}", 0, 1) - 0.5) ** 2 for i in range(40))


def long_list(trial: optuna.Trial) -> float:
    return trial.suggest_categorical("model", [f"m{i}" for i in range(500)]).count("1")


def flat(trial: optuna.Trial) -> float:
    trial.suggest_float("x", 0, 1)
    return 1.0


def failing(trial: optuna.Trial) -> float:
    if trial.suggest_float("x", 0, 1) < 0.5:
        raise RuntimeError("out of memory")
    return trial.suggest_float("y", 0, 1)


def nan(trial: optuna.Trial) -> float:
    x = trial.suggest_float("x", 0, 1)
    return math.nan if x < 0.3 else (math.inf if x > 0.9 else x)


def pruned(trial: optuna.Trial) -> float:
    x = trial.suggest_float("x", 0, 1)
    for step in range(3):
        trial.report(x * step, step)
        if x > 0.6:
            raise optuna.TrialPruned()
    return x


def by_a_number(trial: optuna.Trial) -> float:
    n = trial.suggest_int("layers", 1, 3)
    return sum(trial.suggest_float(f"units{i}", 0, 1) for i in range(n))


def huge_and_tiny(trial: optuna.Trial) -> float:
    return trial.suggest_float("a", 1e-300, 1e-290, log=True) + trial.suggest_int("b", 0, 10**15)


@pytest.fixture(scope="module")
def storage() -> optuna.storages.BaseStorage:
    """Past searches of every objective of this file, in one database."""
    storage = optuna.storages.InMemoryStorage()
    for objective in OBJECTIVES:
        study = optuna.create_study(
            storage=storage, study_name=objective.__name__,
            sampler=optuna.samplers.RandomSampler(seed=0),
        )  # fmt: skip
        study.optimize(objective, n_trials=12, catch=RuntimeError)
    return storage


OBJECTIVES = [wide, long_list, flat, failing, nan, pruned, by_a_number, huge_and_tiny]


@pytest.mark.parametrize("with_history", [True, False])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_no_objective_takes_the_search_down(
    objective: Callable[[optuna.Trial], float],
    with_history: bool,
    storage: optuna.storages.BaseStorage,
    tmp_path: Path,
):
    history = storage if with_history else None
    study = optuna.create_study(sampler=MetaSampler(history, seed=0, cache_dir=tmp_path, **FAST))
    study.optimize(objective, n_trials=12, catch=RuntimeError)
    assert len(study.trials) == 12


def test_failures_are_learnt_from():
    study = optuna.create_study(sampler=MetaSampler(seed=0))
    study.optimize(failing, n_trials=25, catch=RuntimeError)
    # Half of the space fails; of the last ten trials a search that learnt it loses few.
    assert sum(t.state == TrialState.FAIL for t in study.trials[-10:]) <= 2


def test_an_unwritable_cache_is_no_error(storage: optuna.storages.BaseStorage, tmp_path: Path):
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    study = optuna.create_study(sampler=MetaSampler(storage, seed=0, cache_dir=blocked, **FAST))
    study.optimize(flat, n_trials=2)
    assert len(study.trials) == 2


def test_records_and_parquet_are_histories_too(
    storage: optuna.storages.BaseStorage, tmp_path: Path
):
    records = read_history(storage)
    runs = []
    for history in (storage, records, [storage]):
        study = optuna.create_study(
            sampler=MetaSampler(history, seed=0, cache_dir=tmp_path, **FAST)
        )
        study.optimize(by_a_number, n_trials=4)
        runs.append([t.params for t in study.trials])
    assert runs[0] == runs[1] == runs[2]


def test_believed_outcomes_keep_workers_apart(storage: optuna.storages.BaseStorage, tmp_path: Path):
    study = optuna.create_study(sampler=MetaSampler(storage, seed=0, cache_dir=tmp_path, **FAST))
    study.optimize(lambda t: (t.suggest_float("x", 0, 1) - 0.3) ** 2, n_trials=6)
    asked = [study.ask() for _ in range(4)]
    points = sorted(t.suggest_float("x", 0, 1) for t in asked)
    assert min(b - a for a, b in itertools.pairwise(points)) > 1e-6


def test_descriptors_of_task_and_models_are_used_and_may_be_anything(tmp_path: Path):
    storage = optuna.storages.InMemoryStorage()
    size = {"small": {"log_params": 1.0}, "large": {"log_params": 3.0}, "mid": {"log_params": 2.0}}

    def objective(trial: optuna.Trial, rows: float, models: list[str]) -> float:
        model = trial.suggest_categorical("model", models)
        lr = trial.suggest_float("lr", 0, 1)
        return -abs(lr - 0.2 * size[model]["log_params"]) - 0.1 * abs(rows - 1)

    for k in range(8):
        study = optuna.create_study(
            storage=storage, study_name=f"t{k}", direction="maximize",
            sampler=optuna.samplers.RandomSampler(seed=k),
        )  # fmt: skip
        study.set_user_attr("task_descriptors", {"rows": k / 8, "odd": "text", "bad": math.nan})
        study.set_user_attr("model_descriptors", {m: size[m] for m in ("small", "large")})
        study.optimize(lambda t, k=k: objective(t, k / 8, ["small", "large"]), n_trials=15)
    sampler = MetaSampler(storage, seed=0, cache_dir=tmp_path, **FAST)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.set_user_attr("task_descriptors", {"rows": 0.4})
    study.set_user_attr("model_descriptors", {"mid": size["mid"]})
    study.optimize(lambda t: objective(t, 0.4, ["small", "mid", "large"]), n_trials=10)
    model = sampler.model(study)
    assert model is not None
    assert model.context.task.names == ("rows",)
    assert model.context.model.names == ("log_params",)
    assert "mid" in {t.params["model"] for t in study.trials}


def test_what_a_support_set_says_of_a_model_on_a_task_is_learnt_from(tmp_path):
    """Which model is best changes from task to task, and only the probe tells it."""
    storage = optuna.storages.InMemoryStorage()
    models = ["a", "b", "c"]

    def described(best: str) -> dict[str, dict[str, float]]:
        return {m: {"size": float(ord(m)), "probe": float(m == best)} for m in models}

    def objective(trial: optuna.Trial, best: str) -> float:
        lr = trial.suggest_float("lr", 0, 1)
        model = trial.suggest_categorical("model", models)
        return float(model == best) - 0.3 * abs(lr - 0.4)

    for k in range(9):
        study = optuna.create_study(
            storage=storage, study_name=f"t{k}", direction="maximize",
            sampler=optuna.samplers.RandomSampler(seed=k),
        )  # fmt: skip
        best = models[k % 3]
        study.set_user_attr("model_descriptors", described(best))
        study.optimize(lambda t, best=best: objective(t, best), n_trials=20)
    for best in models:
        sampler = MetaSampler(storage, seed=0, cache_dir=tmp_path)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        study.set_user_attr("model_descriptors", described(best))
        study.optimize(lambda t, best=best: objective(t, best), n_trials=6)
        model = sampler.model(study)
        assert model is not None
        assert "probe" in model.context.model.names
        assert [t.params["model"] for t in study.trials[1:]].count(best) >= 4


WORKER = """
import sys, time, optuna
from foretune import MetaSampler
optuna.logging.set_verbosity(optuna.logging.ERROR)
url, history, cache = sys.argv[1:]
study = optuna.load_study(study_name="shared", storage=url,
                          sampler=MetaSampler(history, seed=0, cache_dir=cache, meta_iterations=20))

def objective(trial):
    kind = trial.suggest_categorical("kind", ["a", "b", "c"])
    n = trial.suggest_int("n", 1, 6)
    time.sleep(0.02)
    return n + len(kind)

study.optimize(objective, n_trials=4)
"""


def test_four_processes_on_one_study_never_meet(tmp_path: Path):
    """Eighteen configurations, sixteen trials: without care the workers would collide."""
    url, past = (f"sqlite:///{tmp_path / name}.db" for name in ("study", "past"))
    drawn = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    drawn.optimize(
        lambda t: t.suggest_int("n", 1, 6) + len(t.suggest_categorical("kind", ["a", "b", "c"])),
        n_trials=15,
    )
    for k in range(3):
        optuna.create_study(storage=past, study_name=f"p{k}").add_trials(drawn.trials)
    optuna.create_study(storage=url, study_name="shared")
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, url, past, str(tmp_path / "cache")],
            stderr=subprocess.PIPE, text=True,
        )
        for _ in range(4)
    ]  # fmt: skip
    errors = [w.communicate()[1] for w in workers]
    assert [w.returncode for w in workers] == [0] * 4, errors
    trials = optuna.load_study(study_name="shared", storage=url).trials
    assert len(trials) == 16
    assert len({(t.params["kind"], t.params["n"]) for t in trials}) == 16
