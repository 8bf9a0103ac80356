"""What do worker processes cost and give? python benchmarks/executor.py (some minutes, two cores).

Fine-tunes a tiny BERT on a packaged data set, without a study: the executors alone, each on the
same trials, one thread a trial. Prints seconds, trials an hour and megabytes.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import psutil

from foretune.build import Setup, build_setup
from foretune.build_executor import start_workers_early
from foretune.config.compose import register_schemas, to_config
from foretune.config.location import conf_folder
from foretune.core import Executor, TrialResult, TrialSpec
from foretune.execute import InlineExecutor, ProcessExecutor
from foretune.train import TrainRecipe

WORDS = [
    "task=imdb", "model=bert_tiny", "data.source=packaged",
    "data.validation_rows=64", "data.test_rows=64", "trainer.threads=1",
]  # fmt: skip
PARAMS = {"model": "bert_tiny", "epochs": 2, "batch_size": 16, "dropout": 0.1}


def run(executor: Executor, n: int) -> tuple[float, list[TrialResult]]:
    """Seconds of ``n`` trials after a first one a worker, and their results."""
    for number in range(executor.n_workers):
        executor.submit(spec(number))
    for _ in range(executor.n_workers):
        executor.next_result(lambda spec, report: False)
    began, given, results = time.perf_counter(), 0, []
    while len(results) < n:
        while given < n and given - len(results) < executor.n_workers:
            executor.submit(spec(given))
            given += 1
        results.append(executor.next_result(lambda spec, report: False))
    return time.perf_counter() - began, results


def spec(number: int) -> TrialSpec:
    """Trial ``number``: all are alike but for their seeds."""
    return TrialSpec(number=number, params=PARAMS, seed=number)


def make(setup: Setup, config, n_workers: int) -> Executor:
    """Inline (0 workers) or worker processes."""
    recipe = TrainRecipe(setup.data, setup.cards, config.trainer, max(n_workers, 1))
    if n_workers == 0:
        return InlineExecutor(recipe(0))
    return ProcessExecutor(recipe, n_workers=n_workers)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--rows", type=int, default=1024, help="of a trial: 128 take .15 s or more")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", type=int, default=200, help="trials of the memory's growth")
    options = parser.parse_args()
    from hydra import compose, initialize_config_dir

    register_schemas()
    with initialize_config_dir(config_dir=str(conf_folder()), version_base="1.3"):
        config = to_config(compose("config", overrides=[*WORDS, f"data.train_rows={options.rows}"]))
    start_workers_early(config)
    setup = build_setup(config, conf_folder())

    took: dict[int, list[float]] = {0: [], 1: [], 2: []}
    for _ in range(options.rounds):  # in turn, as the machine may be busy with something else
        for n_workers, times in took.items():
            with make(setup, config, n_workers) as executor:
                seconds, results = run(executor, options.trials)
            times.append(seconds)
            outside = seconds - sum(r.resources.seconds for r in results) / max(n_workers, 1)
            print(f"{n_workers or 'inline'}: {seconds:.2f} s, {1000 * outside / options.trials:.1f}"
                  " ms a trial outside the trainer", flush=True)  # fmt: skip
    median = {n: statistics.median(values) for n, values in took.items()}
    for n, seconds in median.items():
        print(f"{n or 'inline'}: {3600 * options.trials / seconds:.0f} trials an hour")
    cost, gain = median[1] / median[0], median[1] / median[2]
    print(f"process / inline: {cost:.3f} of the time (at most 1.05: {verdict(cost <= 1.05)})")
    print(f"two workers: {gain:.2f} x one (at least 1.6: {verdict(gain >= 1.6)})")

    with make(setup, config, 1) as executor:
        parent, worker = [], []
        for number in range(options.memory):
            executor.submit(spec(number))
            executor.next_result(lambda spec, report: False)
            parent.append(psutil.Process().memory_info().rss / 2**20)
            [remote] = executor._workers.values()
            worker.append(remote.resident_mb())
    grew = False
    for name, values in (("search", parent), ("worker", worker)):
        print(f"{name}: {values[9]:.0f} MiB after 10 trials, {values[-1]:.0f} after {len(values)}")
        grew = grew or values[-1] > 1.05 * values[9]
    if grew:  # no matter of how busy the machine is
        raise SystemExit("memory grew by more than 5 %")


def verdict(is_met: bool) -> str:
    """In a word."""
    return "met" if is_met else "missed"


if __name__ == "__main__":
    main()
