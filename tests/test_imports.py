"""Heavy libraries load when they are needed, not when a name is imported."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "timm", "datasets", "mlflow", "sklearn", "pandas", "matplotlib")


@pytest.mark.parametrize("module", ["foretune", "foretune.cli", "foretune.run", "foretune.build"])
def test_importing_leaves_heavy_libraries_out(module):
    code = f"import {module}, sys; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_library_needs_no_orchestrator_package():
    """MetaSampler works where only numpy, optuna and torch are installed."""
    absent = (
        "hydra",
        "omegaconf",
        "transformers",
        "datasets",
        "timm",
        "mlflow",
        "rich",
        "filelock",
    )
    code = f"""
import sys
for name in {absent!r}:
    sys.modules[name] = None
import optuna
from foretune import MetaSampler
optuna.logging.set_verbosity(optuna.logging.ERROR)
study = optuna.create_study(sampler=MetaSampler(seed=0))
study.optimize(lambda t: t.suggest_float("x", 0, 1), n_trials=3)
print(len(study.trials))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "3", done.stderr
