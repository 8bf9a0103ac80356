"""How do several searches share one screen? Each line says whose it is."""

from __future__ import annotations

import io
from typing import TextIO


class Prefixed(io.TextIOBase):
    r"""Writes to ``stream``, each line after ``prefix``; it is no terminal, whatever that is.

    >>> import sys
    >>> print("one\ntwo", file=Prefixed(sys.stdout, "[3] "))
    [3] one
    [3] two
    """

    def __init__(self, stream: TextIO, prefix: str) -> None:
        self._stream, self._prefix, self._rest = stream, prefix, ""

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, text: str) -> int:
        """Pass whole lines on, each in one piece."""
        *lines, self._rest = (self._rest + text).split("\n")
        if lines:
            self._stream.write("".join(f"{self._prefix}{line}\n" for line in lines))
            self._stream.flush()
        return len(text)

    def close(self) -> None:
        """Pass on what is left; the stream stays open."""
        if self._rest:
            self.write("\n")
        super().close()
