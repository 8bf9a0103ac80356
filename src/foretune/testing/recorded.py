"""A recorded table without a training: what the benchmark is tried on where no real one is meant.

Scores are formulas of the configuration that differ a little from task to task, so that what was
learnt on the others helps; one family is unlike the others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState, create_trial

from foretune.core import ParamValue
from foretune.history import export_history

MODELS = {"text": ("minilm", "bilstm"), "image": ("lite0", "resnet")}
SPACE: Mapping[str, BaseDistribution] = {
    "lr": FloatDistribution(1e-5, 1e-2, log=True),
    "batch_size": CategoricalDistribution((8, 16, 32, 64)),
    "epochs": IntDistribution(1, 4),
    "layers": IntDistribution(1, 6),
    "frozen": CategoricalDistribution((0.0, 0.5, 1.0)),
    "dropout": FloatDistribution(0.0, 0.5),
}
DEFAULT = {"lr": 2e-4, "batch_size": 16, "epochs": 2, "layers": 6, "frozen": 0.0, "dropout": 0.1}
TASKS = (  # name, family, modality, shift of the best log10 lr
    *(("reviews", "reviews", "text", 0.0), ("reviews-64", "reviews", "text", 0.2)),
    *(("news", "news", "text", -0.2), ("films", "films", "text", 0.1)),
    *(("digits", "digits", "image", 0.3), ("animals", "animals", "image", -0.1)),
    *(("vehicles", "vehicles", "image", 0.1), ("odd", "odd", "text", 1.2)),
)


def write_table(path: Path, *, n_configs: int = 30, n_tasks: int = len(TASKS)) -> Path:
    """Write the table as an exported history; returns ``path``."""
    storage = optuna.storages.InMemoryStorage()
    for k, (name, family, modality, shift) in enumerate(TASKS[:n_tasks]):
        study = optuna.create_study(
            storage=storage, study_name=f"{name}-record", direction="maximize"
        )
        for key, value in _attributes(name, family, modality, k).items():
            study.set_user_attr(key, value)
        noise = np.random.default_rng(k)
        for number, params in enumerate(configurations(modality, n_configs)):
            study.add_trial(_trial(params, modality, shift, noise, fails=number == 7))
    export_history([storage], path, overwrite=True)
    return path


def configurations(modality: str, n: int) -> list[dict[str, ParamValue]]:
    """The default of the first model, then random ones; ``layers`` exists under it alone."""
    rng = np.random.default_rng(len(modality))
    first, second = MODELS[modality]
    out: list[dict[str, ParamValue]] = [{"model": first, **DEFAULT}]
    while len(out) < n:
        model = first if rng.random() < 0.6 else second
        params: dict[str, ParamValue] = {
            "model": model,
            "lr": float(10 ** rng.uniform(-5, -2)),
            "batch_size": int(rng.choice([8, 16, 32, 64])),
            "epochs": int(rng.integers(1, 5)),
        }
        if model == first:
            params["layers"] = int(rng.integers(1, 7))
        params |= {"frozen": float(rng.choice([0.0, 0.5, 1.0])), "dropout": float(rng.random() / 2)}
        out.append(params)
    return out


def _score(params: Mapping[str, ParamValue], modality: str, shift: float) -> float:
    lr = math.log10(float(params["lr"] or 0.0))
    loss = 0.12 * (lr + 3.4 - shift) ** 2 + 0.04 * float(params["frozen"] or 0.0)
    loss += 0.08 * (params["model"] == MODELS[modality][1]) + 0.03 / float(params["epochs"] or 1)
    return max(0.5, 0.9 - loss)


def _trial(
    params: Mapping[str, ParamValue],
    modality: str,
    shift: float,
    noise: np.random.Generator,
    *,
    fails: bool,
) -> optuna.trial.FrozenTrial:
    score = _score(params, modality, shift) + 0.005 * float(noise.normal())
    epochs = int(params["epochs"] or 1)
    seconds = (4.0 if params["frozen"] == 1.0 else 9.0) * epochs
    model = CategoricalDistribution(MODELS[modality])
    distributions = {name: SPACE.get(name, model) for name in params}
    if fails:
        return create_trial(
            params=dict(params), distributions=distributions, state=TrialState.FAIL,
            user_attrs={"seconds": 1.0, "status": "failed", "failure": "loss is not finite"},
        )  # fmt: skip
    return create_trial(
        params=dict(params), distributions=distributions, value=score,
        intermediate_values={e: score - 0.02 * (epochs - e) for e in range(1, epochs + 1)},
        user_attrs={
            "seconds": seconds, "peak_ram_mb": 900.0, "status": "completed",
            "test_score": score - 0.01 + 0.01 * float(noise.normal()),
        },
    )  # fmt: skip


def _attributes(name: str, family: str, modality: str, k: int) -> dict[str, object]:
    return {
        "task": name, "family": family, "modality": modality, "metric": "accuracy",
        "metric_range": [0, 1], "fingerprint": f"table-{name}", "baseline": {"validation": 0.5},
        "task_descriptors": {"rows": 200.0 * (1 + k % 3), "classes": 2.0 + k % 4},
        "default_params": [{"model": MODELS[modality][0], **DEFAULT}],
    }  # fmt: skip
