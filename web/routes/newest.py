"""As one types, each search makes the one before it pointless: of each visitor's, only the newest is worked on."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class Superseded(Exception):
    """Whoever asked has asked for something else since."""


class Newest:
    """Ends what was asked before by the same visitor. For one event loop.

    What waits for its turn gives it up. What a thread already works on is finished for nobody: it takes a moment.
    """

    def __init__(self) -> None:
        self._asked: dict[str, asyncio.Task[Any]] = {}

    @property
    def count(self) -> int:
        """How many visitors wait for something now."""
        return len(self._asked)

    async def run(self, visitor: str, work: Coroutine[Any, Any, Result]) -> Result:
        """What `work` returns or raises. Raises Superseded where the visitor asked anew before it was done."""
        if older := self._asked.get(visitor):
            older.cancel()
        task = self._asked[visitor] = asyncio.ensure_future(work)
        try:
            return await task
        except asyncio.CancelledError:
            waiting = asyncio.current_task()
            if waiting and waiting.cancelling():
                raise
            raise Superseded from None
        finally:
            if self._asked.get(visitor) is task:
                del self._asked[visitor]
