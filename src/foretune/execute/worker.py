"""What does a worker process do? It makes the objective once and runs trials one after another."""

from __future__ import annotations

import functools
import gc
import logging
import os
import pickle
import signal
import sys
import threading
from multiprocessing.connection import Connection

from foretune.core import Answer, EpochReport, ForetuneError
from foretune.execute.answer import answer, reason_of
from foretune.execute.guardian import post_guardian
from foretune.execute.messages import Began, Broken, FromWorker, Hello, Logged, Recipe


class RecipeError(ForetuneError):
    """A worker cannot make the objective."""


def work(index: int, pipe: Connection, life: Connection) -> None:
    """The worker's whole life, in a session of its own: Ctrl-C reaches the search alone.

    Args:
        index: The worker's number.
        pipe: To and from the search.
        life: Closed by the search's end, whatever it is; then this whole process group ends.
    """
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    guardian = post_guardian(life, pipe)
    Worker(index, pipe).run(guardian)


class Worker:
    """The worker's side of the pipe."""

    def __init__(self, index: int, pipe: Connection) -> None:
        self._index, self._pipe = index, pipe
        self._sending = threading.Lock()  # threads of a trial may log

    def run(self, guardian: int) -> None:
        """Run trials until the search closes the pipe."""
        logging.getLogger().addHandler(_ToSearch(self))
        self.send(Hello(guardian))
        try:
            recipe: Recipe = pickle.loads(self._pipe.recv_bytes())
            objective = recipe(self._index)
        except EOFError:
            return
        except ForetuneError as error:
            self.send(Broken(error))
            return
        except Exception as error:
            self.send(Broken(RecipeError(f"the worker cannot be set up: {reason_of(error)}")))
            return
        while True:
            try:
                spec = self._pipe.recv()
            except EOFError:
                return
            self.send(Began())
            self.send(answer(objective, spec, self._report))
            _freeze(len(sys.modules))

    def send(self, message: FromWorker) -> None:
        """Say ``message`` to the search."""
        with self._sending:
            self._pipe.send(message)

    def _report(self, report: EpochReport) -> Answer:
        self.send(report)
        return Answer(self._pipe.recv())


@functools.cache
def _freeze(n_modules: int) -> None:
    """Take what is alive out of the collector's sight: 11 ms less of a trial of 0.15 s.

    Between two trials, once for every count of modules, as a first trial imports what later ones
    need. What is frozen is never collected: the objective is there for the worker's whole life.
    """
    gc.collect()
    gc.freeze()


class _ToSearch(logging.Handler):
    """Sends the log's lines to the search, whose own handlers write them."""

    def __init__(self, worker: Worker) -> None:
        super().__init__(logging.WARNING)
        self._worker = worker

    def emit(self, record: logging.LogRecord) -> None:
        self._worker.send(Logged(record.name, record.levelno, record.getMessage()))
