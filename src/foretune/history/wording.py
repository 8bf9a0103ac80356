"""How are counts and studies put into a sentence?"""

from __future__ import annotations

from collections.abc import Sequence


def counted(n: int, noun: str) -> str:
    """A count with its noun.

    >>> counted(1, "study"), counted(2, "study"), counted(0, "trial")
    ('1 study', '2 studies', '0 trials')
    """
    if n == 1:
        return f"1 {noun}"
    return f"{n} {noun[:-1]}ies" if noun.endswith("y") else f"{n} {noun}s"


def named(names: Sequence[str]) -> str:
    """Studies by name, the first few of many.

    >>> named(["a"]), named(["a", "b"])
    ("study 'a'", "2 studies: 'a', 'b'")
    """
    shown = ", ".join(repr(name) for name in names[:3])
    if len(names) == 1:
        return f"study {shown}"
    return f"{counted(len(names), 'study')}: {shown}{', ...' if len(names) > 3 else ''}"


def numbered(trials: Sequence[object]) -> str:
    """Trials by number, the first few of many.

    >>> numbered([7]), numbered([0, 3, 4, 8])
    ('trial 7', '4 trials: 0, 3, 4, ...')
    """
    shown = ", ".join(str(number) for number in trials[:3])
    if len(trials) == 1:
        return f"trial {shown}"
    return f"{counted(len(trials), 'trial')}: {shown}{', ...' if len(trials) > 3 else ''}"


def whose(*, own: int, shipped: int) -> str:
    """How many studies there are to learn from, and whose.

    >>> whose(own=1, shipped=12), whose(own=3, shipped=0)
    ('1 own study, 12 shipped', '3 own studies')
    """
    told = counted(own, "own study")
    return f"{told}, {shipped} shipped" if shipped else told
