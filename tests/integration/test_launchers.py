"""Hydra's launchers multiply whole jobs: in processes of joblib's, and as jobs of submitit's."""

import importlib.util

import optuna
import pytest

pytestmark = pytest.mark.timeout(280)
LAUNCHERS = ("joblib", "submitit_local")


@pytest.fixture(params=LAUNCHERS)
def launched(request, foretune):
    """A sweep by a launcher, two jobs at a time."""
    launcher = request.param
    if importlib.util.find_spec(f"hydra_plugins.hydra_{launcher.split('_')[0]}_launcher") is None:
        pytest.skip(f"needs hydra-{launcher.split('_')[0]}-launcher")
    run = f"hydra.sweep.dir={foretune.folder}/run-${{pid:}}"
    foretune.places = ["-m", *foretune.places[:-1], run, f"hydra/launcher={launcher}"]
    if launcher == "joblib":
        foretune.places.append("hydra.launcher.n_jobs=2")
    else:
        foretune.places.append("hydra.launcher.timeout_min=4")
    return foretune


def told(foretune, out):
    """What the jobs said: submitit keeps it in files."""
    logs = foretune.folder.glob("run-*/.submitit/*/*log.*")
    return out + "".join(log.read_text() for log in logs)


def test_jobs_run_beside_each_other_each_line_says_whose_it_is(launched):
    code, out = launched("job=history", "n=3,4")
    assert code == 0, out
    said = told(launched, out)
    assert "[0] " in said
    assert "[1] " in said
    (run,) = launched.folder.glob("run-*")
    assert (run / "0" / ".hydra").is_dir()
    assert (run / "1" / ".hydra").is_dir()


def test_a_job_that_fails_is_one_message_and_exit_code_2(launched):
    code, out = launched("job=explain", "study=nobody,none")
    assert code == 2, out
    assert "nobody" in told(launched, out)
    assert "Traceback" not in out


@pytest.mark.slow
def test_two_searches_write_to_one_storage(launched):
    words = ["task=imdb", "search=random", *launched.small, "search.n_trials=2"]
    code, out = launched(*words, "search.seed=1,2", "executor=inline")
    assert code == 0, out
    url = f"sqlite:///{launched.folder}/history.db"
    names = optuna.get_all_study_names(url)
    assert len(names) == 2
    for name in names:
        trials = optuna.load_study(study_name=name, storage=url).trials
        assert [t.state.name for t in trials] == ["COMPLETE", "COMPLETE"]
