import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from langchain_core.messages import HumanMessage, SystemMessage

from rag.errors import ConfigurationError, ModelUnavailable
from rag.models import ChatModel, ModelCache, estimate_tokens, model_names, open_model, public_name
from rag.models.chain import Chain, Generation
from rag.models.failure import reason
from rag.prompt import ContextTooSmall
from rag.settings import Secret, Settings
from tests.doubles import ScriptedChat

KEY = "sk-very-secret"
MESSAGES = [SystemMessage("Be brief."), HumanMessage("How long?")]


class Server:
    """An OpenAI-compatible server on loopback whose answer to each request is taken from `replies`."""

    def __init__(self) -> None:
        self.replies: list[Callable[[BaseHTTPRequestHandler], None]] = []
        self.requests: list[dict] = []
        self.released = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.requests.append({"path": self.path, "key": self.headers["Authorization"], **body})
                outer.replies.pop(0)(self)
                self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


def event(handler: BaseHTTPRequestHandler, data: object) -> None:
    text = data if isinstance(data, str) else json.dumps(data)
    handler.wfile.write(f"data: {text}\n\n".encode())
    handler.wfile.flush()


def start(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "text/event-stream")
    handler.end_headers()


def piece(text: str | None, finish: str | None = None) -> dict:
    choice = {"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}
    return {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


def says(*texts: str, finish: str | None = "stop", after: str | None = "[DONE]"):
    def reply(handler: BaseHTTPRequestHandler) -> None:
        start(handler)
        for text in texts:
            event(handler, piece(text))
        if finish:
            event(handler, piece(None, finish))
        if after:
            event(handler, after)

    return reply


def fails(status: int):
    def reply(handler: BaseHTTPRequestHandler) -> None:
        body = json.dumps({"error": {"message": f"no: {KEY}", "type": "t", "code": "c"}}).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return reply


def hangs(server: Server, *texts: str):
    def reply(handler: BaseHTTPRequestHandler) -> None:
        if texts:
            start(handler)
            for text in texts:
                event(handler, piece(text))
        server.released.wait(30)

    return reply


def settings_for(server: Server, **changes) -> Settings:
    values = {"openai_base_url": server.address, "openai_api_key": Secret(KEY), "model_timeout": 5.0, **changes}
    return replace(Settings(), **values)


def run(chain: Chain, cancelled=lambda: False) -> tuple[str, Generation]:
    generation = Generation()
    text = "".join(chain.stream(generation, lambda model: MESSAGES, cancelled))
    return text, generation


def ask(server: Server, *names: str, **changes) -> tuple[str, Generation]:
    return run(Chain(names or ("openai:m",), ModelCache(settings_for(server, **changes))))


@contextmanager
def scripted(**chats: ScriptedChat) -> Iterator[ModelCache]:
    cache = ModelCache(Settings())
    for name, chat in chats.items():
        cache._models[name] = ChatModel(name, chat, 1000, estimate_tokens)
    yield cache


def test_names_are_checked_and_extractive_comes_last():
    assert model_names(replace(Settings(), models=("openai:a", "gguf:/b.gguf"))) == (
        "openai:a",
        "gguf:/b.gguf",
        "extractive",
    )
    assert model_names(replace(Settings(), models=("extractive", "openai:a"))) == ("extractive",)
    assert model_names(replace(Settings(), models=())) == ("extractive",)
    for wrong in ("gpt", "openai:", "ollama:llama", "langchain:openai", ":x"):
        with pytest.raises(ConfigurationError, match="LACERTA_MODELS"):
            model_names(replace(Settings(), models=(wrong,)))


def test_a_visitor_sees_no_folders():
    assert public_name("gguf:/home/someone/models/tiny.gguf") == "gguf:tiny.gguf"
    assert public_name("openai:org/model") == "openai:org/model"


def test_an_answer_streams_with_key_and_limits(server):
    server.replies = [says("Six ", "weeks [1]", ".")]
    text, generation = ask(server, answer_tokens=77)
    assert text == "Six weeks [1]."
    assert generation == Generation(model="openai:m")
    request = server.requests[0]
    assert request["key"] == f"Bearer {KEY}" and request["path"] == "/v1/chat/completions"
    assert request["max_tokens"] == 77 and request["stream"] is True
    assert [message["role"] for message in request["messages"]] == ["system", "user"]


@pytest.mark.parametrize(
    ("status", "why"), [(401, "key"), (403, "key"), (404, "missing"), (400, "rejected"), (413, "rejected")]
)
def test_a_refusal_is_not_repeated(server, status, why):
    server.replies = [fails(status)]
    assert ask(server) == ("", Generation(failures=[("openai:m", why)]))
    assert len(server.requests) == 1


@pytest.mark.parametrize(("status", "why"), [(429, "rate"), (500, "server"), (503, "server")])
def test_a_busy_server_is_asked_twice(server, status, why):
    server.replies = [fails(status), fails(status), fails(status), says("Yes.")]
    assert ask(server) == ("", Generation(failures=[("openai:m", why)]))
    assert len(server.requests) == 2
    assert ask(server)[0] == "Yes."


def test_a_server_that_is_not_there(server):
    server.close()
    assert ask(server)[1].failures == [("openai:m", "unreachable")]


def test_a_server_that_hangs_costs_one_timeout(server):
    server.replies = [hangs(server)]
    assert ask(server, model_timeout=0.4)[1].failures == [("openai:m", "timeout")]
    assert len(server.requests) == 1


def test_a_server_that_sends_no_json(server):
    server.replies = [says(after="{broken", finish=None)]
    assert ask(server)[1].failures == [("openai:m", "broken")]


def test_an_empty_answer_is_a_failure(server):
    server.replies = [says()]
    assert ask(server)[1].failures == [("openai:m", "empty")]


def test_what_was_said_before_a_fault_is_kept(server):
    for reply, why in [
        (says("Six ", "weeks", finish=None, after=None), "broken"),
        (says("Six ", "weeks", finish=None, after="{broken"), "broken"),
        (hangs(server, "Six ", "weeks"), "timeout"),
    ]:
        server.replies = [reply]
        text, generation = ask(server, "openai:m", "openai:n", model_timeout=0.5)
        assert text == "Six weeks"
        assert generation == Generation(model="openai:m", interrupted=why)
    assert {request["model"] for request in server.requests} == {"m"}


def test_an_answer_that_reaches_its_limit_says_so(server):
    server.replies = [says("Six", finish="length")]
    assert ask(server)[1] == Generation(model="openai:m", shortened=True)


def test_the_next_model_takes_over(server):
    server.replies = [fails(401), says("Yes.")]
    text, generation = ask(server, "gguf:/nowhere/x.gguf", "openai:a", "openai:b", "extractive")
    assert text == "Yes."
    assert generation == Generation(model="openai:b", failures=[("gguf:x.gguf", "unavailable"), ("openai:a", "key")])


def test_no_key_reaches_the_log(server, caplog):
    caplog.set_level(logging.DEBUG)
    server.replies = [fails(401)]
    ask(server)
    assert any("check LACERTA_OPENAI_API_KEY" in record.message for record in caplog.records)
    assert KEY not in caplog.text


def test_the_official_address_needs_a_key():
    with pytest.raises(ModelUnavailable, match="LACERTA_OPENAI_API_KEY"):
        open_model("openai:m", Settings())


def test_a_provider_that_is_not_installed_or_unknown():
    for name in ("langchain:anthropic:claude", "langchain:nonsense:x"):
        with pytest.raises(ModelUnavailable, match=name):
            open_model(name, Settings())


def test_a_provider_is_opened_by_name(server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", server.address)
    server.replies = [says("Yes.")]
    assert ask(server, "langchain:openai:m")[0] == "Yes."


def test_a_model_is_opened_once(server):
    cache = ModelCache(settings_for(server))
    assert cache.open("openai:m") is cache.open("openai:m")


def test_cancelling_stops_between_tokens():
    chat = ScriptedChat(replies=["one two three four"])
    seen: list[str] = []
    with scripted(**{"openai:a": chat, "openai:b": ScriptedChat(replies=["never"])}) as cache:
        chain = Chain(("openai:a", "openai:b"), cache)
        generation = Generation()
        for token in chain.stream(generation, lambda model: MESSAGES, lambda: len(seen) == 2):
            seen.append(token)
    assert seen == ["one ", "two "] and generation.model == "openai:a" and not generation.interrupted


def test_cancelling_before_the_first_token_asks_nobody_else():
    second = ScriptedChat(replies=["never"], calls=[])
    with scripted(**{"openai:a": ScriptedChat(replies=[OSError()]), "openai:b": second}) as cache:
        assert run(Chain(("openai:a", "openai:b"), cache), lambda: True)[0] == ""
    assert second.calls == []


def test_any_error_of_a_provider_is_survived():
    class Strange(Exception):
        pass

    chats = {
        "langchain:a:a": ScriptedChat(replies=[Strange("boom")]),
        "langchain:b:b": ScriptedChat(replies=[MemoryError()]),
        "langchain:c:c": ScriptedChat(replies=[["half ", Strange("boom")]]),
    }
    with scripted(**chats) as cache:
        text, generation = run(Chain(tuple(chats), cache))
    assert text.strip() == "half"
    assert generation.failures == [("langchain:a:a", "other"), ("langchain:b:b", "memory")]
    assert generation.interrupted == "other"


def test_a_question_too_long_for_one_model_goes_to_the_next():
    def messages(model: ChatModel):
        if model.name == "openai:a":
            raise ContextTooSmall("no")
        return MESSAGES

    generation = Generation()
    chats = {"openai:a": ScriptedChat(replies=["a"]), "openai:b": ScriptedChat(replies=["b"])}
    with scripted(**chats) as cache:
        assert "".join(Chain(tuple(chats), cache).stream(generation, messages, lambda: False)).strip() == "b"
    assert generation.failures == [("openai:a", "context")]


def test_reasons_look_through_the_causes():
    try:
        try:
            raise TimeoutError
        except TimeoutError as cause:
            raise RuntimeError("wrapped") from cause
    except RuntimeError as error:
        assert reason(error) == "timeout"
    assert reason(ValueError()) == "other"


def test_the_estimate_of_tokens_is_stated_in_bytes():
    assert estimate_tokens("a" * 250) == 101
    assert estimate_tokens("가" * 250) == 301
