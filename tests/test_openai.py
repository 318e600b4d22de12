import itertools
import logging
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from langchain_core.messages import HumanMessage, SystemMessage

from rag.errors import ModelUnavailable
from rag.models import ModelCache, open_model
from rag.models.breaker import Breaker
from rag.models.chain import Chain, Generation
from rag.settings import Secret, Settings
from rag.types import Usage
from tests.chat_server import FAULTS, KEY, ChatServer, Fault, drips, fails, hangs, hangs_up, says, sends

MESSAGES = [SystemMessage("Be brief."), HumanMessage("How long?")]


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with ChatServer(says("Yes.")) as running:
        yield running


def run(chain: Chain, cancelled=lambda: False) -> tuple[str, Generation]:
    generation = Generation()
    return "".join(map(str, chain.stream(generation, lambda model: MESSAGES, cancelled))), generation


def chain_of(settings: Settings, *names: str, breaker: Breaker | None = None) -> Chain:
    models = ModelCache(settings)
    # Opening them for the first time may take longer than the times below.
    for name in names:
        models.open(name)
    return Chain(names, models, breaker)


def ask(server: ChatServer, *names: str, **changes) -> tuple[str, Generation]:
    return run(chain_of(server.settings(**changes), *(names or ("openai:m",))))


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_every_fault_ends_in_an_answer_or_a_clear_refusal(fault: Fault):
    with ChatServer(*fault.replies) as server:
        # Only who waits for a timeout should not have to wait for long.
        settings = server.settings(model_timeout=1.0 if fault.reason == "timeout" else 5.0, answer_tokens=1)
        chain = chain_of(settings, "openai:m", "openai:other")
        started = time.monotonic()
        text, generation = run(chain)
        elapsed = time.monotonic() - started
    if fault.text:
        # What was said is kept, and nobody else says it again.
        assert text == fault.text
        assert (generation.model, generation.interrupted) == ("openai:m", fault.reason)
        assert "other" not in server.models
    else:
        assert text == "Yes."
        assert (generation.model, generation.failures) == ("openai:other", [("openai:m", fault.reason)])
        assert not generation.interrupted
    assert elapsed < 10 * settings.model_timeout


def test_a_server_that_is_not_there(server):
    server.close()
    text, generation = ask(server, "openai:m", "openai:n")
    assert text == "" and generation.model == "extractive"
    assert generation.failures == [("openai:m", "unreachable"), ("openai:n", "unreachable")]


def test_a_server_that_accepts_no_connection():
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        # The queue of connections is full: whoever comes next gets no reply at all.
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        port = listening.getsockname()[1]
        settings = Settings(openai_base_url=f"http://127.0.0.1:{port}/v1", model_timeout=0.5)
        assert run(chain_of(settings, "openai:m"))[1].failures == [("openai:m", "timeout")]


def test_a_hanging_server_costs_one_visitor_its_timeout(server):
    server.replies = [hangs()]
    breaker = Breaker()
    chain = chain_of(server.settings(model_timeout=1.0), "openai:m", "openai:other", breaker=breaker)
    assert run(chain)[1].failures == [("openai:m", "timeout")]
    for _ in range(5):
        assert run(chain)[1].failures == [("openai:m", "resting")]
    assert server.models.count("m") == 1


def test_a_visitor_who_leaves_does_not_wait_for_the_server(server):
    server.replies = [hangs()]
    chain = chain_of(server.settings(model_timeout=50.0), "openai:m", "openai:other")
    started = time.monotonic()
    assert run(chain, lambda: bool(server.requests))[0] == ""
    assert time.monotonic() - started < 25
    assert server.models == ["m"]
    # Nothing is known of the server, so the next visitor asks it.
    server.replies = [says("Six.")]
    assert run(chain)[0] == "Six."


def test_an_answer_streams_with_key_and_limits(server):
    server.replies = [says("Six ", "weeks [1]", ".")]
    text, generation = ask(server, answer_tokens=77)
    assert text == "Six weeks [1]."
    assert generation == Generation(model="openai:m")
    request = server.requests[0]
    assert request["headers"]["authorization"] == f"Bearer {KEY}" and request["path"] == "/v1/chat/completions"
    assert request["max_tokens"] == 77 and request["stream"] is True and request["temperature"] == 0.2
    assert [message["role"] for message in request["messages"]] == ["system", "user"]


def test_an_answer_that_reaches_its_limit_says_so(server):
    server.replies = [says("Six", finish="length")]
    assert ask(server)[1] == Generation(model="openai:m", shortened=True)


def test_reasoning_is_not_shown(server):
    server.replies = [says("<th", "ink>\nSix or ", "seven?\n</thi", "nk>\n\n", "Six.")]
    assert ask(server) == ("Six.", Generation(model="openai:m"))


@pytest.mark.parametrize(
    ("replies", "requests"),
    [
        ((fails(401),), 1),
        ((fails(404),), 1),
        ((fails(400),), 1),
        ((fails(429, Retry_After="0"),), 2),
        ((fails(503, Retry_After="0"),), 2),
        ((fails(429, Retry_After="60"),), 1),
        ((fails(429, retry_after_ms="60000"),), 1),
        ((fails(429, Retry_After="Fri, 01 Jan 2100 00:00:00 GMT"),), 1),
    ],
)
def test_only_a_busy_server_is_asked_again_and_only_soon(server, replies, requests):
    server.replies = list(replies)
    assert len(ask(server)[1].failures) == 1
    assert len(server.requests) == requests


def test_a_model_rests_as_long_as_its_server_asks(server):
    now = 0.0
    server.replies = [fails(429, Retry_After="100")]
    breaker = Breaker(lambda: now)
    chain = chain_of(server.settings(), "openai:m", breaker=breaker)
    run(chain)
    now = 99.0
    assert run(chain)[1].failures == [("openai:m", "resting")]
    now = 101.0
    server.replies = [says("Six.")]
    assert run(chain)[0] == "Six."


def test_tokens_are_counted_where_the_server_says_how_many(server):
    counts = {"prompt_tokens": 90, "completion_tokens": 5, "total_tokens": 95}
    details = {"prompt_tokens_details": {"cached_tokens": 80}}
    server.replies = [says("Six.", usage=counts), says("Six.", usage={**counts, **details}), says("Six.")]
    chain = chain_of(server.settings(), "openai:m")
    assert run(chain)[1].usage == Usage(90, None, 5)
    assert run(chain)[1].usage == Usage(90, 10, 5)
    assert run(chain)[1].usage == Usage()
    assert server.requests[0]["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize("status", [400, 422])
def test_a_server_that_knows_no_usage_is_asked_without_from_then_on(server, status):
    server.replies = [fails(status, "Extra inputs are not permitted: stream_options"), says("Six."), says("Seven.")]
    chain = chain_of(server.settings(), "openai:m")
    assert run(chain) == ("Six.", Generation(model="openai:m"))
    assert run(chain)[0] == "Seven."
    assert ["stream_options" in request for request in server.requests] == [True, False, False]


def test_a_connection_that_is_lost_is_made_anew_once(server):
    server.replies = [hangs_up, says("Six.")]
    assert ask(server) == ("Six.", Generation(model="openai:m"))
    server.replies = [hangs_up]
    assert ask(server)[1].failures == [("openai:m", "broken")]
    assert len(server.requests) == 4
    # What was shown already can't be begun anew.
    server.replies = [says("Six ", finish=None, after=None), says("Seven.")]
    assert ask(server)[0] == "Six "


def test_the_end_of_an_answer_stands_whatever_comes_behind_it(server):
    server.replies = [says("Six.", after="{broken")]
    assert ask(server) == ("Six.", Generation(model="openai:m"))


def test_a_redirect_carries_nothing_to_another_server(server):
    with ChatServer(says("Got you.")) as other:
        location = f"{other.address}/chat/completions"
        server.replies = [sends(b"", 307, Location=location), sends(b"", 302, Location=location)]
        for _ in range(2):
            assert ask(server)[1].failures == [("openai:m", "unavailable")]
        assert other.requests == []


def test_responses_come_unpacked(server):
    ask(server)
    assert server.requests[0]["headers"]["accept-encoding"] == "identity"


def test_a_proxy_of_the_environment_is_used(server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", server.address.removesuffix("/v1"))
    monkeypatch.setenv("NO_PROXY", "")
    # A variable of LangChain's, which has no say here.
    monkeypatch.setenv("OPENAI_PROXY", "http://127.0.0.1:9")
    settings = Settings(openai_base_url="http://models.invalid/v1", model_timeout=5.0)
    assert run(chain_of(settings, "openai:m"))[0] == "Yes."
    assert server.requests[0]["path"] == "http://models.invalid/v1/chat/completions"


def test_no_key_reaches_the_log(server, caplog):
    caplog.set_level(logging.DEBUG)
    for reply in (fails(401), fails(500, Retry_After="0"), says(finish=None, after={"error": {"message": KEY}})):
        server.replies = [reply]
        ask(server)
    assert any("check LACERTA_OPENAI_API_KEY" in record.message for record in caplog.records)
    assert KEY not in caplog.text


def test_the_official_address_needs_a_key():
    with pytest.raises(ModelUnavailable, match="LACERTA_OPENAI_API_KEY"):
        open_model("openai:m", Settings())


def test_at_the_official_address_models_that_reason_get_no_temperature():
    for name, temperature in [("gpt-4o-mini", 0.2), ("o3", None), ("gpt-5", None)]:
        chat = open_model(f"openai:{name}", Settings(openai_api_key=Secret(KEY))).chat
        assert chat.temperature == temperature  # type: ignore[attr-defined]


def test_a_server_that_keeps_every_connection_gets_few(server):
    server.replies = [drips(b"HTTP/1.1 200 OK\r\nX-Padding: " + b"x" * 10_000)]
    # Every model has rested long enough at the next look.
    breaker = Breaker(itertools.count(step=1000).__next__)
    chain = chain_of(server.settings(model_timeout=0.2), "openai:m", breaker=breaker)
    for _ in range(12):
        assert run(chain)[1].failures == [("openai:m", "timeout")]
    assert len(server.requests) == 8


def test_many_visitors_at_once_all_get_an_answer_and_the_next_ones_do_not_wait(server):
    server.replies = [hangs()]
    chain = chain_of(server.settings(model_timeout=2.0), "openai:m", "openai:other")
    for failure in ("timeout", "resting"):
        with ThreadPoolExecutor(20) as visitors:
            answers = list(visitors.map(lambda _: run(chain), range(20)))
        assert {text for text, _ in answers} == {"Yes."}
        assert {generation.failures[0] for _, generation in answers} == {("openai:m", failure)}
    assert server.models.count("m") == 20
