"""Freeze-thaw: epochs go to who promises the most, and nothing of a paused trial is lost."""

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from foretune.config.schema.search import MetaConfig, SearchConfig
from foretune.core import NullObserver
from foretune.history.store import open_storage
from foretune.search.fidelity import Pause
from foretune.search.freeze_thaw import FreezeThaw, promise
from foretune.search.pauses import is_paused, paused, pauses_of, put_aside, take_up
from foretune.search.study import counted, progress
from foretune.search.summary import savings
from foretune.testing.curves import (
    BLOOMING,
    EPOCHS,
    CurveObjective,
    InShifts,
    past_curves,
    planted_curve,
)
from foretune.testing.planted import Run


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def history():
    return past_curves()


@pytest.fixture
def make(tmp_path, cache, history):
    """Searches in folders of their own."""

    def make_one(name="study", *, mode="freeze_thaw", n_trials=16, **options):
        config = SearchConfig(
            method="random", n_trials=n_trials, seed=3, fidelity=mode,
            meta=MetaConfig(cache_dir=cache),
        )  # fmt: skip
        objective = options.pop("objective", None) or CurveObjective()
        return Run(
            config, tmp_path / name, space=BLOOMING, objective=objective, history=history, **options
        )

    return make_one


class Told(NullObserver):
    def __init__(self):
        self.lines = []

    def trial_started(self, spec, why):
        self.lines.append(("started", spec.number))

    def trial_paused(self, result):
        self.lines.append(("paused", result.spec.number, len(result.epochs), result.reason))

    def trial_resumed(self, spec, why):
        self.lines.append(("resumed", spec.number, why))

    def trial_ended(self, result, is_best):
        self.lines.append((str(result.status), result.spec.number, result.reason))


def outcome(run):
    return [(t.params, t.state, t.value, dict(t.intermediate_values)) for t in counted(run.trials)]


def test_fewer_epochs_find_the_same_best(make):
    runs = {name: make(name, mode=name, n_trials=24) for name in ("full", "freeze_thaw")}
    best = {name: run().best_score for name, run in runs.items()}
    epochs = {name: len(run.objective.trained) for name, run in runs.items()}
    assert best["freeze_thaw"] == best["full"]
    assert epochs["freeze_thaw"] < 0.6 * epochs["full"], epochs


def test_no_epoch_is_trained_twice_and_what_ends_is_told_once(make):
    told = Told()
    run = make(observers=(told,), fidelity=InShifts())
    summary = run()
    trained = run.objective.trained
    assert len(set(trained)) == len(trained) == 16 * EPOCHS, "all are finished some day"
    assert summary.n_trials == len(run.trials) == 16
    assert [line[0] for line in told.lines if line[1] == 0] == [
        "started", *["paused", "resumed"] * 3, "completed",
    ]  # fmt: skip
    assert sorted(line[1] for line in told.lines if line[0] == "completed") == list(range(16))
    assert summary.saved.resumed == summary.saved.paused == 16
    assert summary.saved.epochs == 0, "nothing was saved in the end"


def test_what_was_never_resumed_is_pruned_with_its_reason_and_without_a_value(make):
    run = make()
    run()
    left = [t for t in run.trials if t.state == TrialState.PRUNED]
    assert left
    for trial in left:
        why = trial.user_attrs["stopped"]
        assert f"paused at {max(trial.intermediate_values)} of {EPOCHS}: " in why
        assert why.endswith("not resumed before the search ended")
        assert trial.user_attrs["status"] == "pruned"
    spared = sum(EPOCHS - len(t.intermediate_values) for t in left)
    assert savings(run.trials).epochs == spared
    assert savings(run.trials).paused >= len(left)
    assert not list(run.folder.glob("checkpoints/*")), "none is needed any more"


def test_the_first_trial_runs_to_its_end(make):
    run = make(n_trials=3)
    run()
    assert run.trials[0].state == TrialState.COMPLETE
    assert run.objective.trained[:EPOCHS] == [(0, epoch) for epoch in range(1, EPOCHS + 1)]


@pytest.mark.parametrize("mode", ["full", "pruned", "freeze_thaw"])
def test_the_same_seed_gives_the_same_trials(make, mode):
    first, second = make("a", mode=mode), make("b", mode=mode)
    first()
    second()
    assert outcome(first) == outcome(second)


@pytest.mark.parametrize("mode", ["full", "pruned", "freeze_thaw", "shifts"])
def test_a_search_cut_short_goes_on_where_it_was(make, tmp_path, mode):
    """Two Ctrl-C in the middle of a trial; what was paused stays so, on a real SQLite file."""
    options = {"fidelity": InShifts()} if mode == "shifts" else {"mode": mode}
    whole = make("whole", **options)
    whole()
    cut = make("cut", **options)
    cut.storage = open_storage(f"sqlite:///{tmp_path}/history.db")
    n = len(whole.objective.trained)
    cut.objective.dies_after = [n // 3, n // 2]
    aside = []
    while cut().interrupted:
        aside.append([t.number for t in cut.trials if is_paused(t)])
    assert len(aside) == 2
    assert sorted(map(str, (o[0] for o in outcome(cut)))) == sorted(
        map(str, (o[0] for o in outcome(whole)))
    )
    assert cut.study.best_value == whole.study.best_value
    assert all(t.state.is_finished() for t in cut.trials)
    if mode in ("freeze_thaw", "shifts"):
        assert all(aside)
    if mode == "shifts":
        values = [sorted(t.value for t in counted(run.trials)) for run in (cut, whole)]
        assert values[0] == values[1]
        points = [t.params for t in cut.trials]
        epochs = [(str(points[number]), epoch) for number, epoch in cut.objective.trained]
        assert len(set(epochs)) == len(epochs), "each of a configuration once, whoever trained it"


def test_a_lost_checkpoint_costs_epochs_and_nothing_else(make):
    class Forgets(NullObserver):
        def trial_paused(self, result):
            result.spec.checkpoint.unlink()

    lost = make("lost", observers=(Forgets(),), fidelity=InShifts())
    kept = make("kept", fidelity=InShifts())
    lost()
    kept()
    assert outcome(lost) == outcome(kept)
    assert len(lost.objective.trained) > len(kept.objective.trained)


def test_a_late_bloomer_is_taken_up_again(history, cache):
    """It looks worse than the others while it is young, and its configuration says otherwise."""
    turns = FreezeThaw(history, cache_dir=cache)
    study = optuna.create_study(direction="maximize")
    begin(study, 0.5, False, EPOCHS)
    loser, bloomer = begin(study, 0.1, False, 3), begin(study, 0.6, True, 3)
    assert max(bloomer.intermediate_values.values()) < max(loser.intermediate_values.values())
    choice = turns.choose(study, [loser, bloomer], may_begin=False)
    assert choice is not None
    assert choice.number == bloomer.number
    assert f"resumed at 3 of {EPOCHS}: " in choice.why
    assert turns.choose(study, [loser], may_begin=False) is None, "it is not worth it"
    fresh = turns.choose(study, [loser], may_begin=True)
    assert fresh is not None
    assert fresh.number is None


def begin(study, quality, slow, epochs, *, of=EPOCHS, sign=1.0, zero=0):
    """A trial that was trained for some epochs."""
    study.enqueue_trial({"quality": quality, "slow": slow})
    trial = study.ask()
    trial.suggest_float("quality", 0.0, 1.0)
    trial.suggest_categorical("slow", [False, True])
    values = planted_curve(quality, slow, epochs=of)
    for epoch in range(epochs):
        trial.report(sign * values[epoch], epoch + 1 - zero)
    if epochs == of:
        study.tell(trial, sign * values[-1])
    else:
        put_aside(study, trial.number, epoch=epochs, pause=Pause(of, "elsewhere"))
    return study.trials[trial.number]


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
@pytest.mark.parametrize("zero", [0, 1])
def test_curves_compare_by_the_share_of_their_own_budget(history, cache, direction, zero):
    """Twice as many epochs of half the size, from 0 or from 1, up or down: the same chances."""
    sign = 1.0 if direction == "maximize" else -1.0
    shares, chances = [], []
    for of in (EPOCHS, 2 * EPOCHS):
        turns = FreezeThaw(history, cache_dir=cache)
        study = optuna.create_study(direction=direction)
        begin(study, 0.5, False, of, of=of, sign=sign, zero=zero)
        aside = [begin(study, q, False, of // 4, of=of, sign=sign, zero=zero) for q in (0.2, 0.7)]
        offers = [turns.offer(study, trial) for trial in aside]
        shares.append([offer.share for offer in offers])
        chances.append([offer.chance for offer in offers])
    assert np.allclose(shares, 0.25)
    assert np.allclose(chances[0], chances[1], atol=0.1)
    assert chances[0][0] < chances[0][1]


def test_trials_of_different_lengths_in_one_study_are_each_measured_by_their_own(history, cache):
    turns = FreezeThaw(history, cache_dir=cache)
    study = optuna.create_study(direction="maximize")
    for of, quality in ((EPOCHS, 0.5), (2 * EPOCHS, 0.4)):
        trial = study.ask()
        trial.suggest_int("epochs", of, of)
        trial.suggest_float("quality", quality, quality)
        trial.suggest_categorical("slow", [False])
        for epoch, value in enumerate(planted_curve(quality, False, epochs=of), 1):
            trial.report(value, epoch)
        study.tell(trial, value)
    trial = study.ask()
    trial.suggest_int("epochs", 2 * EPOCHS, 2 * EPOCHS)
    trial.suggest_float("quality", 0.6, 0.6)
    trial.suggest_categorical("slow", [False])
    for epoch, value in enumerate(planted_curve(0.6, False, epochs=2 * EPOCHS)[:EPOCHS], 1):
        trial.report(value, epoch)
    offer = turns.offer(study, study.trials[2])
    assert offer.share == 0.5, "not at its end, as the shorter ones would be"
    assert f"{EPOCHS} of {2 * EPOCHS}: " in offer.text


@pytest.mark.parametrize(
    "odd",
    [
        {(n, 2): float("nan") for n in range(16)},
        {(n, 3): float("inf") for n in range(1, 16)},
        {(n, 4): 1e300 for n in range(1, 16)},
        {(n, e): 0.5 for n in range(16) for e in range(1, EPOCHS + 1)},
        {(n, 5): -50.0 for n in range(16)},
    ],
    ids=["nan", "inf", "absurd", "flat", "jump"],
)
def test_odd_values_in_a_curve_end_no_search(make, odd):
    run = make(objective=CurveObjective(odd=odd))
    summary = run()
    assert summary.n_trials == 16
    assert all(t.state.is_finished() for t in run.trials)
    assert len(set(run.objective.trained)) == len(run.objective.trained)


def test_a_changed_epoch_count_on_resume_is_borne(make):
    """The checkpoint is of a longer trial, or of a shorter one: the trial ends all the same."""
    for epochs in (EPOCHS // 2, 2 * EPOCHS):
        run = make(f"to-{epochs}", fidelity=InShifts())
        run.objective.dies_after = [40]
        assert run().interrupted
        run.objective = CurveObjective(epochs=epochs)
        assert not run().interrupted
        assert all(t.state.is_finished() for t in run.trials)
        assert len(counted(run.trials)) == 16


def test_without_a_history_the_study_itself_decides_once_four_are_completed(make):
    run = make(n_trials=20)
    run.history = None
    run()
    states = [t.state.name for t in run.trials]
    first = next(i for i, state in enumerate(states) if state == "PRUNED")
    done_before = sum(state == "COMPLETE" for state in states[:first])
    assert done_before >= 4


def test_seconds_of_a_pause_are_nobodys(make):
    storage = optuna.storages.InMemoryStorage()
    study = optuna.create_study(storage=storage, direction="maximize")
    trial = study.ask()
    trial.report(0.5, 1)
    put_aside(study, trial.number, epoch=1, pause=Pause(12, "for a day"))
    pauses = [dict(pause) for pause in pauses_of(study.trials[0])]
    pauses[0]["at"] -= 86_400.0
    began = study.trials[0].datetime_start.timestamp()
    trial.set_user_attr("pauses", [{**pauses[0], "at": began + 2.0}])
    assert progress(study).seconds == pytest.approx(2.0)
    assert progress(study).n_paused == 1
    assert progress(study).best == 0.5
    assert take_up(study, 0, "its turn") is not None
    assert take_up(study, 0, "not twice") is None
    assert paused(study) == []


def test_a_paused_trial_is_left_alone_when_its_process_is_gone(make):
    """A search without freeze-thaw finishes what one with it has left."""
    run = make(n_trials=6, fidelity=InShifts())
    run.objective.dies_after = [40]
    assert run().interrupted
    before = [t.number for t in run.trials if is_paused(t)]
    assert before
    again = make(n_trials=6, mode="full", storage=run.storage, objective=run.objective)
    again()
    assert all(again.trials[number].state == TrialState.COMPLETE for number in before)


@pytest.mark.parametrize(
    ("worse", "better"),
    [((0.1, 0.5), (0.5, 0.5)), ((0.3, 0.2), (0.3, 0.8)), ((0.0, 0.9), (0.1, 0.0))],
)
def test_promise_rises_with_the_chance_and_with_what_is_done(worse, better):
    assert promise(*worse) < promise(*better)
