"""How is something made while something else goes on? In a thread that no program waits for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


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
