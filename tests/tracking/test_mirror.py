"""Steps are written in order, kept where the store is away, given up where they are wrong."""

from __future__ import annotations

import logging

import pytest

from foretune.tracking.mirror import Mirror


class Store:
    """Takes words, unless it is away."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.is_away = False
        self.n_attempts = 0

    def take(self, word: str) -> None:
        self.n_attempts += 1
        if self.is_away:
            raise OSError("disk full")
        if word == "wrong":
            raise ValueError("no such word")
        self.words.append(word)


@pytest.fixture
def store() -> Store:
    return Store()


def mirror(pause_s: float = 0.0) -> Mirror:
    return Mirror(lambda error: isinstance(error, OSError), pause_s=pause_s)


def test_what_waited_is_written_first(store: Store, caplog: pytest.LogCaptureFixture):
    written = mirror()
    written.write(lambda: store.take("a"))
    store.is_away = True
    written.write(lambda: store.take("b"))
    written.write(lambda: store.take("c"))
    store.is_away = False
    written.write(lambda: store.take("d"))
    written.flush()
    assert store.words == ["a", "b", "c", "d"]
    assert [r.levelno for r in caplog.records if r.levelno >= logging.WARNING] == [logging.WARNING]


def test_a_wrong_step_holds_up_no_other(store: Store, caplog: pytest.LogCaptureFixture):
    written = mirror()
    for word in ("a", "wrong", "b", "wrong"):
        written.write(lambda w=word: store.take(w))
    written.flush()
    assert store.words == ["a", "b"]
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING] == [
        "MLflow cannot be written, the search goes on: no such word",
        "MLflow: 2 records of this search were not written",
    ]


def test_a_pause_is_kept_between_attempts(store: Store):
    written = mirror(pause_s=1000)
    store.is_away = True
    for word in "abc":
        written.write(lambda w=word: store.take(w))
    assert store.n_attempts == 1
    store.is_away = False
    written.flush()
    assert store.words == ["a", "b", "c"]


def test_an_interruption_goes_through():
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mirror().write(interrupted)
