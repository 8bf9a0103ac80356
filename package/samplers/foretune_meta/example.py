"""Three past studies, then a new one that learns from them.

    python example.py

Loads the package from OptunaHub; ``FORETUNE_HUB_FOLDER`` names a local registry instead.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import optuna
import optunahub


def training(best_lr: float) -> Callable[[optuna.Trial], float]:
    """Make a task: an accuracy that peaks at its own learning rate, and prefers adam."""

    def objective(trial: optuna.Trial) -> float:
        lr = trial.suggest_float("lr", 1e-6, 1e-1, log=True)
        optimiser = trial.suggest_categorical("optimiser", ["adam", "sgd"])
        dropout = trial.suggest_float("dropout", 0.0, 0.6)
        loss = math.log10(lr / best_lr) ** 2 / 10 + dropout**2 / 5 + 0.1 * (optimiser == "sgd")
        return 0.95 * math.exp(-loss)

    return objective


def main() -> None:
    """Record a history, then search a new task with it."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder = os.environ.get("FORETUNE_HUB_FOLDER")
    name = "samplers/foretune_meta"
    module = (
        optunahub.load_local_module(name, registry_root=folder)
        if folder
        else optunahub.load_module(name)
    )
    with tempfile.TemporaryDirectory() as work:
        url = f"sqlite:///{Path(work) / 'optuna.db'}"
        for seed, best_lr in enumerate((3e-4, 1e-3, 5e-4)):
            past = optuna.create_study(
                storage=url, study_name=f"past-{seed}", direction="maximize",
                sampler=optuna.samplers.RandomSampler(seed=seed),
            )  # fmt: skip
            past.optimize(training(best_lr), n_trials=30)
        study = optuna.create_study(
            storage=url, study_name="new-task", direction="maximize",
            sampler=module.MetaSampler(history=url, seed=0),
        )  # fmt: skip
        study.optimize(training(7e-4), n_trials=8)
        for trial in study.trials:
            print(f"trial {trial.number}: {trial.value:.3f}")
        print(module.explain(study.best_trial))


if __name__ == "__main__":
    main()
