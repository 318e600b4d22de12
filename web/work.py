"""Work that blocks, done on a bounded number of threads, so that the event loop never waits. Knows nothing of HTTP."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from typing import TypeVar

Result = TypeVar("Result")
Item = TypeVar("Item")


class Pool:
    """So many threads, in use only while there is work; what comes beyond waits for its turn."""

    def __init__(self, threads: int, name: str) -> None:
        self._threads = ThreadPoolExecutor(threads, name)

    async def run(self, function: Callable[..., Result], *arguments: object) -> Result:
        """What the function returns or raises."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, copy_context().run, function, *arguments)

    async def read(
        self, make: Callable[[Callable[[], bool]], Iterator[Item]], seconds: float
    ) -> AsyncGenerator[Item | None, None]:
        """The items of the iterator that `make` returns, and None whenever there was none for so many seconds.

        `make` is given a function that tells whether the reader has left: it does when this generator is closed or its
        task cancelled.
        """
        loop = asyncio.get_running_loop()
        items: asyncio.Queue[tuple[Item] | Exception | None] = asyncio.Queue()
        left = threading.Event()

        def put(item: tuple[Item] | Exception | None) -> None:
            # Nobody is there any more where the loop was closed.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(items.put_nowait, item)

        def work() -> None:
            try:
                if not left.is_set():
                    for item in make(left.is_set):
                        put((item,))
            # Whoever reads gets it, as if there were no thread in between.
            except Exception as error:
                put(error)
            else:
                put(None)

        working = self._threads.submit(copy_context().run, work)
        try:
            while True:
                try:
                    # Not wait_for: in Python 3.11 it loses a cancellation that comes together with an item.
                    async with asyncio.timeout(seconds):
                        item = await items.get()
                except TimeoutError:
                    yield None
                    continue
                if item is None:
                    return
                if isinstance(item, Exception):
                    raise item
                yield item[0]
        finally:
            left.set()
            working.cancel()
