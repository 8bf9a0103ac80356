"""How much a search may spend: trials, seconds, or both, whichever ends first."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

UNIT_S = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(min|[smhdw]?)\s*")


def parse_duration(text: str | float) -> float:
    """Seconds meant by a number or by text such as ``90``, ``"2h"``, ``"7d"``, ``"1h30m"``.

    Raises:
        ValueError: The text is no duration, or it is not above zero and finite.

    >>> parse_duration("2h"), parse_duration("1h30m"), parse_duration(90)
    (7200.0, 5400.0, 90.0)
    """
    if isinstance(text, str) and text.strip():
        rest, seconds = text.strip().lower(), 0.0
        while rest:
            part = _PART.match(rest)
            if part is None:
                raise ValueError(f"expected a duration such as 90, '2h' or '7d', got {text!r}")
            seconds += float(part[1]) * UNIT_S[part[2]]
            rest = rest[part.end() :]
    elif isinstance(text, str | bool):
        raise ValueError(f"expected a duration such as 90, '2h' or '7d', got {text!r}")
    else:
        seconds = float(text)
    if not (seconds > 0 and math.isfinite(seconds)):
        raise ValueError(f"expected a duration above 0 seconds, got {text!r}")
    return seconds


def format_duration(seconds: float) -> str:
    """Seconds as a person says them.

    >>> format_duration(42.25), format_duration(312), format_duration(8000)
    ('42.2 s', '5 min 12 s', '2 h 13 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


@dataclass(frozen=True)
class Budget:
    """At most ``n_trials`` trials and ``budget_s`` seconds; None: no limit.

    Raises:
        ValueError: Neither is given, or one is not above zero.
    """

    n_trials: int | None = None
    budget_s: float | None = None

    def __post_init__(self) -> None:
        if self.n_trials is None and self.budget_s is None:
            raise ValueError("expected n_trials and/or budget_s, got neither")
        for name, value in (("n_trials", self.n_trials), ("budget_s", self.budget_s)):
            if value is not None and not value > 0:
                raise ValueError(f"expected {name} above 0, got {value}")

    def spent(self, n_trials: int, seconds: float) -> bool:
        """Whether ``n_trials`` trials and ``seconds`` seconds use up this budget."""
        return (self.n_trials is not None and n_trials >= self.n_trials) or (
            self.budget_s is not None and seconds >= self.budget_s
        )
