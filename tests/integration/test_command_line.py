"""One search as a user runs it: to its end, on again, cut short, and with mistakes."""

import os
import signal
import sqlite3
import subprocess
import sys

import optuna
import pytest

pytestmark = pytest.mark.timeout(280)


def _trials(foretune):
    url = f"sqlite:///{foretune.folder}/history.db"
    (name,) = optuna.get_all_study_names(url)
    return optuna.load_study(study_name=name, storage=url).trials


def test_ctrl_c_keeps_what_was_found_and_the_same_command_completes_rather_than_adds(foretune):
    words = ["task=imdb", "search=random", *foretune.small, "search.n_trials=200"]
    process = foretune.start(*words)
    seen = []
    for line in process.stdout:
        seen.append(line)
        if line.lstrip().startswith("1 "):  # the second trial's row
            os.kill(process.pid, signal.SIGINT)
            break
    rest, _ = process.communicate(timeout=240)
    out = "".join(seen) + rest
    assert process.returncode == 130, out
    assert "Traceback" not in out
    assert "STANDS IN for imdb" in out.replace("\n", " ")
    n_before = len(_trials(foretune))
    assert 2 <= n_before < 200
    assert list((foretune.folder / "outputs" / "studies").glob("*/best"))

    code, out = foretune(*words[:-1], f"search.n_trials={n_before + 1}")
    assert code == 0, out
    assert "test" in out.lower()
    trials = _trials(foretune)
    counted = [t for t in trials if t.user_attrs.get("status") != "interrupted"]
    assert len(counted) == n_before + 1
    assert {t.state.name for t in counted} == {"COMPLETE"}
    assert not [t for t in trials if t.state == optuna.trial.TrialState.RUNNING]
    (best,) = (foretune.folder / "outputs" / "studies").glob("*/best")
    from foretune.train import load_model

    assert len(load_model(best).predict(["a fine film", "dreadful"])) == 2
    with sqlite3.connect(foretune.folder / "mlruns" / "mlflow.db") as db:
        (n_parents,) = db.execute(
            "select count(*) from runs where run_uuid not in"
            " (select run_uuid from tags where key = 'mlflow.parentRunId')"
        ).fetchone()
    assert n_parents == 1


ELSEWHERE = """
import foretune.run
def stopped(*args):
    {stopped}
foretune.run.run = stopped
from foretune.cli import main
main()
"""


@pytest.mark.parametrize("sweep", [[], ["-m"]], ids=["one", "sweep"])
@pytest.mark.parametrize(
    "stopped", ["raise KeyboardInterrupt", "exec('raise KeyboardInterrupt')"], ids=["code", "text"]
)
def test_ctrl_c_outside_of_the_trials_is_a_line_and_not_a_traceback(tmp_path, stopped, sweep):
    (tmp_path / "elsewhere.py").write_text(ELSEWHERE.format(stopped=stopped))
    done = subprocess.run(
        [sys.executable, "-m", "elsewhere", "task=imdb", "search=random", *sweep],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
    assert "the same command goes on" in done.stderr + done.stdout


LOST = """
import os, signal
from foretune.search.loop import _Search
class Thrown:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)  # Python prints the KeyboardInterrupt, and goes on
        sum(range(100))
def start(self, so_far, started=_Search._start):
    started(self, so_far)
    Thrown()
if __name__ == "__main__":  # workers read this file, too
    _Search._start = start
    from foretune.cli import main
    main()
"""


def test_a_ctrl_c_that_python_loses_ends_the_search_after_the_trial(foretune):
    (foretune.folder / "lost.py").write_text(LOST)
    words = foretune.command("task=imdb", "search=random", *foretune.small, "search.n_trials=9")
    place = words.index("src.main")
    done = subprocess.run(
        [*words[:place], "lost", *words[place + 1 :]],
        cwd=foretune.folder, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert "Exception ignored in" in done.stderr
    assert done.returncode == 130, done.stdout
    assert "the same command goes on" in done.stderr + done.stdout
    assert [t.state.name for t in _trials(foretune)] == ["COMPLETE"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["task=imbd"], ["imbd", "imdb"]),
        (["search=tpe"], ["tpe", "bayes"]),
        (["search.n_trials=0"], ["n_trials"]),
        (["data.dir=/nowhere/at/all"], ["/nowhere/at/all"]),
        (["storage.url=sqlite:///{a_file}"], ["a_file", "not an SQLite database"]),
        (["outputs={a_file}"], ["outputs"]),
        (["space.params.lrr.high=1"], ["lrr", "'lr'"]),
        (["model=resnet18"], ["resnet18", "image"]),
    ],
    ids=lambda v: v[0],
)
def test_a_mistake_is_one_clear_message_and_exit_code_2(foretune, words, expected):
    a_file = foretune.folder / "a_file"
    a_file.write_text("my notes, not to be written over\n" * 100)
    words = [word.format(a_file=a_file) for word in words]
    code, out = foretune("task=imdb", *foretune.small[:4], *words)
    assert code == 2, out
    assert "Traceback" not in out
    for word in expected:
        assert word in out
    assert a_file.read_text() == "my notes, not to be written over\n" * 100
