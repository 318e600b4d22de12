import asyncio
import queue
import threading
from collections.abc import Callable, Iterator

import pytest

from rag.models.pump import Ended, Pump


def finished(pump: Pump) -> bool:
    pump._thread.join(20)
    return not pump.running


def test_items_come_in_order_and_then_the_end():
    pump = Pump(lambda: iter(range(500)), "numbers")
    assert [pump.get(20) for _ in range(500)] == list(range(500))
    with pytest.raises(Ended):
        pump.get(20)
    assert finished(pump)


def test_what_the_iterator_raises_comes_behind_its_items():
    def items() -> Iterator[int]:
        yield 1
        raise KeyError("boom")

    pump = Pump(items, "items")
    assert pump.get(20) == 1
    with pytest.raises(KeyError, match="boom"):
        pump.get(20)


def test_what_would_end_the_reader_is_wrapped():
    def items() -> Iterator[int]:
        yield from ()
        raise asyncio.CancelledError

    with pytest.raises(RuntimeError, match="CancelledError"):
        Pump(items, "items").get(20)


def test_what_fails_before_the_iterator_is_there_comes_too():
    def fails() -> Iterator[int]:
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        Pump(fails, "items").get(20)


def endless(closed: threading.Event, pause: Callable[[], object] = lambda: None) -> Iterator[int]:
    try:
        while True:
            yield 1
            pause()
    finally:
        closed.set()


def test_a_stopped_pump_closes_its_iterator():
    closed = threading.Event()
    pump = Pump(lambda: endless(closed), "endless")
    pump.get(20)
    pump.stop()
    assert closed.wait(20) and finished(pump)


def test_the_iterator_is_read_only_a_little_ahead():
    read = threading.Semaphore(0)
    pump = Pump(lambda: endless(threading.Event(), read.release), "endless")
    for _ in range(60):
        assert read.acquire(timeout=20)
    while read.acquire(timeout=0.2):
        pass
    assert pump.running
    pump.stop()
    assert finished(pump)


def test_a_reader_does_not_wait_for_an_iterator_that_hangs():
    release, closed = threading.Event(), threading.Event()
    pump = Pump(lambda: endless(closed, release.wait), "hanging")
    assert pump.get(20) == 1
    with pytest.raises(queue.Empty):
        pump.get(0.01)
    pump.stop()
    assert pump.running and not closed.is_set()
    release.set()
    assert closed.wait(20) and finished(pump)
