"""What a request that costs work passes first: is there a place, and has whoever asks some of their budget left?

One for the page, the interface for programs and assistants together. Knows nothing of HTTP.
"""

import math
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, TypeVar

from rag.models import EXTRACTIVE, estimate_tokens
from rag.settings import Settings
from rag.types import Answer, Event, Finished, Question, Usage
from web.access.caller import Caller, Limits
from web.access.ledger import Exceeded, Ledger, Standing
from web.admission import Admission
from web.work import Pool

if TYPE_CHECKING:
    from web.metrics import Metrics

Result = TypeVar("Result")

ANSWER = "answer"
SEARCH = "search"
"""Kinds of work: an answer mostly waits for its model, all else computes for a moment."""
_WAIT_SECONDS = {ANSWER: 5, SEARCH: 1}
_SEARCH_THREADS = 4


class Engine(Protocol):
    """What is asked for an answer."""

    def stream(self, question: Question, cancelled: Callable[[], bool] = ...) -> Iterator[Event]: ...


class Refused(Exception):
    """No work is done for a request. `code` is that of OpenAI's interface, `seconds` when to ask again."""

    def __init__(self, code: str, message: str, seconds: float, standing: Standing | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.seconds = max(math.ceil(seconds), 1)
        self.headers = _headers(standing) | {"retry-after": str(self.seconds)}
        if code == "insufficient_quota":
            # OpenAI's clients would ask again at once.
            self.headers["x-should-retry"] = "false"


class Left(Exception):
    """Whoever asked is gone."""


class Place:
    """A request's place among those that are worked on. `headers` tell what is left of the requests of its caller.

    It is free again when the request ends. Once a thread works for it, it is free when that ends: neither whoever reads
    slowly holds a place, nor does whoever leaves free one that is still worked on. Thread-safe.
    """

    def __init__(
        self,
        pool: Pool,
        free: Callable[[], None],
        spend: Callable[[int], None],
        latest: float,
        standing: Standing | None = None,
    ) -> None:
        self.headers = _headers(standing)
        self._pool = pool
        self._free = free
        self._spend = spend
        self._latest = latest
        self._lock = threading.Lock()
        self._held = True
        self._worked = False

    @property
    def late(self) -> bool:
        """Whether the request has taken as long as it may."""
        return time.monotonic() >= self._latest

    def leave(self) -> None:
        """The request has ended."""
        with self._lock:
            if self._worked or not self._held:
                return
            self._held = False
        self._free()

    async def run(self, function: Callable[..., Result], *arguments: object) -> Result:
        """What the function returns or raises, on a thread."""

        def work() -> Result:
            with self._work():
                return function(*arguments)

        return await self._pool.run(work)

    def answer(
        self, engine: Engine, question: Question, seconds: float, stopped: Callable[[], bool] = lambda: False
    ) -> AsyncGenerator[Event | None, None]:
        """The events of an answer, written on a thread, and None whenever there was none for so many seconds.

        Its tokens are counted. Where it takes too long, is stopped or no longer read, it ends with what there is.
        """

        def write(left: Callable[[], bool]) -> Iterator[Event]:
            with self._work():
                for event in engine.stream(question, lambda: left() or stopped() or self.late):
                    if isinstance(event, Finished):
                        self._spend(tokens(question, event.answer))
                        if self.late:
                            event = Finished(replace(event.answer, shortened=True))
                    yield event

        return self._pool.read(write, seconds)

    @contextmanager
    def _work(self) -> Iterator[None]:
        with self._lock:
            if not self._held:
                raise Left
            self._worked = True
        try:
            yield
        finally:
            self._free()


class Entrance:
    """Gives out places. Thread-safe."""

    def __init__(self, settings: Settings, metrics: "Metrics | None" = None) -> None:
        self._seconds = settings.request_seconds
        self._ledger = Ledger(settings)
        self._metrics = metrics
        limits = {ANSWER: settings.concurrent_answers, SEARCH: settings.concurrent_searches}
        self.answers = settings.concurrent_answers
        self._admission = Admission(limits, metrics.places if metrics else lambda kind, by: None)
        self._pools = {ANSWER: Pool(settings.concurrent_answers, ANSWER), SEARCH: Pool(_SEARCH_THREADS, SEARCH)}
        # Counting may wait for another process; the event loop does not.
        self._counting = Pool(1, "ledger")

    @asynccontextmanager
    async def enter(self, kind: str, caller: Caller, counted: bool = True) -> AsyncIterator[Place]:
        """A place for as long as the block runs, for one request of the caller's budget if it is `counted`.

        Raises Refused.
        """
        if not self._admission.take(kind):
            self._refused("overloaded")
            message = "Too many requests are being worked on. Ask again in a few seconds."
            raise Refused("overloaded", message, _WAIT_SECONDS[kind])
        latest = time.monotonic() + self._seconds
        try:
            # Whoever has no limit waits for no thread.
            limited = counted and caller.limits != Limits()
            standing = await self._counting.run(self._ledger.take, caller) if limited else None
        except BaseException as error:
            self._admission.free(kind)
            if isinstance(error, Exceeded):
                raise self._exceeded(error) from error
            raise
        place = Place(
            self._pools[kind],
            lambda: self._admission.free(kind),
            lambda used: self._ledger.spend(caller, used),
            latest,
            standing,
        )
        try:
            yield place
        finally:
            place.leave()

    def _exceeded(self, error: Exceeded) -> Refused:
        code = "rate_limit_exceeded" if error.unit == "minute" else "insufficient_quota"
        self._refused(code)
        if error.unit == "tokens":
            message = f"The {error.limit} tokens a day are used up. There are new ones at 00:00 UTC."
            return Refused(code, message, error.seconds)
        again = f"in {math.ceil(error.seconds)} seconds" if error.unit == "minute" else "from 00:00 UTC"
        message = f"{error.limit} requests a {error.unit} are allowed, and used up. There are new ones {again}."
        return Refused(code, message, error.seconds, Standing(error.limit, 0, error.seconds))

    def _refused(self, code: str) -> None:
        if self._metrics:
            self._metrics.refused(code)


def tokens(question: Question, answer: Answer) -> int:
    """Tokens that a model took and gave for an answer, estimated where it does not say; none where none was asked."""
    used = answer.usage
    if answer.cached or (used == Usage() and answer.model in ("", EXTRACTIVE)):
        return 0
    said = (question.text, *(turn.text for turn in question.history), *(hit.chunk.text for hit in answer.hits))
    prompt = sum(map(estimate_tokens, said)) if used.prompt_tokens is None else used.prompt_tokens
    return prompt + (estimate_tokens(answer.text) if used.completion_tokens is None else used.completion_tokens)


def _headers(standing: Standing | None) -> dict[str, str]:
    """https://platform.openai.com/docs/guides/rate-limits"""
    if standing is None:
        return {}
    minutes, seconds = divmod(math.ceil(standing.seconds), 60)
    hours, minutes = divmod(minutes, 60)
    reset = f"{hours}h{minutes}m{seconds}s" if hours else f"{minutes}m{seconds}s" if minutes else f"{seconds}s"
    before = "x-ratelimit"
    return {
        f"{before}-limit-requests": str(standing.limit),
        f"{before}-remaining-requests": str(standing.remaining),
        f"{before}-reset-requests": reset,
    }
