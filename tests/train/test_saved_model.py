from __future__ import annotations

import json

import pytest
from safetensors.torch import load_file

from foretune.core import ModelError, TrialSpec
from foretune.train import load_model
from foretune.train import test_metrics as metrics_of_test

CASES = [
    ("classification", "bert_tiny", {"layers": 1}),
    ("classification", "bert_tiny", {"frozen": 1.0}),
    ("classification", "albert_tiny", {"frozen": 0.5}),
    ("classification", "roberta_tiny", {}),
    ("regression", "distilbert_tiny", {"frozen": 0.5}),
    ("pair", "bert_tiny", {}),
    ("tags", "bilstm_tiny", {}),
    ("tags", "bert_tiny", {}),
    ("answers", "bert_tiny", {}),
    ("images", "resnet_tiny", {"layers": 3}),
    ("images", "efficientnet_tiny", {"frozen": 1.0}),
]
INPUTS = {
    "classification": ("text",),
    "regression": ("text",),
    "pair": ("text", "text_pair"),
    "tags": ("tokens",),
    "answers": ("question", "context"),
    "images": ("image",),
}


def _inputs(kind, rows):
    names = INPUTS[kind]
    if kind == "answers":
        return [{name: row[name] for name in names} for row in rows]
    if kind == "pair":
        return [(row["text"], row["text_pair"]) for row in rows]
    return [row[names[0]] for row in rows]


@pytest.mark.parametrize(("kind", "model", "params"), CASES)
def test_a_saved_model_is_the_best_epochs(objective, train, tmp_path, kind, model, params):
    folder = tmp_path / "model"
    result = train(kind, model, save_to=folder, epochs=3, **params)
    assert result.model_dir == folder
    predictor = load_model(folder)
    data = objective(kind, model).data
    metrics = predictor.evaluate(data.validation)
    assert metrics == pytest.approx(
        {name: result.metrics[f"eval_{name}"] for name in data.info.metrics}, abs=1e-6
    )
    config = objective(kind, model).config
    assert metrics_of_test(folder, data, config) == predictor.evaluate(data.test)
    rows = [data.validation[number] for number in range(5)]
    one_by_one = [predictor.predict([row])[0] for row in _inputs(kind, rows)]
    together = predictor.predict(_inputs(kind, rows))
    assert one_by_one == (pytest.approx(together, abs=1e-4) if kind == "regression" else together)
    if data.info.classes:
        names = together if kind != "tags" else [tag for tags in together for tag in tags]
        assert set(names) <= set(data.info.classes)


def test_the_folder_tells_what_is_in_it(train, tmp_path):
    train("classification", "bert_tiny", save_to=tmp_path / "m", epochs=1)
    about = json.loads((tmp_path / "m" / "foretune.json").read_text())
    assert about["task"]["classes"] == ["neg", "pos"]
    assert about["params"]["model"] == "bert_tiny"
    assert about["metrics"]["eval_accuracy"] >= 0
    assert (tmp_path / "m" / "config.json").is_file()
    assert (tmp_path / "m" / "tokenizer.json").is_file()
    assert "head.linear.weight" in load_file(tmp_path / "m" / "model.safetensors")


def test_a_model_no_better_than_the_incumbent_is_not_saved(objective, tmp_path):
    spec = TrialSpec(
        0, {"model": "bert_tiny", "epochs": 1}, 1, save_to=tmp_path / "m", save_above=1.0
    )
    result = objective("classification", "bert_tiny")(spec, lambda report: False)
    assert result.model_dir is None
    assert not (tmp_path / "m").exists()


def test_extra_test_rows_are_measured_under_their_name(objective, train, tmp_path):
    import dataclasses

    trained = objective("classification", "bert_tiny")
    train("classification", "bert_tiny", save_to=tmp_path / "m", epochs=1)
    data = dataclasses.replace(trained.data, extra={"mismatched": trained.data.validation})
    metrics = metrics_of_test(tmp_path / "m", data, trained.config)
    assert {"accuracy", "macro_f1", "mismatched_accuracy", "mismatched_macro_f1"} == set(metrics)


def test_a_folder_without_a_model_is_an_error_that_says_so(tmp_path):
    with pytest.raises(ModelError, match=r"found no foretune\.json"):
        load_model(tmp_path)
