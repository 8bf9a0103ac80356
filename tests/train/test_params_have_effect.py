"""Every parameter that a trial may have changes what is learnt."""

from __future__ import annotations

import dataclasses

import pytest

from foretune.core import TrialSpec
from foretune.train import PARAMETER_NAMES, TrainObjective

OTHER = {
    "model": "distilbert_tiny",
    "lr": 1e-3,
    "batch_size": 64,
    "epochs": 3,
    "layers": 1,
    "frozen": 1.0,
    "head_lr_multiplier": 30.0,
    "pooling": "cls",
    "dropout": 0.4,
    "optimiser": "rmsprop",
    "weight_decay": 0.5,
    "warmup": 0.0,
    "schedule": "constant",
}
BASE = {
    "model": "bert_tiny", "lr": 3e-3, "batch_size": 32, "epochs": 2, "layers": 2, "frozen": 0.0,
    "head_lr_multiplier": 3.0, "pooling": "mean", "dropout": 0.1, "optimiser": "adamw",
    "weight_decay": 0.01, "warmup": 0.3, "schedule": "linear",
}  # fmt: skip


def _losses(result):
    return [report.metrics["eval_loss"] for report in result.epochs]


@pytest.fixture(scope="module")
def trainer(planted, cpu, conf):
    from foretune.train import load_cards

    return TrainObjective(
        planted("classification"), load_cards(conf, ["bert_tiny", "distilbert_tiny"]), cpu
    )


def test_the_table_covers_every_parameter():
    assert set(OTHER) == set(BASE) == set(PARAMETER_NAMES)


@pytest.mark.parametrize("name", PARAMETER_NAMES)
def test_changing_it_changes_the_trial(trainer, name):
    base = trainer(TrialSpec(0, BASE, 1), lambda report: False)
    changed = trainer(TrialSpec(1, {**BASE, name: OTHER[name]}, 1), lambda report: False)
    assert _losses(base) != _losses(changed)


@pytest.mark.parametrize("optimiser", ["adamw", "adam", "sgd", "rmsprop"])
def test_every_optimiser_differs_from_the_others(trainer, optimiser):
    others = [name for name in ("adamw", "adam", "sgd", "rmsprop") if name != optimiser]
    losses = {
        name: _losses(
            trainer(
                TrialSpec(0, {**BASE, "optimiser": name, "weight_decay": 0.1}, 1), lambda _: False
            )
        )
        for name in (optimiser, *others)
    }
    assert all(losses[optimiser] != losses[other] for other in others)


@pytest.mark.parametrize(("name", "value"), [("layers", 1), ("frozen", 0.5), ("dropout", 0.4)])
def test_image_models_read_it_too(train, name, value):
    base = {"epochs": 1, "layers": 4, "frozen": 0.0, "dropout": 0.0}
    assert _losses(train("images", "resnet_tiny", **base)) != _losses(
        train("images", "resnet_tiny", **{**base, name: value})
    )


def test_more_layers_than_there_are_means_all(train):
    params = {"epochs": 1, "dropout": 0.0}
    assert _losses(train("classification", "bert_tiny", layers=24, **params)) == _losses(
        train("classification", "bert_tiny", layers=2, **params)
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [("max_grad_norm", 1e-3), ("gradient_accumulation", 2), ("max_length", 8),
     ("precision", "bf16")],
)  # fmt: skip
def test_the_trainers_settings_have_an_effect(planted, cpu, conf, name, value):
    from foretune.config.schema.trainer import Precision
    from foretune.train import load_cards

    cards = load_cards(conf, ["bert_tiny"])
    value = Precision[value] if name == "precision" else value
    results = [
        TrainObjective(planted("classification"), cards, config)(
            TrialSpec(0, {**BASE, "optimiser": "sgd"}, 1), lambda report: False
        )
        for config in (cpu, dataclasses.replace(cpu, **{name: value}))
    ]
    assert _losses(results[0]) != _losses(results[1])
