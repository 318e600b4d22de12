"""Answers that are given again: of the cache alone, and of questions to an engine with a scripted model."""

import threading
from collections.abc import Mapping
from dataclasses import fields, replace
from types import MappingProxyType
from typing import Any

import pytest

from rag.answer import Engine
from rag.answer_cache import AnswerCache, Key
from rag.index import domain_index_folder, publish
from rag.types import (
    Answer,
    Chunk,
    Citation,
    Event,
    Finished,
    Hit,
    Question,
    Retrieval,
    Retrieved,
    Sampling,
    Token,
    Turn,
    Usage,
    Waiting,
)
from tests.chat_server import ChatServer, Reply, event, fails, piece, says, start, wait
from tests.test_answer import HOW_LONG, TEXTS, build_index, finished, ground, scripted  # noqa: F401  (a fixture)

SIX = "The internship lasts six weeks [1]."
NINE = "It lasts six weeks, in two parts [1]."


def key(text: str = "?", version: str = "1", domain: str = "guide") -> Key:
    return Key.of(Question(text, domain), version)


def answer(text: str = "Six.", passage: str = "p") -> tuple[Retrieved, Answer]:
    chunk = Chunk("c", "d", "t", "s", "en", 1, 1, 0, len(passage), (), passage)
    hits = (Hit(chunk, 1.0),)
    retrieval = Retrieval(hits, 0.9, "en", timings={"embed": 1.0})
    cited = (Citation(1, chunk, "", 1),)
    return Retrieved(retrieval), Answer(text, (), cited, 0.9, "en", "m", hits, {"total": 1.0}, usage=Usage(5, 5, 5))


def asked(cache: AnswerCache, *keys: Key) -> list[str | None]:
    return [kept.answer.text if (kept := cache.get(one)) else None for one in keys]


def filled(cache: AnswerCache, *texts: str) -> AnswerCache:
    for text in texts:
        cache.get(key(text))
        cache.keep(key(text), *answer(text))
    return cache


def test_an_answer_is_kept_with_what_was_found_but_not_with_what_it_cost():
    cache = filled(AnswerCache(10), "a")
    kept = cache.get(key("a"))
    assert kept is not None and kept.answer.text == "a" and kept.answer.cached
    assert kept.answer.usage == Usage(0, 0, 0) and kept.answer.timings == {}
    assert kept.retrieved.retrieval.hits == kept.answer.hits and kept.retrieved.retrieval.timings == {}
    assert cache.get(key("b")) is None


def test_the_least_recently_used_goes_first():
    cache = filled(AnswerCache(2), "a", "b")
    cache.get(key("a"))
    filled(cache, "c")
    assert asked(cache, key("a"), key("b"), key("c")) == ["a", None, "c"] and len(cache) == 2


def test_the_text_that_is_kept_is_bounded():
    cache = AnswerCache(1000, size=200_000)
    for number in range(20):
        cache.get(key(str(number)))
        cache.keep(key(str(number)), *answer(str(number), "é" * 40_000))
    # Passages are counted once, however often they are referred to, with the bytes they take.
    assert len(cache) == 4 and asked(cache, key("19")) == ["19"]
    cache.keep(key("huge"), *answer("huge", "가" * 200_000))
    assert len(cache) == 4 and asked(cache, key("huge")) == [None]
    for _ in range(50):
        cache.keep(key("19"), *answer("19", "é" * 40_000))
    assert len(cache) == 4


def test_a_new_version_drops_the_answers_of_the_one_before_and_of_no_other_domain():
    cache = filled(AnswerCache(10), "a", "b")
    cache.get(key("a", domain="space"))
    cache.keep(key("a", domain="space"), *answer("far"))
    assert asked(cache, key("a", version="2")) == [None] and len(cache) == 1
    # One that began on the version before ends late.
    cache.keep(key("late"), *answer("late"))
    assert asked(cache, key("a", domain="space")) == ["far"] and len(cache) == 1


def test_none_is_kept_where_none_may_be():
    cache = filled(AnswerCache(0), "a")
    assert len(cache) == 0 and cache.begin(key("a")) is None and cache.begin(key("a")) is None
    cache.end(key("a"))


OTHERS: Mapping[str, Any] = {
    "text": "How long",
    "domain": "other",
    "language": "en",
    "interface_language": "hu",
    "history": (Turn("user", "Hello"),),
    "filters": {"language": "en"},
    "attachments": ("a",),
    "sampling": Sampling(seed=1),
    "model": "extractive",
}


def test_only_the_same_question_is_the_same():
    # A field that is added must stand above, or be left out of the key on purpose, as `fresh` is.
    assert OTHERS.keys() | {"fresh"} == {item.name for item in fields(Question)}
    questions = [HOW_LONG, *(replace(HOW_LONG, **{name: value}) for name, value in OTHERS.items())]
    questions += [replace(HOW_LONG, filters={"a": "b"}), replace(HOW_LONG, history=(Turn("assistant", "Hello"),))]
    questions += [replace(HOW_LONG, history=(Turn("user", "Hel"), Turn("user", "lo")))]
    questions += [replace(HOW_LONG, text="\ud800")]
    assert len({Key.of(question, "1") for question in questions}) == len(questions)
    assert Key.of(HOW_LONG, "1") != Key.of(HOW_LONG, "2")
    assert Key.of(replace(HOW_LONG, fresh=True), "1") == Key.of(HOW_LONG, "1")
    ordered = [MappingProxyType({"a": "b", "c": "d"}), {"c": "d", "a": "b"}]
    assert len({Key.of(replace(HOW_LONG, filters=filters), "1") for filters in ordered}) == 1


def test_the_same_question_gets_the_same_answer_without_a_model(ground):  # noqa: F811
    engine, chat = scripted(ground, SIX, NINE)
    first = engine.ask(HOW_LONG)
    events = list(engine.stream(HOW_LONG))
    again = finished(events[-1])
    assert [type(event) for event in events] == [Retrieved, Token, Finished] and len(chat.calls) == 1
    assert isinstance(events[0], Retrieved) and events[0].retrieval.hits == first.hits
    assert isinstance(events[1], Token) and events[1].text == first.text
    same = {"cached", "timings", "usage"}
    for item in {item.name for item in fields(Answer)} - same:
        assert getattr(again, item) == getattr(first, item)
    assert again.cached and not first.cached and again.timings.keys() == {"first_token", "total"}
    assert engine.ask(replace(HOW_LONG, text="How long does the internship last")).text != first.text


def test_a_new_answer_can_be_asked_for_and_is_the_one_that_is_kept(ground):  # noqa: F811
    engine, chat = scripted(ground, SIX, NINE)
    engine.ask(HOW_LONG)
    fresh = engine.ask(replace(HOW_LONG, fresh=True))
    assert "two parts" in fresh.text and not fresh.cached and len(chat.calls) == 2
    assert engine.ask(HOW_LONG).text == fresh.text and len(chat.calls) == 2


def test_refusals_and_extractive_answers_are_kept_too(ground):  # noqa: F811
    engine, _ = scripted(ground, "NO_ANSWER")
    for question in (
        HOW_LONG,
        replace(HOW_LONG, model="extractive"),
        Question("Who won the football championship yesterday evening?", "guide"),
    ):
        first, second = engine.ask(question), engine.ask(question)
        assert second.cached and (second.text, second.answerable) == (first.text, first.answerable)


@pytest.mark.parametrize(
    "reply",
    [
        ConnectionError(),
        ["The internship lasts six weeks", ConnectionError()],
        "A gyakorlat hat hétig tart, és két részletben is le lehet tölteni.",
    ],
)
def test_an_answer_that_is_not_whole_is_not_kept(ground, reply):  # noqa: F811
    engine, chat = scripted(ground, reply, reply, SIX)
    before = len(chat.calls)
    engine.ask(HOW_LONG)
    assert len(chat.calls) > before and len(engine._answers) == 0
    assert not engine.ask(HOW_LONG).cached


def test_an_answer_that_was_stopped_is_not_kept(ground):  # noqa: F811
    engine, _ = scripted(ground, "The internship lasts six weeks" + " or more" * 50, SIX)
    seen: list[Token] = []
    for one in engine.stream(HOW_LONG, lambda: len(seen) >= 4):
        if isinstance(one, Token):
            seen.append(one)
    assert "or more" not in engine.ask(HOW_LONG).text


def test_whoever_closes_the_stream_leaves_nothing(ground):  # noqa: F811
    engine, _ = scripted(ground, SIX, NINE)
    running = engine.stream(HOW_LONG)
    while not isinstance(next(running), Token):
        pass
    running.close()  # type: ignore[attr-defined]
    assert "two parts" in engine.ask(HOW_LONG).text


def test_a_follow_up_that_no_model_understood_is_not_kept(ground):  # noqa: F811
    history = (Turn("user", "What is the deadline of the request form?"), Turn("assistant", "30 April 2026 [1]"))
    follow_up = Question("And where?", "guide", history=history)
    office = "The form is handed in at the office [1]."
    engine, chat = scripted(ground, "", office, "Where is the request form handed in?", office)
    assert not engine.ask(follow_up).cached
    assert not engine.ask(follow_up).cached and len(chat.calls) == 4
    assert engine.ask(follow_up).cached and len(chat.calls) == 4


def test_a_new_version_of_the_index_is_answered_anew(ground, tmp_path):  # noqa: F811
    settings = replace(ground, var=tmp_path)
    build_index(settings, "1")
    engine = Engine(settings)
    engine.ask(HOW_LONG)
    build_index(settings, "2", {"en": ["The internship lasts nine weeks."], "hu": TEXTS["hu"]})
    answer = engine.ask(HOW_LONG)
    assert "nine weeks" in answer.text and not answer.cached and engine.ask(HOW_LONG).cached
    publish(settings, "guide", "1")
    assert domain_index_folder(settings, "guide").is_dir() and "six weeks" in engine.ask(HOW_LONG).text
    engine.close()


def test_it_can_be_switched_off(ground):  # noqa: F811
    engine = Engine(replace(ground, cached_answers=0))
    assert not any(engine.ask(HOW_LONG).cached for _ in range(3))
    engine.close()


class Slow:
    """A reply that says its text only when it is told to, however many ask; `entered` counts who does."""

    def __init__(self, text: str) -> None:
        self.entered = threading.Semaphore(0)
        self.go = threading.Event()
        self._text = text

    def __call__(self, handler: Any) -> None:
        start(handler)
        event(handler, piece(self._text))
        self.entered.release()
        while not self.go.is_set() and not wait(handler, 0.01):
            pass
        event(handler, piece(None, "stop"))
        event(handler, "[DONE]")


class Visitor:
    """Asks on a thread of its own; `left` ends it."""

    def __init__(self, engine: Engine, question: Question = HOW_LONG) -> None:
        self.events: list[Event] = []
        self.left = threading.Event()
        self.searched = threading.Event()
        self._thread = threading.Thread(target=self._ask, args=(engine, question), daemon=True)
        self._thread.start()

    def _ask(self, engine: Engine, question: Question) -> None:
        for one in engine.stream(question, self.left.is_set):
            self.events.append(one)
            if isinstance(one, Retrieved):
                self.searched.set()

    def answer(self) -> Answer:
        self._thread.join(20)
        assert not self._thread.is_alive()
        return finished(self.events[-1])


@pytest.fixture
def served(ground):  # noqa: F811
    """An engine whose model is at a server with one reply; the server."""
    opened: list[Any] = []

    def serve(*replies: Reply) -> tuple[Engine, ChatServer]:
        server = ChatServer(*replies)
        chain = server.settings(
            models=("openai:m",), corpora=ground.corpora, var=ground.var, threads=1, model_timeout=10.0
        )
        engine = Engine(chain)
        opened.extend((server, engine))
        return engine, server

    yield serve
    for one in opened:
        one.close()


def test_the_same_question_at_once_is_answered_once(served):
    slow = Slow(SIX)
    engine, server = served(slow)
    first = Visitor(engine)
    assert slow.entered.acquire(timeout=10)
    others = [Visitor(engine) for _ in range(5)]
    for other in others:
        assert other.searched.wait(10)
    while not all(any(isinstance(one, Waiting) for one in other.events) for other in others):
        assert not slow.go.wait(0.02)
    slow.go.set()
    assert len({visitor.answer().text for visitor in (first, *others)}) == 1 and len(server.requests) == 1
    assert not first.answer().cached and all(other.answer().cached for other in others)


def test_whoever_waits_for_an_answer_that_is_given_up_goes_on_alone(served):
    slow = Slow(SIX)
    engine, server = served(slow)
    first = Visitor(engine)
    assert slow.entered.acquire(timeout=10)
    other = Visitor(engine)
    assert other.searched.wait(10)
    first.left.set()
    assert first.answer().notices == ("The answer was stopped.",)
    assert slow.entered.acquire(timeout=10)
    slow.go.set()
    assert other.answer().text == "The internship lasts six weeks. [1]" and not other.answer().cached
    assert len(server.requests) == 2


def test_whoever_waits_can_leave(served):
    slow = Slow(SIX)
    engine, server = served(slow)
    first = Visitor(engine)
    assert slow.entered.acquire(timeout=10)
    other = Visitor(engine)
    assert other.searched.wait(10)
    other.left.set()
    assert other.answer().text == "" and len(server.requests) == 1
    slow.go.set()
    assert first.answer().text


def test_a_new_answer_waits_for_nobody(served):
    slow = Slow(SIX)
    engine, server = served(slow, says(NINE))
    first = Visitor(engine)
    assert slow.entered.acquire(timeout=10)
    assert "two parts" in Visitor(engine, replace(HOW_LONG, fresh=True)).answer().text
    slow.go.set()
    assert "two parts" not in first.answer().text and len(server.requests) == 2


def test_after_a_failure_the_next_one_asks_again(served):
    engine, server = served(fails(400), says(SIX))
    assert engine.ask(HOW_LONG).failures
    assert not engine.ask(HOW_LONG).cached
