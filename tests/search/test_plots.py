"""Pictures of a search are files, or quietly left out."""

from dataclasses import replace

import optuna

from foretune.config.schema.search import SearchConfig
from foretune.search import plot_search
from foretune.search.meta_observe import WHY_KEY
from foretune.search.why import why
from foretune.space import Choice, Space
from foretune.testing.planted import CONDITIONAL, Run


def test_three_pictures_of_a_real_search(tmp_path):
    run = Run(SearchConfig(method="random", n_trials=12), tmp_path)
    run()
    files = plot_search(run.study, tmp_path / "plots", metric="accuracy")
    assert [path.stem for path in files] == [
        *("optimisation_history", "param_importances", "parallel_coordinate")
    ]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in files)
    assert all(2_000 < path.stat().st_size < 300_000 for path in files)


def test_too_little_to_plot(tmp_path):
    run = Run(SearchConfig(method="random", n_trials=1), tmp_path)
    run()
    assert plot_search(run.study, tmp_path / "plots", metric="accuracy") == ()
    assert not (tmp_path / "plots").exists()


def test_what_cannot_be_drawn_is_left_out(tmp_path):
    """One point, tried twice: nothing varies, so there is nothing to compare."""
    run = Run(
        SearchConfig(method="random", n_trials=1), tmp_path, space=Space((Choice("x", (1,)),))
    )
    run()
    run.study.add_trial(run.trials[0])
    files = plot_search(run.study, tmp_path / "plots", metric="accuracy")
    assert "optimisation_history" in [path.stem for path in files]


def test_why(tmp_path):
    run = Run(SearchConfig(method="random", n_trials=2), tmp_path)
    run()
    run.study.enqueue_trial(dict(CONDITIONAL.defaults[0]))
    run.config = replace(run.config, n_trials=3)
    run()
    said = [why(t, space=CONDITIONAL, search="random search") for t in run.trials]
    assert said == ["random search", "random search", "queued by hand"]
    run.trials[2].system_attrs.clear()
    default = run.study.trials[2]
    default.system_attrs = {}
    assert why(default, space=CONDITIONAL, search="TPE") == "default configuration"
    default.user_attrs["retried_from"] = 7
    assert why(default, space=CONDITIONAL, search="TPE") == "trial 7 again"


def test_why_tells_metasamplers_reason():
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(0)).ask()
    trial.suggest_float("lr", 0.1, 0.2)
    frozen = trial.study.trials[0]
    said = {}
    for reasons in ({"expert": "portfolio"}, {"expert": "history", "score": 0.87654}, {}):
        frozen.system_attrs = {WHY_KEY: reasons}
        said[reasons.get("expert")] = why(frozen, space=CONDITIONAL, search="MetaSampler")
    assert said == {
        "portfolio": "best of past tasks",
        "history": "history expects 0.8765",
        None: "MetaSampler",
    }
