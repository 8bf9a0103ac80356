"""A trial that is cut short after any epoch and taken up by another objective: the same trial."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from safetensors.torch import load_file

from foretune.core import Answer, Status, TrialSpec
from foretune.train import TrainObjective, load_cards

CLOCK = ("eval_runtime", "eval_samples_per_second")
CASES = [
    ("classification", "bert_tiny", {"dropout": 0.3, "schedule": "cosine"}),
    ("classification", "bert_tiny", {"frozen": 0.5, "optimiser": "sgd"}),
    ("classification", "albert_tiny", {"optimiser": "rmsprop"}),
    ("tags", "bilstm_tiny", {"dropout": 0.3, "optimiser": "adam"}),
    ("images", "resnet_tiny", {}),
    ("images", "efficientnet_tiny", {"optimiser": "sgd"}),
]


class Killed(BaseException):
    """What no trial catches."""


@pytest.fixture(autouse=True)
def every_epoch(monkeypatch):
    monkeypatch.setattr("foretune.train.snapshot.SHARE", math.inf)


@pytest.fixture
def run(planted, cpu, conf, tmp_path):
    """Runs a trial in an objective of its own, killed after some epoch if asked."""

    def make(
        kind, model, *, kill_after=None, pause_after=None, name="whole", checkpoint=True, **params
    ):
        spec = TrialSpec(
            number=0,
            params={"model": model, "epochs": 4, **params},
            seed=7,
            save_to=tmp_path / name,
            checkpoint=tmp_path / "checkpoints" / f"{name}.safetensors",
        )
        config = dataclasses.replace(cpu, checkpoint=checkpoint)
        objective = TrainObjective(planted(kind), load_cards(conf, [model]), config)
        seen = []

        def on_epoch(report):
            seen.append(report.epoch)
            if kill_after is not None and report.epoch == kill_after + 1:
                raise Killed
            return Answer.PAUSE if report.epoch == pause_after else Answer.GO_ON

        if kill_after is None:
            return objective(spec, on_epoch), seen
        with pytest.raises(Killed):
            objective(spec, on_epoch)
        return spec, seen

    return make


def curve(result):
    return [
        {name: value for name, value in report.metrics.items() if not name.startswith(CLOCK)}
        for report in result.epochs
    ]


@pytest.mark.parametrize(("kind", "model", "params"), CASES)
def test_the_interrupted_trial_is_the_uninterrupted_one_bit_for_bit(run, kind, model, params):
    whole, _ = run(kind, model, **params)
    spec, _ = run(kind, model, kill_after=2, name="cut", **params)
    assert spec.checkpoint.is_file()
    resumed, seen = run(kind, model, name="cut", **params)
    assert seen == [1, 2, 3, 4], "the epochs before are reported again, not trained"
    assert curve(resumed) == curve(whole)
    assert (resumed.score, resumed.metrics.keys()) == (whole.score, whole.metrics.keys())
    assert resumed.resources.seconds >= sum(report.seconds for report in resumed.epochs[:2])
    weights = [load_file(r.model_dir / "model.safetensors") for r in (whole, resumed)]
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_a_paused_trial_goes_on_bit_for_bit(run, monkeypatch):
    """Also where no checkpoint would be due; paused anew after its own last epoch it just waits."""
    whole, _ = run("classification", "bert_tiny")
    monkeypatch.setattr("foretune.train.snapshot.SHARE", 0.0)
    paused, _ = run("classification", "bert_tiny", pause_after=2, name="cut")
    assert (paused.status, paused.reason) == (Status.PAUSED, "paused after epoch 2 of 4")
    again, seen = run("classification", "bert_tiny", pause_after=2, name="cut")
    assert (again.status, seen) == (Status.PAUSED, [1, 2]), "nothing was trained for it"
    resumed, seen = run("classification", "bert_tiny", name="cut")
    assert seen == [1, 2, 3, 4]
    assert curve(resumed) == curve(whole)
    assert resumed.score == whole.score
    weights = [load_file(r.model_dir / "model.safetensors") for r in (whole, resumed)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.parametrize(("pause_after", "checkpoint"), [(4, True), (2, False)])
def test_a_trial_goes_on_where_a_pause_would_gain_or_keep_nothing(run, pause_after, checkpoint):
    """At its end, and where no checkpoint can be written."""
    result, seen = run(
        "classification", "bert_tiny", pause_after=pause_after, checkpoint=checkpoint
    )
    assert (result.status, seen) == (Status.COMPLETED, [1, 2, 3, 4])


def test_a_trial_cut_short_twice_goes_on_from_the_second_time(run):
    whole, _ = run("classification", "bert_tiny")
    run("classification", "bert_tiny", kill_after=1, name="cut")
    run("classification", "bert_tiny", kill_after=3, name="cut")
    resumed, _ = run("classification", "bert_tiny", name="cut")
    assert curve(resumed) == curve(whole)


@pytest.mark.parametrize("damage", ["cut", "bytes", "empty", "header"])
def test_a_damaged_checkpoint_is_said_and_the_trial_begins_anew(run, caplog, damage):
    whole, _ = run("classification", "bert_tiny")
    spec, _ = run("classification", "bert_tiny", kill_after=2, name="cut")
    raw = spec.checkpoint.read_bytes()
    spec.checkpoint.write_bytes(
        {
            "cut": raw[: len(raw) // 2],
            "bytes": b"\x80\x04\x95" + raw[3:],
            "empty": b"",
            "header": raw[:8] + b'{"__metadata__":{"foretune":"{' + raw[40:],
        }[damage]
    )
    resumed, _ = run("classification", "bert_tiny", name="cut")
    assert curve(resumed) == curve(whole)
    assert "begins anew" in caplog.text


def test_the_checkpoint_of_another_configuration_is_not_used(run):
    run("classification", "bert_tiny", kill_after=2, name="cut")
    _, seen = run("classification", "bert_tiny", name="cut", lr=1e-5)
    other, _ = run("classification", "bert_tiny", name="other", lr=1e-5)
    assert seen == [1, 2, 3, 4]
    again, _ = run("classification", "bert_tiny", name="cut", lr=1e-5)
    assert curve(again) == curve(other)


def test_it_can_be_switched_off(run):
    spec, _ = run("classification", "bert_tiny", kill_after=2, name="cut", checkpoint=False)
    assert not spec.checkpoint.exists()


def test_at_most_its_share_of_the_time_goes_into_it(run, monkeypatch):
    monkeypatch.setattr("foretune.train.snapshot.SHARE", 0.0)
    spec, _ = run("classification", "bert_tiny", kill_after=2, name="cut")
    assert not spec.checkpoint.exists()


def test_a_full_disk_is_a_warning(run, monkeypatch, caplog):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("foretune.train.snapshot.save_file", full)
    spec, _ = run("classification", "bert_tiny", kill_after=2, name="cut")
    assert "no checkpoint: [Errno 28] No space left on device" in caplog.text
    assert list(spec.checkpoint.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "model"), [("classification", "bert_tiny"), ("regression", "distilbert_tiny")]
)
def test_batches_in_parts_have_the_gradient_of_the_whole(objective, kind, model):
    params = {"model": model, "epochs": 2, "dropout": 0.0, "batch_size": 12}
    results = [
        objective(kind, model)(
            TrialSpec(0, params, seed=3, micro_batches=micro), lambda report: False
        )
        for micro in (1, 2, 5)
    ]
    assert [r.micro_batches for r in results] == [1, 2, 5]
    for result in results[1:]:
        assert result.status is Status.COMPLETED
        losses = [report.metrics["train_loss"] for report in result.epochs]
        expected = [report.metrics["train_loss"] for report in results[0].epochs]
        assert losses == pytest.approx(expected, rel=2e-3)
