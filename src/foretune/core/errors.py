"""What can go wrong, as one small tree, and how an unknown name is reported."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class ForetuneError(Exception):
    """Base of every error that a user can cause and mend; the command line exits with code 2."""


class ConfigError(ForetuneError):
    """The configuration is wrong. Carries every problem found, not just the first."""

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class DataError(ForetuneError):
    """The data set cannot be used: missing, empty, of one class, unreadable."""


class ModelError(ForetuneError):
    """A model cannot be built or fetched."""


class HistoryError(ForetuneError):
    """The history cannot be opened, read or written."""


class TrialFailed(ForetuneError):
    """One trial cannot go on (NaN loss, out of memory); the search does. Carries the reason."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> str:
    """Say that ``name`` is no known ``kind``, name the nearest and list the known ones.

    >>> unknown_name("task", "imbd", ["imdb", "squad"])
    "unknown task 'imbd': did you mean 'imdb'? Known: imdb, squad"
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"unknown {kind} {name!r}: {hint}Known: {', '.join(names) or '(none)'}"
