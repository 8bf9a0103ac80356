"""What is kept in the process across trials: tokenised splits, base weights, frozen features."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TypeVar, cast

T = TypeVar("T")


class ByteCache:
    """Values by key, the least recently used dropped when their sizes exceed the limit.

    Args:
        limit_bytes: What all values may take; None: no limit.
    """

    def __init__(self, limit_bytes: int | None = None) -> None:
        self.limit_bytes = limit_bytes
        self._entries: OrderedDict[Hashable, tuple[object, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], T], size: Callable[[T], int]) -> T:
        """The value under ``key``, made where there is none.

        Args:
            key: Everything that the value depends on.
            make: Computes the value.
            size: Bytes that the value takes. One above the limit is returned but not kept.
        """
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
                return cast(T, self._entries[key][0])
        value = make()
        n_bytes = size(value)
        with self._lock:
            if self.limit_bytes is None or n_bytes <= self.limit_bytes:
                self._entries[key] = (value, n_bytes)
                while self.limit_bytes is not None and self.used_bytes > self.limit_bytes:
                    self._entries.popitem(last=False)
        return value

    @property
    def used_bytes(self) -> int:
        """Bytes that the kept values take."""
        return sum(n_bytes for _, n_bytes in self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()
