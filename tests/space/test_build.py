from pathlib import Path

import pytest
import yaml

from foretune.core import ConfigError
from foretune.space import Choice, Float, Grid, Int, ModelSpace, build_space

CONF = Path(__file__).resolve().parents[2] / "conf" / "space"
MINILM = ModelSpace(
    "minilm",
    {"lr": {"low": 1e-5, "high": 1e-3}, "layers": {"low": 1, "high": 6, "default": 6}},
    {"lr": 2e-4, "layers": 6, "head_lr_multiplier": 10},
)
LITE0 = ModelSpace(
    "efficientnet_lite0",
    {"lr": {"low": "1e-4", "high": 5e-3}, "layers": None, "pooling": None},
    {"lr": 1e-3},
)


def params(name):
    return yaml.safe_load((CONF / f"{name}.yaml").read_text())


def by_name(space, name):
    return [p for p in space.parameters if p.name == name]


def test_the_default_space_holds_exactly_what_the_trainer_takes():
    space = build_space(params("default"), [MINILM, LITE0])
    assert set(space.names) == {
        *("model", "lr", "batch_size", "epochs", "layers", "frozen", "head_lr_multiplier"),
        *("pooling", "dropout", "optimiser", "weight_decay", "warmup", "schedule"),
    }
    assert 0.0 in by_name(space, "weight_decay")[0].choices


def test_a_card_narrows_ranges_and_takes_parameters_away():
    space = build_space(params("default"), [MINILM, LITE0])
    lrs = {p.when["model"]: (p.low, p.high) for p in by_name(space, "lr")}
    assert lrs == {("minilm",): (1e-5, 1e-3), ("efficientnet_lite0",): (1e-4, 5e-3)}
    assert [p.when for p in by_name(space, "layers")] == [{"model": ("minilm",)}]
    assert [p.when for p in by_name(space, "pooling")] == [{"model": ("minilm",)}]
    assert [p.when for p in by_name(space, "dropout")] == [{}]


def test_each_model_has_a_known_good_default():
    first, second = build_space(params("default"), [MINILM, LITE0]).defaults
    assert (first["model"], first["lr"], first["layers"]) == ("minilm", 2e-4, 6)
    assert (second["model"], second["lr"]) == ("efficientnet_lite0", 1e-3)
    assert "layers" not in second
    assert second["optimiser"] == "adamw"


def test_models_that_agree_share_a_parameter():
    twin = ModelSpace("twin", MINILM.overrides, {})
    space = build_space(params("default"), [MINILM, twin])
    assert [p.when for p in by_name(space, "lr")] == [{}]
    assert [p.when for p in by_name(space, "layers")] == [{}]


def test_a_pinned_model_is_a_choice_of_one():
    space = build_space(params("default"), [MINILM])
    assert by_name(space, "model") == [Choice("model", ("minilm",))]
    assert by_name(space, "lr")[0] == Float("lr", 1e-5, 1e-3, log=True, default=5e-5)


def test_what_the_user_asks_for_wins_over_the_cards():
    config = params("default")
    config["params"]["lr"]["high"] = 1e-2  # space.params.lr.high=1e-2
    config["params"]["layers"]["high"] = 12
    space = build_space(config, [MINILM, LITE0])
    assert {p.high for p in by_name(space, "lr")} == {1e-2}
    assert {p.low for p in by_name(space, "lr")} == {1e-5, 1e-4}
    assert by_name(space, "layers")[0].high == 12


def test_one_value_pins_choices_list_null_leaves_out():
    config = params("default")
    config["params"] |= {"epochs": 2, "warmup": None, "batch_size": [4, 8], "schedule": "linear"}
    config["params"]["lr"]["choices"] = ["1e-4", 1e-3]
    space = build_space(config, [MINILM])
    assert by_name(space, "epochs") == [Int("epochs", 2, 2)]
    assert by_name(space, "batch_size") == [Choice("batch_size", (4, 8))]
    assert by_name(space, "schedule") == [Choice("schedule", ("linear",))]
    assert by_name(space, "lr")[0].choices == (1e-4, 1e-3)
    assert by_name(space, "warmup") == []
    assert space.defaults[0]["epochs"] == 2


def test_the_published_grid_has_729_points():
    space = build_space(params("seed"), [MINILM])
    assert Grid(space).size == 3**6
    values = {name: set() for name in space.names}
    for point in Grid(space):
        for name, value in point.items():
            values[name].add(value)
    assert values == {
        "model": {"minilm"},
        "lr": {1e-3, 5e-4, 1e-4},
        "batch_size": {16, 32, 64},
        "layers": {6, 12, 24},
        "dropout": {0.1, 0.3, 0.5},
        "optimiser": {"adam", "sgd", "rmsprop"},
        "weight_decay": {0.0, 0.01, 0.1},
    }


def test_few_shot_pins_everything_but_the_model():
    space = build_space(params("few_shot"), [MINILM, LITE0])
    assert Grid(space).size == 2
    assert space.defaults[0] == {
        **{"model": "minilm", "lr": 1e-5, "batch_size": 16, "epochs": 3},
        **{"dropout": 0.1, "weight_decay": 0.01},
    }


def test_conditions_between_parameters_and_on_models():
    config = {
        "params": {
            "momentum": {"type": "float", "low": 0, "high": 0.9, "when": {"optimiser": "sgd"}},
            "optimiser": ["adam", "sgd"],
            "crf": {"type": "choice", "choices": [True, False], "when": {"model": "minilm"}},
            "cutout": {"type": "int", "low": 1, "high": 2, "when": {"model": ["elsewhere"]}},
        }
    }
    space = build_space(config, [MINILM, LITE0])
    assert space.names.index("optimiser") < space.names.index("momentum")
    assert by_name(space, "momentum")[0].when == {"optimiser": ("sgd",)}
    assert by_name(space, "crf")[0].when == {"model": ("minilm",)}
    assert by_name(space, "cutout") == []


@pytest.mark.parametrize(
    ("extra", "complaint"),
    [
        ({"lrr": {"high": 1e-2}}, r"lrr: unknown parameter 'lrr': did you mean 'lr'\?"),
        ({"x": {"type": "flaot"}}, r"x: unknown type of parameter 'flaot': did you mean 'float'\?"),
        ({"x": {"type": "int", "low": 1, "hihg": 3}}, r"did you mean 'high'\?"),
        ({"x": {"type": "int", "low": 1.5, "high": 3}}, "expected a whole number for low"),
        ({"x": {"type": "float", "low": 1}}, "expected a number for high, got None"),
        ({"x": {"type": "choice", "choices": 3}}, "expected a list of choices, got 3"),
        ({"x": []}, "at least one choice"),
        (
            {"x": {"type": "int", "low": 1, "high": 2, "when": "sgd"}},
            "expected when to be a mapping",
        ),
        ({"x": {"type": "int", "low": 1, "high": 2, "when": {"optimizer": 1}}}, "'optimiser'"),
        ({"model": ["a"]}, "chosen with model="),
        (
            {
                "x": {"type": "int", "low": 1, "high": 2, "when": {"y": 1}},
                "y": {"type": "int", "low": 1, "high": 2, "when": {"x": 1}},
            },
            "form a circle",
        ),
    ],
)
def test_what_is_wrong_is_said(extra, complaint):
    config = params("default")
    config["params"] |= extra
    with pytest.raises(ConfigError, match=complaint):
        build_space(config, [MINILM])


def test_every_problem_at_once_and_each_names_its_setting():
    config = {"params": {"a": {"type": "x"}, "b": {"type": "int", "low": 3, "high": 1}, "c": []}}
    with pytest.raises(ConfigError) as caught:
        build_space(config)
    assert len(caught.value.problems) == 3
    assert all(line.startswith("space.params.") for line in caught.value.problems)


def test_a_parameter_that_the_trainer_does_not_know():
    with pytest.raises(ConfigError, match=r"unknown parameter 'droput': did you mean 'dropout'\?"):
        build_space({"params": {"droput": [0.1]}}, known=("dropout", "lr"))


def test_a_card_cannot_narrow_choices_or_invent_settings():
    card = ModelSpace("m", {"batch_size": {"choices": [8]}})
    with pytest.raises(ConfigError, match="model m: unknown setting of a card 'choices'"):
        build_space(params("default"), [card])


def test_without_models_the_parameters_defaults_are_the_configuration_if_there_are_any():
    assert build_space({"params": {"lr": [1e-4, 1e-3]}}).defaults == ()
    params = {"lr": {"type": "float", "low": 1e-5, "high": 1e-3, "default": 1e-4}, "n": [1, 2]}
    assert build_space({"params": params}).defaults == ({"lr": 1e-4, "n": 1},)


def test_a_default_outside_the_space_is_clipped_and_said(caplog):
    caplog.set_level("INFO", logger="foretune.space")
    card = ModelSpace("m", {}, {"epochs": 9, "lr": 1e-4, "unheard_of": 1})
    assert build_space(params("default"), [card]).defaults[0]["epochs"] == 4
    assert "model m: default outside the space: epochs=9 (4 is taken)" in caplog.text
    assert "lr=" not in caplog.text


def test_no_parameters():
    with pytest.raises(ConfigError, match="expected a mapping of parameters"):
        build_space({"params": {}})
