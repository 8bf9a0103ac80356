"""How does a study begin while its history is being learned from?"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import TypeVar

from foretune.history import HistoryRecords
from foretune.meta.model import MetaModel
from foretune.meta.settings import MetaSettings
from foretune.search.meta_plan import Planner

T = TypeVar("T")
Lesson = Callable[[], MetaModel | None]  # learns from a history
_JUDGED_BY = 3  # past tasks that tried a default know it better than its card does (taste)
MAX_OPENING = 6  # trials, by taste: what follows is better chosen than begun


class Opening:
    """Plans trials by what past tasks tried: defaults, then the portfolio; no model is trained.

    Args:
        records: What is to be learned from, without the study itself.
        settings: The meta-model's numbers.
        seed: The sampler's.
        learn: Learns from the records.
    """

    def __init__(
        self,
        records: HistoryRecords,
        settings: MetaSettings,
        seed: int,
        learn: Lesson,
    ) -> None:
        portfolio = replace(settings, ablation=replace(settings.ablation, model=False))
        self.planner = Planner(MetaModel.prior(records, settings), portfolio, seed)
        self._learn = learn
        self._learned: Future[MetaModel | None] | None = None

    def begin(self) -> Future[MetaModel | None]:
        """Start to learn, unless it was: once a trial is planned, for the two share Python."""
        if self._learned is None:
            self._learned = meanwhile(self._learn)
        return self._learned

    @property
    def is_over(self) -> bool:
        """Whether there is more to plan by."""
        return self._learned is not None and self._learned.done()

    def result(self) -> MetaModel | None:
        """What was learned; waits for it, and raises what learning raised."""
        return self.begin().result()


def judged_by(opening: Opening | None) -> int:
    """Past tasks that decide about a default that they tried.

    In an opening one is enough: what is cheaper comes before the default, which follows soon.
    """
    return _JUDGED_BY if opening is None else 1


def meanwhile(make: Callable[[], T]) -> Future[T]:
    """Start to make a value; its ``result()`` waits for it, and raises what making it raised.

    A program that ends before does not wait: the thread dies with it.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(make())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="foretune-learns", daemon=True).start()
    return future
