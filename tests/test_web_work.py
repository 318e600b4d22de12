"""Work on threads: whoever reads it can always be told to stop."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from web.work import Pool


@pytest.mark.parametrize("steps", range(8))
def test_a_reader_that_is_stopped_while_an_item_comes_stops(steps: int) -> None:
    go, ended = threading.Event(), threading.Event()

    def items(left: Callable[[], bool]) -> Iterator[int]:
        try:
            go.wait(10)
            for number in range(1000):
                yield number
                if left():
                    return
                time.sleep(0.005)
        finally:
            if left():
                ended.set()

    async def run() -> None:
        pool = Pool(1, "test")

        async def read() -> None:
            async for _ in pool.read(items, 60.0):
                pass

        reading = asyncio.create_task(read())
        await asyncio.sleep(0.05)
        go.set()
        # The loop stands still, so that the item is on its way when it goes on; then the reader is stopped so many
        # steps of the loop later.
        time.sleep(0.05)
        for _ in range(steps):
            await asyncio.sleep(0)
        reading.cancel()
        done, _ = await asyncio.wait([reading], timeout=2)
        assert done and reading.cancelled()

    asyncio.run(run())
    assert ended.wait(10)
