"""How do trials run on a Ray cluster? In seats, an actor each, that are heard one after another.

A seat keeps its share of the cluster from trial to trial, so that what its worker has loaded stays.
Whatever happens to a trial on its node is the seat's business (`ray_seat`); here is what happens
to seats: there is no room for one, or one is lost with its node.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import time
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from foretune.core import (
    Answer,
    EpochReport,
    ForetuneError,
    OnReport,
    Resources,
    Status,
    TrialResult,
    TrialSpec,
    format_duration,
)
from foretune.execute.losses import MAX_LOSSES, Losses
from foretune.execute.messages import Began, Broken, Logged, Recipe
from foretune.execute.process import pickled
from foretune.execute.ray_cluster import Share, joined
from foretune.execute.ray_seat import FromSeat, Seat

logger = logging.getLogger(__name__)

WAIT_S = 3600.0  # for a place in the cluster (taste)
STARTS_S = 60.0  # is what a seat may take where there is room, whatever is left of a budget (taste)
WATCH_S = 1.0  # how often is looked whether a trial still waits for its place


@dataclasses.dataclass
class _Busy:
    """A seat and the trial that it has.

    Attributes:
        seat: Ray's handle of the actor.
        spec: The trial.
        given_s: When it was handed over (monotonic).
        has_begun: Whether the seat is there and has taken it on.
        reports: The epochs so far.
    """

    seat: Any
    spec: TrialSpec
    given_s: float = dataclasses.field(default_factory=time.monotonic)
    has_begun: bool = False
    reports: list[EpochReport] = dataclasses.field(default_factory=list)


class NoPlace(ForetuneError):
    """The cluster has no room for any trial."""


class RayExecutor:
    """Runs trials on a Ray cluster, with the outcomes of `ProcessExecutor`.

    A trial whose node or seat is lost runs again as it was; after four times without an epoch in
    between it is FAILED. Where the cluster has fewer places than ``n_workers``, trials take turns.

    Args:
        recipe: Makes the objective in a worker; can be pickled.
        share: What each trial gets of the cluster.
        address: The cluster's; None: one of this machine alone is started, and ended.
        n_workers: Trials at a time.
        timeout_s: Seconds a trial may take; None: no limit.
        memory_mb: MiB that a worker may hold; None: no limit.
        wait_s: Seconds that trials may wait for a first place in the cluster.
        preload: Modules that trials need, imported once a seat.

    Raises:
        ConfigError: Ray or the cluster is not there, or has no room.
    """

    is_isolated = True

    def __init__(
        self,
        recipe: Recipe,
        *,
        share: Share | None = None,
        address: str | None = None,
        n_workers: int = 1,
        timeout_s: float | None = None,
        memory_mb: float | None = None,
        wait_s: float = WAIT_S,
        preload: Sequence[str] = (),
    ) -> None:
        self.n_workers = n_workers
        share = share or Share()
        self._stack = contextlib.ExitStack()
        self._stack.enter_context(joined(address, share, n_workers=n_workers))
        import ray

        self._ray = ray
        self._make = ray.remote(Seat).options(max_restarts=0, **share.options())
        self._given = ray.put(pickled(recipe)), timeout_s, memory_mb, tuple(preload)
        self._wait_s = wait_s
        self._idle: list[Any] = []
        self._busy: dict[Any, _Busy] = {}  # by the reference to what is said next
        self._ended: deque[TrialResult] = deque()
        self._losses = Losses()

    def submit(self, spec: TrialSpec) -> None:
        """Give ``spec`` to a free seat; to a new one, which Ray finds a place for, if none is."""
        seat = self._idle.pop() if self._idle else self._make.remote(*self._given)
        self._busy[seat.run.remote(_from_anywhere(spec))] = _Busy(seat, spec)

    def next_result(self, on_report: OnReport) -> TrialResult:
        """Listen to the seats until a trial has ended.

        Raises:
            NoPlace: The cluster has had no place for any trial.
            ForetuneError: The workers cannot make the objective, or die one after another.
        """
        while not self._ended:
            assert self._busy, "expected a submitted trial"
            timeout_s = WATCH_S if self._waiting else None
            ready, _ = self._ray.wait(list(self._busy), timeout=timeout_s)
            for reference in ready:
                self._listen(reference, on_report)
            self._limit()
        return self._ended.popleft()

    def cancel(self) -> None:
        """End every seat that runs a trial, its worker with it."""
        for busy in self._busy.values():
            self._ray.kill(busy.seat)
        self._busy.clear()
        self._ended.clear()

    def __enter__(self) -> Self:
        """The executor itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End every seat, and the cluster if it was started here."""
        self.cancel()
        while self._idle:
            self._ray.kill(self._idle.pop())
        self._stack.close()

    def _listen(self, reference: Any, on_report: OnReport) -> None:
        busy = self._busy.pop(reference)
        try:
            message: FromSeat = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            self._lost(busy, error)
            return
        answer: Answer | bool | None = None
        match message:
            case Began():
                busy.has_begun = True
            case Logged(name, level, text):
                logging.getLogger(name).log(level, "%s", text)
            case EpochReport() as report:
                busy.reports.append(report)
                self._busy[reference] = busy  # Ctrl-C may come now; then `cancel` must know it
                answer = on_report(busy.spec, report)
                del self._busy[reference]
            case TrialResult() as result:
                self._pass_on(busy.seat)
                self._end(dataclasses.replace(result, spec=busy.spec))
                return
            case Broken(cause):
                self._ray.kill(busy.seat)
                raise cause
        self._busy[busy.seat.listen.remote(answer)] = busy

    def _lost(self, busy: _Busy, error: Exception) -> None:
        """What becomes of a trial whose seat is gone."""
        number = busy.spec.number
        with contextlib.suppress(self._ray.exceptions.RayError):
            self._ray.kill(busy.seat)  # out of reach is not gone: it must not go on beside the next
        logger.warning("trial %d: its place in the cluster was lost: %s", number, _first(error))
        if (times := self._losses.times(number, busy.reports)) > MAX_LOSSES:
            what = f"its place in the cluster was lost, {times} times in a row: {_first(error)}"
            self._fail(busy, what)
        else:
            self.submit(busy.spec)

    @property
    def _waiting(self) -> list[Any]:
        return [key for key, busy in self._busy.items() if not busy.has_begun]

    def _pass_on(self, seat: Any) -> None:
        """Give a seat that is free to a trial that waits for one, if any does."""
        self._idle.append(seat)
        if self._waiting:
            busy = self._busy.pop(self._waiting[0])
            self._ray.kill(busy.seat)
            self.submit(busy.spec)

    def _limit(self) -> None:
        """Give up where every trial waits, and has for too long."""
        waiting = [self._busy[key] for key in self._waiting]
        if self._ended or not waiting or len(waiting) < len(self._busy):
            return
        first = min(waiting, key=lambda busy: busy.given_s)
        limit_s = self._wait_s
        if first.spec.deadline_s is not None:
            limit_s = min(limit_s, max(first.spec.deadline_s, STARTS_S))
        if time.monotonic() - first.given_s > limit_s:
            raise NoPlace(
                f"the Ray cluster had no place for a trial within {format_duration(limit_s)}"
                " (executor.ray.wait_s, search.budget_s); ask for less with executor.ray.cpus, gpus"
                " or executor.memory_mb, or run the same command again when it has room"
            )

    def _fail(self, busy: _Busy, reason: str) -> None:
        seconds = time.monotonic() - busy.given_s
        self._end(
            TrialResult(
                spec=busy.spec,
                status=Status.FAILED,
                score=None,
                epochs=tuple(busy.reports),
                resources=Resources(seconds=seconds),
                reason=reason,
                micro_batches=busy.spec.micro_batches,
            )
        )

    def _end(self, result: TrialResult) -> None:
        self._losses.forget(result.spec.number)
        self._ended.append(result)


def _from_anywhere(spec: TrialSpec) -> TrialSpec:
    """The trial with whole paths: a seat works in another folder."""
    places = {
        name: place.absolute()
        for name in ("save_to", "checkpoint")
        if (place := getattr(spec, name)) is not None
    }
    return dataclasses.replace(spec, **places)


def _first(error: Exception) -> str:
    """The first line of Ray's report."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
