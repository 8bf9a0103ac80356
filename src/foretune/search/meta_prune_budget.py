"""How long will a trial run? Nobody tells a pruner; the completed trials show it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial

_NAMED = re.compile(r"epoch|step|iter|round|budget|estimators", re.IGNORECASE)


@dataclass(frozen=True)
class Budgets:
    """What completed trials show of the length of a trial.

    Attributes:
        longest: The last step of the longest one; 0: none is known.
        param: The parameter that gives a trial's last step; None: all have ``longest``.
        zero: Whether steps are counted from 0.
    """

    longest: int = 0
    param: str | None = None
    zero: bool = False

    @classmethod
    def of(cls, done: Sequence[FrozenTrial]) -> Budgets:
        """From completed trials with reports."""
        if not done:
            return cls()
        zero = any(min(t.intermediate_values) == 0 for t in done)
        lengths = [max(t.intermediate_values) + zero for t in done]
        followed = [
            name
            for name in done[0].params
            if all(_is(t.params.get(name), n) for t, n in zip(done, lengths, strict=True))
            and (len(set(lengths)) > 1 or _NAMED.search(name))
        ]
        return cls(max(lengths) - zero, followed[0] if followed else None, zero)

    def last_step(self, params: Mapping[str, object], given: int | None) -> int:
        """The last step of a trial with ``params``.

        Args:
            params: Its parameters.
            given: What the user said; None: nothing.
        """
        if given is not None:
            return given
        value = params.get(self.param) if self.param is not None else None
        if isinstance(value, int | float) and value >= 1:
            return int(value) - self.zero
        return self.longest


def _is(value: object, length: int) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == length
