"""What became of a Ctrl-C? Python loses one that comes while an object is thrown away.

A KeyboardInterrupt in ``__del__`` or in a weak reference's callback is printed as "Exception
ignored", and the program goes on. So it is noted, too, and asked for between two pieces of work.
"""

from __future__ import annotations

import contextlib
import signal
from types import FrameType

_noted: list[int] = []


def note_interrupts() -> None:
    """Note Ctrl-C, and take what a cluster sends before it takes the machine away for one.

    In a main thread; where Ctrl-C is ignored, as in a shell's background, it stays so.
    """
    with contextlib.suppress(ValueError):  # not in a main thread
        signal.signal(signal.SIGTERM, _interrupt)
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, _interrupt)


def raise_lost_interrupt() -> None:
    """Raise KeyboardInterrupt if one was asked for, wherever it went."""
    if _noted:
        raise KeyboardInterrupt


def _interrupt(number: int, frame: FrameType | None) -> None:
    _noted.append(number)
    raise KeyboardInterrupt
