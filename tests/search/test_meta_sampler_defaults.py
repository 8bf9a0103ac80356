"""Defaults are tried as they were given, also where the space shows itself piece by piece."""

import optuna

from foretune import MetaSampler

DEFAULTS = [
    {"model": "small", "lr": 1e-3, "layers": 1, "batch_size": 16, "dropout": 0.2},
    {"model": "deep", "lr": 2e-4, "layers": 6, "frozen": 0.0, "batch_size": 32, "dropout": 0.1},
]


def _objective(trial):
    model = trial.suggest_categorical("model", ["small", "deep"])
    low, high = (1e-5, 3e-3) if model == "small" else (1e-5, 2e-3)
    trial.suggest_float("lr", low, high, log=True)
    trial.suggest_categorical("batch_size", [8, 16, 32])
    trial.suggest_int("layers", 1, 2 if model == "small" else 6)
    if model == "deep":
        trial.suggest_categorical("frozen", [0.0, 0.5, 1.0])
    trial.suggest_float("dropout", 0.0, 0.5)
    return 0.5


def test_each_default_is_tried_to_the_last_bit_although_the_first_trial_knows_no_space():
    study = optuna.create_study(sampler=MetaSampler(seed=0, default_params=DEFAULTS))
    study.optimize(_objective, n_trials=2)
    assert [t.params for t in study.trials] == DEFAULTS


def test_a_default_outside_the_range_is_moved_into_it():
    sampler = MetaSampler(seed=0, default_params={"x": 5.0, "n": 100})
    study = optuna.create_study(sampler=sampler)

    def objective(trial):
        return trial.suggest_float("x", 0, 1) + trial.suggest_int("n", 1, 10)

    study.optimize(objective, n_trials=1)
    assert study.trials[0].params == {"x": 1.0, "n": 10}
