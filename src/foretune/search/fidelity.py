"""Which trial gets the next epochs? Asked before a trial begins, and after each epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from optuna.study import Study
from optuna.trial import FrozenTrial


@dataclass(frozen=True)
class Next:
    """What to do next.

    Attributes:
        number: The paused trial to go on with; None: a new one.
        why: The reason, for people; empty for a new one.
    """

    number: int | None
    why: str = ""


@dataclass(frozen=True)
class Pause:
    """That a trial is put aside.

    Attributes:
        of: The last epoch of its budget; None: it is not known.
        why: The reason, for people.
        expected: What the trial is expected to come to, for programs (`Outlook.numbers`).
    """

    of: int | None
    why: str
    expected: Mapping[str, object] = field(default_factory=dict)


class Fidelity(Protocol):
    """Decides between running, paused and new trials."""

    def choose(
        self, study: Study, paused: Sequence[FrozenTrial], *, may_begin: bool
    ) -> Next | None:
        """What a free worker should do; None: nothing that is left is worth it.

        Args:
            study: The study.
            paused: Its trials that are put aside.
            may_begin: Whether the budget allows another trial.
        """
        ...

    def pause(
        self, study: Study, number: int, paused: Sequence[FrozenTrial], *, may_begin: bool
    ) -> Pause | None:
        """Whether the running trial ``number`` should be put aside now, and why.

        Args:
            study: The study, which has the trial's latest report.
            number: The trial.
            paused: Those that are put aside already.
            may_begin: Whether the budget allows another trial.
        """
        ...


class ToTheEnd:
    """Each trial to its end, one after another (``search.fidelity=full`` and ``pruned``)."""

    def choose(
        self, study: Study, paused: Sequence[FrozenTrial], *, may_begin: bool
    ) -> Next | None:
        """A new one; what a search of another kind left paused comes first."""
        if paused:
            return Next(paused[0].number, "paused by an earlier search")
        return Next(None) if may_begin else None

    def pause(
        self, study: Study, number: int, paused: Sequence[FrozenTrial], *, may_begin: bool
    ) -> Pause | None:
        """Never."""
        return None
