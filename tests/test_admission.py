"""How many requests are worked on at once, and what a place is to a request and to the thread that works for it."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rag.settings import Settings
from rag.types import Answer, Event, Finished, Question, Token, Turn, Usage
from web.access.caller import Caller, Limits
from web.admission import Admission
from web.entrance import ANSWER, SEARCH, Entrance, Refused, tokens

QUESTION = Question("How long?", "guide")
UNKNOWN = Usage()


class Writer:
    """Writes until it is told to stop, and knows when it was."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.cancelled = threading.Event()

    def stream(self, question: Question, cancelled: Callable[[], bool] = lambda: False) -> Iterator[Event]:
        yield Token("Six ")
        while not self.stop.wait(0.01):
            if cancelled():
                self.cancelled.set()
        yield Finished(answer("Six weeks.", Usage(30, 30, 10), "m"))


def answer(text: str, usage: Usage = UNKNOWN, model: str = "extractive", **fields: Any) -> Answer:
    return Answer(text, (), (), 0.9, "en", model, (), usage=usage, **fields)


def entrance(folder: Path, **settings: Any) -> Entrance:
    return Entrance(replace(Settings(), var=folder, **settings))


def in_use(entered: Entrance, kind: str = ANSWER) -> int:
    return entered._admission.used(kind)


def soon(true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 20
    while not true() and time.monotonic() < deadline:
        time.sleep(0.01)
    return true()


def test_no_more_than_the_limit_are_in() -> None:
    told: list[int] = []
    admission = Admission({"answer": 3, "search": 1}, lambda kind, by: told.append(by))
    assert [admission.take("answer") for _ in range(4)] == [True, True, True, False]
    assert admission.take("search"), "kinds do not take each other's places"
    admission.free("answer")
    assert admission.take("answer") and not admission.take("answer")
    assert sum(told) == admission.used("answer") + admission.used("search") == 4


def test_threads_do_not_pass_the_limit_together() -> None:
    admission, most, lock, seen = Admission({"answer": 5}), 0, threading.Lock(), []

    def work(_: int) -> bool:
        nonlocal most
        if not admission.take("answer"):
            return False
        with lock:
            most = max(most, admission.used("answer"))
        time.sleep(0.001)
        admission.free("answer")
        return True

    with ThreadPoolExecutor(16) as pool:
        seen = list(pool.map(work, range(300)))
    assert most <= 5 and any(seen) and admission.used("answer") == 0


def test_whoever_is_refused_pays_nothing(tmp_path: Path) -> None:
    entered, caller = entrance(tmp_path, concurrent_searches=1), Caller("key", "a", limits=Limits(day=2))

    async def ask() -> list[str]:
        headers = []
        async with entered.enter(SEARCH, caller) as place:
            headers.append(place.headers["x-ratelimit-remaining-requests"])
            with pytest.raises(Refused) as refused:
                async with entered.enter(SEARCH, caller):
                    pass
            assert refused.value.code == "overloaded" and refused.value.headers == {"retry-after": "1"}
        async with entered.enter(SEARCH, caller) as place:
            headers.append(place.headers["x-ratelimit-remaining-requests"])
        with pytest.raises(Refused) as refused:
            async with entered.enter(SEARCH, caller):
                pass
        assert refused.value.code == "insufficient_quota" and refused.value.headers["x-should-retry"] == "false"
        async with entered.enter(SEARCH, caller, counted=False) as place:
            assert place.headers == {}
        return headers

    assert asyncio.run(ask()) == ["1", "0"]
    assert in_use(entered, SEARCH) == 0


def test_a_place_is_free_when_the_request_fails(tmp_path: Path) -> None:
    entered = entrance(tmp_path)

    def fail() -> None:
        raise KeyError("x")

    async def ask() -> None:
        async with entered.enter(SEARCH, Caller()) as place:
            await place.run(fail)

    for _ in range(3):
        with pytest.raises(KeyError):
            asyncio.run(ask())
    assert in_use(entered, SEARCH) == 0


def test_a_place_is_held_as_long_as_a_thread_works(tmp_path: Path) -> None:
    entered, engine = entrance(tmp_path, concurrent_answers=1), Writer()

    async def leave() -> None:
        async with entered.enter(ANSWER, Caller()) as place:
            events = place.answer(engine, QUESTION, 1.0)
            assert await anext(events) == Token("Six ")
            await events.aclose()
        with pytest.raises(Refused):
            async with entered.enter(ANSWER, Caller()):
                pass

    asyncio.run(leave())
    assert engine.cancelled.wait(20), "the engine is told that nobody reads"
    assert in_use(entered) == 1
    engine.stop.set()
    assert soon(lambda: in_use(entered) == 0)


def test_whoever_reads_slowly_holds_no_place(tmp_path: Path) -> None:
    entered, engine = entrance(tmp_path, concurrent_answers=1), Writer()
    engine.stop.set()

    async def read() -> list[Event | None]:
        async with entered.enter(ANSWER, Caller()) as place:
            events = place.answer(engine, QUESTION, 1.0)
            first = [await anext(events)]
            assert await asyncio.to_thread(soon, lambda: in_use(entered) == 0)
            async with entered.enter(ANSWER, Caller()):
                pass
            return first + [event async for event in events]

    assert len(asyncio.run(read())) == 2
    assert in_use(entered) == 0


def test_an_answer_that_takes_too_long_ends_with_what_there_is(tmp_path: Path) -> None:
    class Prompt(Writer):
        def stream(self, question: Question, cancelled: Callable[[], bool] = lambda: False) -> Iterator[Event]:
            while not cancelled():
                time.sleep(0.01)
            yield Finished(answer("Six"))

    entered = entrance(tmp_path, request_seconds=0.2)

    async def ask() -> list[Event | None]:
        async with entered.enter(ANSWER, Caller()) as place:
            return [event async for event in place.answer(Prompt(), QUESTION, 60.0)]

    (event,) = asyncio.run(ask())
    assert isinstance(event, Finished) and event.answer.shortened and event.answer.text == "Six"


def test_tokens_are_counted_when_an_answer_ends(tmp_path: Path) -> None:
    entered, caller, engine = entrance(tmp_path), Caller("key", "a", limits=Limits(tokens=40)), Writer()
    engine.stop.set()

    async def ask() -> None:
        async with entered.enter(ANSWER, caller) as place:
            async for _ in place.answer(engine, QUESTION, 1.0):
                pass

    asyncio.run(ask())
    with pytest.raises(Refused, match="40 tokens a day"):
        asyncio.run(ask())


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (answer("Six weeks."), 0),
        (answer("There is nothing.", model=""), 0),
        (answer("Six weeks.", Usage(30, 20, 5), "m"), 35),
        (answer("Six weeks.", Usage(30, 20, 5), "m", cached=True), 0),
        (answer("Six weeks.", Usage(30, 20, 5), "extractive"), 35),
    ],
)
def test_what_a_model_says_it_took_counts(given: Answer, expected: int) -> None:
    assert tokens(QUESTION, given) == expected


def test_what_a_model_does_not_say_is_estimated() -> None:
    short, long = answer("Six weeks.", model="m"), answer("Six weeks. " * 50, model="m")
    asked = replace(QUESTION, history=(Turn("user", "And the internship? " * 20),))
    assert 0 < tokens(QUESTION, short) < tokens(QUESTION, long) < tokens(asked, long)
