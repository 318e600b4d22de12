import threading
import time

import pytest

from rag.gate import Gate


class Crowd:
    """Threads that go through a gate and stay inside until they are let out; keeps the order in which they went in."""

    def __init__(self, places: int) -> None:
        self.gate = Gate(places)
        self.inside: list[int] = []
        self.most = self._now = 0
        self._lock = threading.Lock()
        self._entered = threading.Semaphore(0)
        self._exits: dict[int, threading.Event] = {}
        self._threads: list[threading.Thread] = []

    def come(self, name: int) -> None:
        """Returns once the thread is inside, or waits in the line."""
        self._exits[name] = threading.Event()
        waiting = len(self.gate._waiting)
        before = len(self.inside)
        thread = threading.Thread(target=self._pass, args=(name,), daemon=True)
        self._threads.append(thread)
        thread.start()
        while len(self.gate._waiting) == waiting and len(self.inside) == before:
            time.sleep(0.001)

    def leave(self, name: int) -> None:
        self._exits[name].set()

    def wait_for(self, count: int) -> None:
        for _ in range(count):
            assert self._entered.acquire(timeout=10)

    def end(self) -> None:
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()

    def _pass(self, name: int) -> None:
        with self.gate:
            with self._lock:
                self.inside.append(name)
                self._now += 1
                self.most = max(self.most, self._now)
            self._entered.release()
            self._exits[name].wait(10)
            with self._lock:
                self._now -= 1


@pytest.mark.parametrize("places", [1, 2, 3])
def test_so_many_are_in_at_once_and_the_others_follow_in_order(places):
    crowd = Crowd(places)
    for name in range(8):
        crowd.come(name)
    crowd.wait_for(places)
    for name in range(8):
        crowd.leave(name)
        if name + places < 8:
            crowd.wait_for(1)
    crowd.end()
    assert crowd.inside == [*range(8)] and crowd.most == places


def test_whoever_fails_inside_leaves_the_place():
    gate = Gate(1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), gate:
            raise ZeroDivisionError
    crowd = Crowd(1)
    crowd.gate = gate
    crowd.come(0)
    crowd.leave(0)
    crowd.end()
    assert crowd.inside == [0]
