"""A bound on how much is computed at once: more threads than cores only slow each other down. Knows nothing of work."""

import threading
from collections import deque


class Gate:
    """A context manager that `places` threads may be in at once; the others wait in the order in which they came."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: deque[threading.Lock] = deque()
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        # Whoever leaves hands over the place: nobody who comes later can take it in between.
        turn.acquire()

    def __exit__(self, *_: object) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1
