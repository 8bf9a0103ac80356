from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from foretune.core import FORESEEN_S, ConfigError, Status, TrialSpec
from foretune.train import TrainObjective, load_cards

CLOCK = ("eval_runtime", "eval_samples_per_second")
LEARNS = [
    ("classification", "bert_tiny", 0.9),
    ("classification", "roberta_tiny", 0.9),
    ("classification", "distilbert_tiny", 0.9),
    ("classification", "albert_tiny", 0.9),
    ("classification", "bilstm_tiny", 0.9),
    ("regression", "bert_tiny", 0.8),
    ("tags", "bert_tiny", 0.8),
    ("tags", "bilstm_tiny", 0.8),
    ("answers", "bert_tiny", 0.6),
    ("images", "resnet_tiny", 0.9),
    ("images", "efficientnet_tiny", 0.9),
]  # each rule is a few words or a colour: chance is .5, 0, 0 and about .1 in the order of kinds


@pytest.mark.parametrize(("kind", "model", "score"), LEARNS)
def test_a_planted_rule_is_learnt(train, kind, model, score):
    result = train(kind, model, epochs=8)
    assert result.status is Status.COMPLETED
    assert result.score is not None
    assert result.score >= score
    assert [report.epoch for report in result.epochs] == list(range(1, 9))
    assert result.score == max(report.score for report in result.epochs)


def test_metrics_keep_their_usual_names(train):
    result = train("classification", "bert_tiny", epochs=1)
    usual = {"eval_loss", "eval_accuracy", "eval_runtime", "eval_samples_per_second", "epoch"}
    assert usual <= set(result.metrics)
    assert all(math.isfinite(value) for value in result.metrics.values())


def test_resources_are_recorded(train):
    resources = train("classification", "bert_tiny", epochs=1).resources
    assert resources.seconds > 0
    assert resources.examples_per_second > 0
    assert resources.peak_ram_mb > 10
    assert resources.cpu_percent > 0


def test_what_later_trials_find_ready_is_told_apart(objective):
    """A frozen model's first trial pays for its outputs; the next one has them."""
    run = objective("classification", "bert_tiny")
    params = {"model": "bert_tiny", "frozen": 1.0, "epochs": 1}
    first, again = (
        run(TrialSpec(number, params, seed=number), lambda report: False).resources
        for number in range(2)
    )
    assert 0 < first.once_s < first.seconds
    assert 0 <= again.once_s < 0.1 * first.once_s


@pytest.mark.parametrize(
    ("kind", "model", "params"),
    [
        ("classification", "bert_tiny", {"dropout": 0.3}),
        ("classification", "bert_tiny", {"frozen": 0.5}),
        ("tags", "bilstm_tiny", {"dropout": 0.3}),
        ("images", "resnet_tiny", {}),
    ],
)
def test_the_same_seed_gives_the_same_trial_bit_for_bit(train, kind, model, params):
    curves = [
        [
            {name: value for name, value in report.metrics.items() if not name.startswith(CLOCK)}
            for report in train(kind, model, seed=seed, epochs=2, **params).epochs
        ]
        for seed in (3, 3, 4)
    ]  # fmt: skip
    assert curves[0] == curves[1]
    assert curves[0] != curves[2]


def test_a_trial_leaves_the_callers_random_numbers_alone(train):
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    train("classification", "bert_tiny", epochs=1)
    assert torch.equal(torch.rand(3), expected)


def test_a_loss_that_is_not_finite_fails_the_trial_with_a_reason(train):
    result = train("regression", "bert_tiny", optimiser="sgd", lr=1e30, epochs=3)
    assert result.status is Status.FAILED
    assert result.score is None
    assert "loss is" in result.reason


def test_out_of_memory_fails_the_trial_with_a_reason(objective, monkeypatch):
    trainer = objective("classification", "bert_tiny")

    def exhausted(*args, **kwargs):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr("foretune.train.loop.build_optimiser", exhausted)
    result = trainer(TrialSpec(0, {"model": "bert_tiny"}, 1), lambda report: False)
    assert result.status is Status.FAILED
    assert result.reason.startswith("out of memory")


def test_ctrl_c_goes_through(objective):
    def interrupt(report):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        objective("classification", "bert_tiny")(TrialSpec(0, {"model": "bert_tiny"}, 1), interrupt)


def test_on_epoch_stops_a_trial(objective):
    spec = TrialSpec(0, {"model": "bert_tiny", "epochs": 4}, 1)
    result = objective("classification", "bert_tiny")(spec, lambda report: report.epoch == 2)
    assert result.status is Status.PRUNED
    assert "epoch 2 of 4" in result.reason
    assert len(result.epochs) == 2


def test_a_stop_after_the_last_epoch_is_no_pruning(objective):
    spec = TrialSpec(0, {"model": "bert_tiny", "epochs": 2}, 1)
    result = objective("classification", "bert_tiny")(spec, lambda report: report.epoch == 2)
    assert result.status is Status.COMPLETED


def test_the_deadline_ends_a_trial_after_an_epoch(objective):
    spec = TrialSpec(0, {"model": "bert_tiny", "epochs": 4}, 1, deadline_s=0.0)
    result = objective("classification", "bert_tiny")(spec, lambda report: False)
    assert result.status is Status.PRUNED
    assert "were left to it passed in epoch 1 of 4" in result.reason
    assert len(result.epochs) == 1


def test_patience_ends_a_trial_that_no_longer_improves(planted, cpu, conf):
    config = dataclasses.replace(cpu, patience=1)
    data = planted("classification")
    cards = load_cards(conf, ["bert_tiny"])
    spec = TrialSpec(0, {"model": "bert_tiny", "epochs": 6, "lr": 1e-12}, 1)
    result = TrainObjective(data, cards, config)(spec, lambda report: False)
    assert result.status is Status.COMPLETED
    assert len(result.epochs) == 2


@pytest.mark.parametrize("kind", ["classification", "images"])
def test_a_rehearsal_foresees_seconds_and_changes_no_later_trial(
    planted, conf, cpu, kind, tmp_path
):
    model = "resnet_tiny" if kind == "images" else "bert_tiny"
    params = {"model": model, "epochs": 2}

    def curve(*, rehearsed):
        one = TrainObjective(planted(kind), load_cards(conf, [model]), cpu)
        if rehearsed:
            spec = TrialSpec(-1, params, 0, save_to=tmp_path / "none", rehearses=True)
            told = one(spec, lambda report: pytest.fail("no epoch is finished"))
            assert told.metrics[FORESEEN_S] > 0
            assert (told.score, told.epochs, told.model_dir) == (None, (), None)
            assert not (tmp_path / "none").exists()
        result = one(TrialSpec(0, params, 1), lambda report: False)
        return [(report.score, report.metrics["eval_loss"]) for report in result.epochs]

    assert curve(rehearsed=True) == curve(rehearsed=False)


def test_one_model_needs_no_name(objective):
    result = objective("classification", "bert_tiny")(
        TrialSpec(0, {"epochs": 1}, 1), lambda report: False
    )
    assert result.status is Status.COMPLETED


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"model": "bert_tyny"}, "did you mean 'bert_tiny'"),
        ({"model": "bert_tiny", "learning_rate": 1}, "unknown parameter"),
        ({"model": "bert_tiny", "lr": 0, "dropout": 1.5}, "dropout"),
        ({"model": "bert_tiny", "optimiser": "rmsprp"}, "did you mean 'rmsprop'"),
    ],
)
def test_wrong_parameters_are_an_error_that_says_so(objective, params, message):
    with pytest.raises(ConfigError, match=message):
        objective("classification", "bert_tiny")(TrialSpec(0, params, 1), lambda report: False)


def test_objectives_that_are_gone_leave_nothing_behind(planted, conf, cpu):
    """Selection trains many, one after another: each used to freeze what the last one held."""
    import gc
    import weakref

    held = []
    for _ in range(3):
        one = TrainObjective(planted("classification"), load_cards(conf, ["bert_tiny"]), cpu)
        one(TrialSpec(0, {"model": "bert_tiny", "epochs": 1}, 1), lambda report: False)
        bench = one._workshop.bench(one.cards["bert_tiny"])
        held.append(weakref.ref(bench.unit))
        del one, bench
    gc.collect()
    assert [ref() for ref in held[1:]] == [None, None]  # the first is there when imports freeze
