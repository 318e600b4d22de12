import itertools
import threading
import time
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import Field

from rag.errors import ModelUnavailable
from rag.models import ChatModel, ModelCache, estimate_tokens
from rag.models.breaker import Breaker
from rag.models.chain import Chain, Generation
from rag.prompt import ContextTooSmall
from rag.settings import Settings
from rag.types import Usage, Waiting
from tests.doubles import ScriptedChat

MESSAGES: list[BaseMessage] = [HumanMessage("How long?")]


class PlayedChat(BaseChatModel):
    """Plays its parts each time: texts and chunks are given out, errors raised, functions called."""

    parts: Any = Field(repr=False)
    closed: Any = Field(default=None, repr=False)

    @property
    def _llm_type(self) -> str:
        return "played"

    def _stream(self, messages: list[BaseMessage], *_: Any, **options: Any) -> Iterator[ChatGenerationChunk]:
        try:
            for part in self.parts:
                if isinstance(part, BaseException):
                    raise part
                if callable(part):
                    part()
                else:
                    message = part if isinstance(part, AIMessageChunk) else AIMessageChunk(content=part)
                    yield ChatGenerationChunk(message=message)
        finally:
            if self.closed:
                self.closed.set()

    def _generate(self, *_: Any, **options: Any) -> ChatResult:
        raise NotImplementedError


class WholeChat(BaseChatModel):
    """A provider that can't stream."""

    @property
    def _llm_type(self) -> str:
        return "whole"

    def _generate(self, *_: Any, **options: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage(content="Six weeks."))])


def chunk(text: str = "", usage: dict[str, Any] | None = None, **metadata: Any) -> AIMessageChunk:
    return AIMessageChunk(content=text, response_metadata=metadata, usage_metadata=usage)  # type: ignore[arg-type]


DONE = chunk(finish_reason="stop")


def cache_of(chats: dict[str, BaseChatModel], **changes: Any) -> ModelCache:
    cache = ModelCache(Settings(**{"model_timeout": 20.0, **changes}))
    for name, chat in chats.items():
        cache._models[name] = ChatModel(name, chat, 1000, estimate_tokens)
    return cache


def chain_of(*chats: Any, breaker: Breaker | None = None, clock: Any = time.monotonic, **changes: Any) -> Chain:
    """A chain of `langchain:test:0` and so on; texts stand for a chat that says them."""
    named = {
        f"langchain:test:{number}": chat if isinstance(chat, BaseChatModel) else PlayedChat(parts=chat)
        for number, chat in enumerate(chats)
    }
    return Chain(tuple(named), cache_of(named, **changes), breaker, clock)


def run(chain: Chain, cancelled: Callable[[], bool] = lambda: False, **options: Any) -> tuple[str, Generation]:
    generation = Generation()
    pieces = list(chain.stream(generation, lambda model: MESSAGES, cancelled, **options))
    return "".join(piece for piece in pieces if isinstance(piece, str)), generation


def complete(chain: Chain, seconds: float = 20.0, characters: int = 100, cancelled: Any = lambda: False) -> str:
    return chain.complete(lambda model: MESSAGES, cancelled, seconds, characters)


def ticking(step: float = 0.01) -> Callable[[], float]:
    """A clock that goes on by a step at each look, so that minutes pass in no time."""
    counter = itertools.count()
    return lambda: next(counter) * step


def test_the_next_model_takes_over():
    text, generation = run(chain_of([MemoryError()], [ModelUnavailable("no")], [], ["Six ", "weeks.", DONE], ["no"]))
    assert text == "Six weeks."
    assert generation.model == "langchain:test:3"
    assert [reason for _, reason in generation.failures] == ["memory", "unavailable", "broken"]


def test_when_all_fail_the_answer_is_extractive():
    text, generation = run(chain_of([TimeoutError()], ["", DONE]))
    assert (text, generation.model) == ("", "extractive")
    assert generation.failures == [("langchain:test:0", "timeout"), ("langchain:test:1", "empty")]


def test_a_model_that_cannot_be_opened():
    cache = ModelCache(Settings())
    generation = run(Chain(("gguf:/nowhere/x.gguf", "langchain:nonsense:x"), cache))[1]
    assert generation.failures == [("gguf:x.gguf", "unavailable"), ("langchain:nonsense:x", "unavailable")]


def test_any_error_of_a_provider_is_survived():
    class Strange(Exception):
        pass

    class Stranger(BaseException):
        pass

    text, generation = run(chain_of([Strange("boom")], [Stranger("boom")], ["half ", Strange("boom")], ["no"]))
    assert text == "half "
    assert generation.failures == [("langchain:test:0", "other"), ("langchain:test:1", "other")]
    assert (generation.model, generation.interrupted) == ("langchain:test:2", "other")


def test_a_provider_that_does_not_stream():
    assert run(chain_of(WholeChat()))[0] == "Six weeks."


def test_a_question_too_long_for_one_model_goes_to_the_next_and_rests_nobody():
    def messages(model: ChatModel) -> list[BaseMessage]:
        if model.name.endswith("0"):
            raise ContextTooSmall("no")
        return MESSAGES

    chain = chain_of(["a", DONE], ["b", DONE])
    for _ in range(2):
        generation = Generation()
        assert list(chain.stream(generation, messages, lambda: False)) == ["b"]
        assert generation.failures == [("langchain:test:0", "context")]


def test_a_prompt_that_is_never_ready_costs_one_timeout():
    release = threading.Event()

    def messages(model: ChatModel) -> list[BaseMessage]:
        if model.name.endswith("0"):
            release.wait(60)
        return MESSAGES

    generation = Generation()
    chain = chain_of(["a", DONE], ["b", DONE], model_timeout=0.3)
    assert list(chain.stream(generation, messages, lambda: False)) == ["b"]
    assert generation.failures == [("langchain:test:0", "timeout")]
    release.set()


def test_cancelling_stops_between_tokens():
    seen: list[Any] = []
    chain = chain_of(ScriptedChat(replies=["one two three four"]), ["never"])
    generation = Generation()
    for token in chain.stream(generation, lambda model: MESSAGES, lambda: len(seen) == 2):
        seen.append(token)
    assert seen == ["one ", "two "] and generation.model == "langchain:test:0" and not generation.interrupted


def test_cancelling_before_the_first_token_asks_nobody_else():
    second = ScriptedChat(replies=["never"], calls=[])
    assert run(chain_of([OSError()], second), lambda: True) == ("", Generation())
    assert second.calls == []


def test_leaving_closes_what_the_provider_has_open():
    closed = threading.Event()
    pieces = chain_of(PlayedChat(parts=["word "] * 100_000, closed=closed)).stream(
        Generation(), lambda model: MESSAGES, lambda: False
    )
    assert isinstance(pieces, Generator)
    next(pieces)
    pieces.close()
    assert closed.wait(20)


def test_a_provider_that_ignores_its_timeouts_is_left_and_closed_when_it_comes_back():
    release, closed = threading.Event(), threading.Event()
    chain = chain_of(PlayedChat(parts=[release.wait, "late"], closed=closed), ["Six.", DONE], model_timeout=0.3)
    text, generation = run(chain)
    assert text == "Six." and generation.failures == [("langchain:test:0", "timeout")]
    assert not closed.is_set()
    release.set()
    assert closed.wait(20)


def test_a_provider_that_never_comes_back_gets_few_threads_and_another_chance_later():
    release = threading.Event()
    tries: list[int] = []
    now = 0.0

    def hang() -> None:
        nonlocal now
        tries.append(1)
        now += 30.0
        release.wait(60)

    # Every model has rested long enough at the next look.
    breaker = Breaker(itertools.count(step=1000).__next__)
    chain = chain_of([hang], breaker=breaker, clock=lambda: now)
    for _ in range(12):
        assert run(chain)[1].failures == [("langchain:test:0", "timeout")]
    assert len(tries) == 8
    now += 1000.0
    run(chain)
    assert len(tries) == 9
    release.set()


def test_a_provider_that_hangs_while_it_is_opened(monkeypatch):
    release = threading.Event()
    opened: list[str] = []

    def open_model(name: str, settings: Settings) -> ChatModel:
        opened.append(name)
        release.wait(60)
        return ChatModel(name, PlayedChat(parts=["Six.", DONE]), 1000, estimate_tokens)

    monkeypatch.setattr("rag.models.open_model", open_model)
    breaker = Breaker(itertools.count(step=1000).__next__)
    chain = Chain(("langchain:test:0",), ModelCache(Settings(model_timeout=0.2)), breaker)
    for _ in range(3):
        assert run(chain)[1].failures == [("langchain:test:0", "timeout")]
    # It is opened once, for all who wait; and is there as soon as it is open.
    assert opened == ["langchain:test:0"]
    release.set()
    assert chain._models.open("langchain:test:0").budget == 1000
    assert run(chain)[0] == "Six."


def test_signs_of_life_keep_a_model_and_its_place_in_the_queue_is_told():
    waiting = [chunk(queue_position=position) for position in (2, 2, 1, 1)] + [chunk()] * 3
    chain = chain_of([*waiting, "Six", chunk(queue_position=7), " weeks.", DONE])
    generation = Generation()
    pieces = list(chain.stream(generation, lambda model: MESSAGES, lambda: False))
    assert pieces == [Waiting(2), Waiting(1), Waiting(0), "Six", " weeks."]


def test_a_queue_longer_than_the_timeout_is_no_failure():
    # By this clock, a hundred looks take the timeout; there are some at each chunk.
    waiting = [chunk(queue_position=1)] * 500
    text, generation = run(chain_of([*waiting, "Six.", DONE], ["no"], model_timeout=1.0, clock=ticking(0.001)))
    assert text == "Six." and not generation.failures


def test_no_sign_of_life_keeps_a_model_for_ever():
    chain = chain_of([chunk()] * 100_000, ["Six.", DONE], model_timeout=1.0, clock=ticking())
    assert run(chain)[1].failures == [("langchain:test:0", "timeout")]
    chain = chain_of(["more "] * 100_000, model_timeout=1.0, clock=ticking(), answer_tokens=100_000)
    text, generation = run(chain)
    assert generation.interrupted == "timeout" and text.startswith("more more")


def test_a_call_that_took_all_its_time_tries_nobody_else():
    now = 0.0

    def leap() -> None:
        nonlocal now
        now += 1000.0

    second = ScriptedChat(replies=["never"], calls=[])
    chain = chain_of([leap, "", threading.Event().wait], second, clock=lambda: now)
    assert run(chain)[1].failures == [("langchain:test:0", "timeout"), ("langchain:test:1", "timeout")]
    assert second.calls == []


def test_a_slow_reader_is_no_fault_of_the_model():
    now = 0.0
    chain = chain_of(["a", "b", "c", DONE], clock=lambda: now)
    generation = Generation()
    for _ in chain.stream(generation, lambda model: MESSAGES, lambda: False):
        now += 50.0
    assert not generation.interrupted


def test_a_failing_model_rests_and_then_one_trial_decides():
    now = 0.0
    chat = PlayedChat(parts=[ConnectionError()])
    chain = chain_of(chat, ["b", DONE], breaker=Breaker(lambda: now))
    assert run(chain)[1].failures == [("langchain:test:0", "unreachable")]
    assert run(chain)[1].failures == [("langchain:test:0", "resting")]
    now = 16.0
    assert run(chain)[1].failures == [("langchain:test:0", "unreachable")]
    now = 32.0
    assert run(chain)[1].failures == [("langchain:test:0", "resting")]
    now = 47.0
    chat.parts = ["a", DONE]
    assert run(chain)[0] == run(chain)[0] == "a"


def test_the_first_token_ends_a_trial_for_all():
    now = 0.0
    chat = PlayedChat(parts=[ConnectionError()])
    chain = chain_of(chat, breaker=Breaker(lambda: now))
    run(chain)
    now = 16.0
    chat.parts = ["a", "b", DONE]
    pieces = chain.stream(Generation(), lambda model: MESSAGES, lambda: False)
    assert next(pieces) == "a"
    assert run(chain)[0] == "ab"


def test_a_trial_that_is_left_is_free_for_the_next_visitor():
    now = 0.0
    chat = PlayedChat(parts=[ConnectionError()])
    chain = chain_of(chat, breaker=Breaker(lambda: now))
    run(chain)
    now = 16.0
    chat.parts = [chunk(queue_position=1)] * 1000
    pieces = chain.stream(Generation(), lambda model: MESSAGES, lambda: False)
    assert next(pieces) == Waiting(1)
    assert run(chain)[1].failures == [("langchain:test:0", "resting")]
    assert isinstance(pieces, Generator)
    pieces.close()
    chat.parts = ["a", DONE]
    assert run(chain)[0] == "a"


def test_a_model_that_breaks_in_the_middle_rests_too():
    chain = chain_of(["half ", ConnectionError()], ["b", DONE])
    assert run(chain)[1].interrupted == "unreachable"
    assert run(chain)[0] == "b"


def test_one_model_alone():
    chain = chain_of(["a", DONE], ["b", DONE], ["", DONE])
    assert run(chain, only="langchain:test:1")[0] == "b"
    assert run(chain, only="langchain:test:2") == ("", Generation(failures=[("langchain:test:2", "empty")]))


def test_the_length_of_an_answer_is_bounded_whatever_the_server_does():
    text, generation = run(chain_of(["x" * 1000] * 100, answer_tokens=10))
    assert len(text) == 320 and generation.shortened and not generation.interrupted


@pytest.mark.parametrize(
    "metadata",
    [
        {"finish_reason": "length"},
        {"finish_reason": "MAX_TOKENS"},
        {"stop_reason": "max_tokens"},
        {"done_reason": "length"},
    ],
)
def test_providers_say_in_their_own_ways_that_an_answer_was_shortened(metadata):
    assert run(chain_of(["Six", chunk(**metadata)]))[1].shortened


def test_usage_is_collected_from_wherever_it_comes():
    def counts(read: int, written: int, **details: Any) -> dict[str, Any]:
        return {"input_tokens": read, "output_tokens": written, "total_tokens": read + written, **details}

    def used(*parts: Any) -> Usage:
        return run(chain_of(["Six", *parts, DONE]))[1].usage

    assert used() == Usage()
    assert used(chunk(usage=counts(90, 5))) == Usage(90, None, 5)
    assert used(chunk(usage=counts(90, 5), evaluated_tokens=7)) == Usage(90, 7, 5)
    # Split over chunks; repeated with each; with what was reused.
    assert used(chunk(usage=counts(90, 1)), chunk(usage=counts(0, 5))) == Usage(90, None, 5)
    assert used(chunk(usage=counts(90, 1)), chunk(usage=counts(90, 2))) == Usage(90, None, 2)
    assert used(chunk(usage=counts(90, 5, input_token_details={"cache_read": 60}))) == Usage(90, 30, 5)


def test_reasoning_is_dropped_and_is_a_sign_of_life():
    thought = ["<think>", *["hm "] * 500, "</think>\n\n"]
    text, generation = run(chain_of([*thought, "Six.", DONE], model_timeout=1.0, clock=ticking(0.001)))
    assert text == "Six." and not generation.failures and generation.reasoning == 0


def test_reasoning_that_began_in_the_prompt_is_told_and_then_known():
    chat = PlayedChat(parts=["Six or ", "seven?\n", "</think>\n\n", "Six.", DONE])
    chain = chain_of(chat)
    text, generation = run(chain)
    assert text[generation.reasoning :].strip() == "Six."
    assert run(chain) == ("Six.", Generation(model="langchain:test:0"))
    # It may answer at once another time.
    chat.parts = ["Seven.", DONE]
    assert run(chain)[0] == "Seven."
    # Reasoning that was cut is no answer.
    chat.parts = ["Six or seven?", chunk(finish_reason="length")]
    assert run(chain)[1].failures == [("langchain:test:0", "empty")]


def test_a_completion_is_the_first_models_text():
    assert complete(chain_of(["How long ", "does it take?", DONE], ["no"])) == "How long does it take?"
    assert complete(chain_of(["<think>hm</think> So.\n", DONE])) == "So."
    assert complete(chain_of(["x" * 30] * 1000), characters=50) == "x" * 50
    assert complete(chain_of()) == ""


def test_a_completion_that_fails_is_empty_and_rests_the_model():
    chain = chain_of([ConnectionError()], ["b", DONE])
    assert complete(chain) == ""
    # The next one that does not rest is asked, and the answer waits for nobody either.
    assert complete(chain) == "b"
    assert run(chain)[1].failures == [("langchain:test:0", "resting")]


def test_a_completion_that_fails_in_the_middle_is_empty():
    assert complete(chain_of(["half ", ConnectionError()])) == ""


def test_a_completion_that_is_late_is_empty_but_rests_only_a_model_that_had_all_its_time():
    release = threading.Event()
    chat = PlayedChat(parts=[release.wait, "late", DONE])
    chain = chain_of(chat, model_timeout=60.0)
    assert complete(chain, seconds=0.2) == ""
    release.set()
    assert complete(chain) == "late"
    chain = chain_of([threading.Event().wait], model_timeout=0.2)
    assert complete(chain, seconds=0.3) == ""
    assert run(chain)[1].failures == [("langchain:test:0", "resting")]


def test_a_completion_with_signs_of_life_ends_in_time_too():
    endless = itertools.repeat(chunk(queue_position=1), 100_000)
    assert complete(chain_of(list(endless), model_timeout=1.0, clock=ticking()), seconds=5.0) == ""


def test_a_completion_that_is_cancelled_is_empty():
    chain = chain_of([threading.Event().wait])
    assert complete(chain, cancelled=lambda: True) == ""
