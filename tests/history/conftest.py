"""A small history with everything in it that Optuna can hold."""

import math
import shutil
import warnings
from datetime import datetime, timedelta

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from foretune.history import open_storage

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)

SPACE = {
    "lr": FloatDistribution(1e-5, 1e-1, log=True),
    "dropout": FloatDistribution(0.0, 0.5, step=0.1),
    "batch_size": IntDistribution(8, 64, log=True),
    "layers": IntDistribution(2, 12, step=2),
    "optimiser": CategoricalDistribution(("adam", None, 1, 2.5, True)),
}
BEGUN = datetime(2026, 1, 2, 3, 4, 5, 678901)


def _trial(k, state=TrialState.COMPLETE, value=None, **attrs):
    params = {
        "lr": 1e-4 * (k + 1),
        "dropout": 0.1 * (k % 6),
        "batch_size": 8 + k,
        "layers": 2 + 2 * (k % 6),
        "optimiser": ("adam", None, 2.5)[k % 3],
    }
    space = dict(SPACE)
    if k % 3 == 0:  # a conditional parameter
        params["momentum"], space["momentum"] = 0.5, FloatDistribution(0.0, 1.0)
    trial = create_trial(
        state=state,
        value=value,
        params=params,
        distributions=space,
        user_attrs={"note": f"trial {k}", **attrs},
        system_attrs={"origin": {"k": k}},
        intermediate_values={1: 0.1 * k, 3: math.nan if k == 1 else 0.2, 2: math.inf},
    )
    trial.datetime_start = BEGUN + timedelta(minutes=k)
    if state.is_finished():
        trial.datetime_complete = trial.datetime_start + timedelta(seconds=90, microseconds=k)
    return trial


def _fill(storage):
    study = optuna.create_study(storage=storage, study_name="rich", direction="maximize")
    study.set_user_attr("task", "imdb")
    study.set_user_attr("fingerprint", "f00d")
    study.set_user_attr("metric", "accuracy")
    study.set_user_attr("task_descriptors", {"rows": 512.0, "odd": math.nan})
    study.add_trials(
        [_trial(k, value=0.5 + 0.01 * k, seconds=2.5, peak_ram_mb=100 + k) for k in range(6)]
        + [
            _trial(6, value=math.inf),
            _trial(7, value=-math.inf),
            _trial(8, TrialState.PRUNED, value=0.2, seconds=math.nan),
            _trial(9, TrialState.FAIL, failure="NaN loss"),
            _trial(10, TrialState.RUNNING),
            create_trial(state=TrialState.WAITING),
        ]
    )
    low = optuna.create_study(storage=storage, study_name="low", direction="minimize")
    low.add_trials([_trial(k, value=1.0 / (k + 1)) for k in range(3)])
    return storage


@pytest.fixture(scope="session")
def _prototypes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prototypes")
    storage = open_storage(f"sqlite:///{folder}/empty.db")
    storage.engine.dispose()
    shutil.copy(folder / "empty.db", folder / "rich.db")
    filled = _fill(open_storage(f"sqlite:///{folder}/rich.db"))
    filled.engine.dispose()
    return folder


@pytest.fixture
def rich_db(_prototypes, tmp_path):
    """The path of an SQLite history with two studies."""
    return shutil.copy(_prototypes / "rich.db", tmp_path / "rich.db")


@pytest.fixture
def empty_db(_prototypes, tmp_path):
    """The path of an Optuna database without studies."""
    return shutil.copy(_prototypes / "empty.db", tmp_path / "empty.db")


@pytest.fixture
def fill():
    """Puts the two studies into any storage."""
    return _fill
