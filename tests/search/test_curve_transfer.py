"""A history whose curves say nothing of their ends has no say in what is stopped or paused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import pytest

from foretune import HistoryRecords, MetaPruner
from foretune.search.freeze_thaw import FreezeThaw
from foretune.search.pauses import STOP_KEY
from foretune.testing.curves import EPOCHS, mixed_up, past_curves, planted_curve

optuna.logging.set_verbosity(optuna.logging.WARNING)
SAID = "say nothing of each other's ends"
QUICK = 300  # steps: enough to learn these curves
SPACE = {
    "quality": optuna.distributions.FloatDistribution(0.0, 1.0),
    "slow": optuna.distributions.CategoricalDistribution([False, True]),
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def noise() -> HistoryRecords:
    return mixed_up(past_curves(), what="curves")


def searched(pruner: MetaPruner, n: int = 24) -> optuna.Study:
    """A study of random configurations with true curves."""
    rng = np.random.default_rng(5)
    study = optuna.create_study(study_name="new", direction="maximize", pruner=pruner)
    for _ in range(n):
        quality, slow = float(rng.random()), bool(rng.random() < 0.4)
        study.enqueue_trial({"quality": quality, "slow": slow})
        trial = study.ask(SPACE)
        values = planted_curve(quality, slow)
        for epoch, value in enumerate(values, 1):
            trial.report(value, epoch)
            if epoch < EPOCHS and trial.should_prune():
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                break
        else:
            study.tell(trial, values[-1])
    return study


def stops(study: optuna.Study) -> list[object]:
    return [(t.state, t.last_step, t.system_attrs.get(STOP_KEY)) for t in study.trials]


def test_noise_is_left_aside_and_that_is_said_once(
    noise: HistoryRecords, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    alone = stops(searched(MetaPruner()))
    for _ in range(2):  # trained, then from the cache
        caplog.clear()
        pruner = MetaPruner(noise, cache_dir=cache, meta_iterations=QUICK)
        assert stops(searched(pruner)) == alone
        assert caplog.text.count(SAID) == 1
    assert len(list(cache.glob("curves-*.npz"))) == 1


def test_freeze_thaw_leaves_noise_aside_too(
    noise: HistoryRecords, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    study = searched(MetaPruner(), 12)
    trial = study.ask(SPACE)
    for epoch in (1, 2):  # before a tenth of its way own curves do not judge it
        trial.report(0.2, epoch)
    offers = [
        FreezeThaw(history, cache_dir=cache, meta_iterations=QUICK).offer(study, study.trials[-1])
        for history in (noise, None)
    ]
    assert offers[0] == offers[1]
    assert offers[0] is not None
    assert caplog.text.count(SAID) == 1


@pytest.mark.parametrize("what", ["nothing", "configurations"])
def test_curves_that_tell_their_ends_are_used_whatever_configurations_say(
    what: str, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    true = past_curves()
    history = true if what == "nothing" else mixed_up(true, what=what)
    study = searched(MetaPruner(history, cache_dir=cache, meta_iterations=QUICK))
    told = [t.system_attrs[STOP_KEY]["by"] for t in study.trials if STOP_KEY in t.system_attrs]
    assert told
    assert set(told) == {"history"}
    assert SAID not in caplog.text


def test_what_is_in_doubt_is_used(noise: HistoryRecords, cache: Path) -> None:
    """Of four studies none can be left out, so nothing says that they are of no use."""
    few = replace(noise, studies=noise.studies[:4])
    pruner = MetaPruner(few, cache_dir=cache, meta_iterations=20)
    model = pruner.model(optuna.create_study(direction="maximize"))
    assert model is not None
    assert model.transfer.n_tasks == 0
    assert not model.transfer.none
