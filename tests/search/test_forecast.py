import math
import re

import optuna
import pytest

from foretune.config.schema.search import SearchConfig
from foretune.core import (
    FORESEEN_S,
    Budget,
    Resources,
    SearchSummary,
    Status,
    TrialResult,
    TrialSpec,
)
from foretune.execute import InlineExecutor
from foretune.history import read_history
from foretune.search import Stopwatch, rehearsal
from foretune.search.forecast import Took, forecast, past_trials
from foretune.space import Choice, Float, Int, Space
from foretune.testing.planted import Run

SPACE = Space(
    (Choice("model", ("small", "large")), Float("lr", 1e-4, 1e-2, log=True), Int("epochs", 1, 3)),
    defaults=({"model": "small", "lr": 1e-3, "epochs": 2},),
)


def of(budget, own_s=(), past=(), n_workers=1, time_step=None, n_done=0, seconds_done=0.0):
    return forecast(
        budget,
        n_done=n_done,
        seconds_done=seconds_done,
        own_s=own_s,
        past=past,
        space=SPACE,
        n_workers=n_workers,
        time_step=time_step,
    )


def numbers(text):
    low, high = re.search(r"about (\d+) to (\d+) trials", text).groups()
    return int(low), int(high)


def test_the_range_holds_what_fits_and_grows_with_the_workers():
    budget, own_s = Budget(None, 1000.0), [8.0, 12.0] * 20
    found = of(budget, own_s=own_s)
    low, high = numbers(found.text)
    assert found.trial_s == 10.0
    assert low < 100 < high
    assert found.text.endswith(
        "trials of 10.0 s in 16 min 40 s (from 40 past trials of this study)"
    )
    four_low, four_high = numbers(of(budget, own_s=own_s, n_workers=4).text)
    assert four_low > high
    assert four_low < 400 < four_high


def test_what_is_left_is_planned_and_the_time_it_takes_where_trials_are_the_limit():
    found = of(Budget(5, 1000.0), own_s=[10.0] * 40, n_done=2, seconds_done=30.0)
    assert re.match(r"3 trials of 10\.0 s in about 2\d\.\d s to 3\d\.\d s \(from 40", found.text)
    assert of(Budget(5), own_s=[10.0], n_done=5) is None
    assert of(Budget(None, 60.0), own_s=[10.0], seconds_done=60.0) is None


def test_a_timed_step_brings_past_trials_to_this_machine():
    """There, an epoch of the timed model took 10 s; here it takes 5."""
    past = [Took(20.0, "small", 2.0)] * 3 + [Took(60.0, "large", 2.0)] * 3
    alone = of(Budget(None, 600.0), past=past)
    timed = of(Budget(None, 600.0), past=past, time_step=lambda point: 10.0)
    assert alone.trial_s == 40.0
    assert timed.trial_s == 20.0
    assert "from 6 past trials on this task and a timed step" in timed.text


def test_a_timed_step_alone_is_brought_to_the_space_s_epochs():
    (found,) = {of(Budget(None, 600.0), time_step=lambda point: 10.0)}
    assert found.trial_s == pytest.approx(10.0, rel=0.1), "1 to 3 epochs, the default has 2"
    assert found.text.endswith("(from a timed step)")


def test_the_study_s_own_trials_need_no_step():
    def refuse(point):
        raise AssertionError

    assert of(Budget(9), own_s=[3.0], n_done=1, time_step=refuse).trial_s == 3.0


@pytest.mark.parametrize("own_s", [[], [0.0], [math.nan]])
def test_nothing_is_said_where_nothing_is_known(own_s):
    assert of(Budget(5), own_s=own_s) is None
    assert of(Budget(5), own_s=own_s, time_step=lambda point: None) is None


def test_past_trials_are_those_of_the_same_task_with_their_model_and_epochs():
    storage = optuna.storages.InMemoryStorage()
    for task in ("imdb", "sst2"):
        study = optuna.create_study(storage=storage, study_name=task, direction="maximize")
        study.set_user_attr("task", task)
        trial = study.ask()
        trial.suggest_categorical("model", ["minilm", "bert"])
        epochs = trial.suggest_int("epochs", 1, 3)
        trial.set_user_attr("seconds", 7.0)
        study.tell(trial, 0.5)
    (took,) = past_trials(read_history([storage]), "imdb")
    assert (took.seconds, took.epochs) == (7.0, epochs if task == "imdb" else took.epochs)
    assert took.model in ("minilm", "bert")
    assert past_trials(None, "imdb") == []


def test_the_plan_of_a_search_and_how_it_was_kept(tmp_path):
    """A resumed study plans by its own trials."""

    def slow(spec, on_epoch):
        used = Resources(seconds=2.0)
        return TrialResult(spec, Status.COMPLETED, 0.5, resources=used)

    run = Run(SearchConfig(method="random", n_trials=2), tmp_path, objective=slow)
    run()
    assert run.plan.forecast is None
    run.config.n_trials = 5
    run()
    assert run.plan.forecast.trial_s == 2.0
    (line,) = [note for note in run.plan.notes if note.startswith("plan: ")]
    assert line.startswith("plan: 3 trials of 2.0 s in about ")


def test_a_rehearsal_asks_for_a_few_steps_and_a_failed_one_tells_nothing():
    asked = []

    def objective(spec, on_epoch):
        asked.append(spec)
        if spec.params["lr"] > 1:
            raise ValueError("too large")
        return TrialResult(spec, Status.COMPLETED, None, metrics={FORESEEN_S: 4.0})

    time_step = rehearsal(InlineExecutor(objective))
    assert time_step({"lr": 0.1}) == 4.0
    assert time_step({"lr": 2.0}) is None
    assert all(spec.rehearses for spec in asked)


def test_the_stopwatch_takes_what_ended_well():
    watch = Stopwatch()
    summary = SearchSummary(0, 0, 0.0, interrupted=False)
    assert watch.written_into(summary).trial_s is None
    for status, seconds in ((Status.COMPLETED, 4.0), (Status.PRUNED, 2.0), (Status.FAILED, 99.0)):
        spec = TrialSpec(0, {}, 0)
        watch.trial_ended(TrialResult(spec, status, 0.1, resources=Resources(seconds)), False)
    assert watch.written_into(summary).trial_s == 3.0
