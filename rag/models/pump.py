"""An iterator read on a thread of its own, so that whoever waits for its items can stop waiting."""

import queue
import threading
from collections.abc import Callable, Generator, Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")
_CAPACITY = 64


class Ended(Exception):
    """The iterator has no more items."""


class Pump(Generic[Item]):
    """Reads the iterator that `make` returns, at most a few items ahead of `get`."""

    def __init__(self, make: Callable[[], Iterator[Item]], name: str) -> None:
        self._make = make
        self._items: queue.Queue[tuple[Item] | Exception] = queue.Queue(_CAPACITY)
        self._stopped = threading.Event()
        # A daemon: a provider that never returns must not keep the program from ending.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether the iterator is still being read; after `stop`, until it comes to its next item."""
        return self._thread.is_alive()

    def get(self, seconds: float) -> Item:
        """The next item. Raises queue.Empty after `seconds` without one, Ended after the last, and what the iterator
        raised."""
        item = self._items.get(timeout=seconds)
        if isinstance(item, tuple):
            return item[0]
        raise item

    def stop(self) -> None:
        """Makes the thread close the iterator at its next item and end. Does not wait for that."""
        self._stopped.set()
        # The thread may be waiting for room; given some, it sees that it was stopped before it needs more.
        while not self._items.empty():
            self._items.get_nowait()

    def _run(self) -> None:
        try:
            items = self._make()
            try:
                for item in items:
                    if self._stopped.is_set():
                        return
                    self._items.put((item,))
            finally:
                # Closing it is what makes a model stop computing and a connection close.
                if isinstance(items, Generator):
                    items.close()
        except Exception as error:
            self._end(error)
        # Providers may raise asyncio's CancelledError or SystemExit, which must not end whoever reads.
        except BaseException as error:
            wrapped = RuntimeError(f"The iterator raised {type(error).__name__}.")
            wrapped.__cause__ = error
            self._end(wrapped)
        else:
            self._end(Ended())

    def _end(self, error: Exception) -> None:
        if not self._stopped.is_set():
            self._items.put(error)
