"""What does a trial cost the storage, and what do running ones? (python benchmarks/scale.py).

Searches of instant trials (random search, the planted task, up to three epochs) on SQLite, on a
PostgreSQL of its own and through Optuna's gRPC proxy: commits a trial, and the searching process's
own CPU time, which other work on the machine does not change. Then the same beside many running
trials, which Optuna reads anew each time.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import optuna
import sqlalchemy as sa
from optuna.storages import BaseStorage, GrpcStorageProxy, RDBStorage

from foretune.config.schema.search import SearchConfig
from foretune.history.store import open_storage
from foretune.search.distributions import suggest
from foretune.search.lease import Lease
from foretune.testing.planted import CONDITIONAL, Run
from foretune.testing.postgres import NoServer, create_database, postgres
from foretune.tracking.database import open_database
from foretune.tracking.mlflow_tracker import MlflowTracker

PORT = 13_791
PROXY = """
import sys
from optuna.storages import run_grpc_proxy_server
from foretune.history.store import open_storage
run_grpc_proxy_server(open_storage(sys.argv[1]), host="127.0.0.1", port=int(sys.argv[2]))
"""


def measured(name: str, storage: BaseStorage, n: int, *observers) -> None:
    """Run a search of ``n`` trials and print what each cost."""
    commits: list[int] = []
    reads: list[int] = []
    read = storage.get_all_trials
    storage.get_all_trials = lambda *args, **options: reads.append(1) or read(*args, **options)
    if isinstance(storage, RDBStorage):
        sa.event.listen(storage.engine, "commit", lambda connection: commits.append(1))
    with tempfile.TemporaryDirectory() as folder:
        run = Run(SearchConfig(method="random", n_trials=n), Path(folder), storage=storage)
        run.observers = observers
        wall, cpu = time.perf_counter(), time.process_time()
        run()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    counted = f"{len(reads) / n:4.1f} readings of the study, "
    counted += f"{len(commits) / n:5.1f} commits, " if isinstance(storage, RDBStorage) else ""
    print(f"{name:28} {counted}{1000 * cpu / n:6.1f} ms of CPU, {1000 * wall / n:.0f} ms a trial",
          flush=True)  # fmt: skip


@contextlib.contextmanager
def proxy(url: str) -> Iterator[BaseStorage]:
    """Optuna's gRPC proxy over the storage at ``url``."""
    with subprocess.Popen([sys.executable, "-c", PROXY, url, str(PORT)]) as server:
        storage = GrpcStorageProxy(host="127.0.0.1", port=PORT)
        try:
            storage.wait_server_ready(timeout=60)
            yield storage
        finally:
            storage.remove_session()
            server.terminate()


def beside(storage: BaseStorage, n_running: int) -> float:
    """Milliseconds of CPU of reading a study's trials while ``n_running`` run."""
    study = optuna.create_study(storage=storage, direction="maximize")
    for _ in range(n_running):
        trial = study.ask()
        suggest(trial, CONDITIONAL)
        trial.report(0.5, 1)
        Lease(trial)._sign()
    study.get_trials(deepcopy=False)
    began = time.process_time()
    for _ in range(3):
        study.get_trials(deepcopy=False)
    return 1000 * (time.process_time() - began) / 3


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--running", type=int, nargs="*", default=[10, 100, 1000])
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        measured("in memory", optuna.storages.InMemoryStorage(), options.trials)
        url = f"sqlite:///{folder}/history.db"
        measured("SQLite", open_storage(url), options.trials)
        with proxy(f"sqlite:///{folder}/proxy.db") as storage:
            measured("gRPC proxy over SQLite", storage, options.trials)
        for n in options.running:
            store = open_storage(f"sqlite:///{folder}/running{n}.db")
            print(f"SQLite, {n} running: {beside(store, n):.1f} ms of CPU to read the trials",
                  flush=True)  # fmt: skip
        try:
            server = stack.enter_context(postgres())
            measured("PostgreSQL", open_storage(create_database(server, "one")), options.trials)
        except NoServer as error:
            print(error)
        with MlflowTracker(open_database(folder / "mlruns", "scale")) as tracker:
            tracker_url = f"sqlite:///{folder}/mirrored.db"
            measured("SQLite and MLflow", open_storage(tracker_url), options.trials, tracker)


if __name__ == "__main__":
    main()
