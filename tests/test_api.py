"""The interface for programs, over a real server on loopback, with the clients that people have."""

import http.client
import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import openai
import pytest
import uvicorn
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import Field, SecretStr
from starlette.applications import Starlette

from ingest.report import Report, save_report
from rag.answer import Engine
from rag.feedback import Store, store_of
from rag.index import current_version, domain_index_folder
from rag.models import ChatModel, estimate_tokens
from rag.report import search_fields
from rag.settings import Settings
from rag.types import Failed, Question, Retrieval, Retrieved, Sampling, Token
from tests.chat_server import ChatServer, says
from tests.doubles import ScriptedChat
from tests.test_answer import TEXTS, ground  # noqa: F401  (a fixture)
from web import api, server
from web.access.caller import Caller
from web.api.chat import data, read
from web.api.schemas import (
    ChatCompletion,
    ChatRequest,
    Details,
    EmbeddingList,
    ErrorBody,
    IngestStatus,
    Model,
    ModelList,
    SearchResult,
)
from web.entrance import Entrance

HOW_LONG = "How long does the internship last?"
ASKED: list[Any] = [{"role": "user", "content": HOW_LONG}]
REPLY = "The internship lasts six weeks. [1] It may be split in two parts. [1]"
PICTURE = {"type": "image_url", "image_url": {"url": "x"}}
SCRIPTED = "guide@openai:scripted"


class Recording(ScriptedChat):
    """Keeps what it was asked with, beside the prompts."""

    options: list[dict[str, Any]] = []

    def _stream(self, messages: Any, stop: Any = None, run_manager: Any = None, **options: Any) -> Any:
        self.options.append({"stop": stop, **options})
        yield from super()._stream(messages, stop, run_manager, **options)


class Endless(ScriptedChat):
    """Begins an answer after `begin` and never ends it; `closed` is set when nobody reads it any more."""

    begin: Any = Field(default_factory=threading.Event)
    begun: Any = Field(default_factory=threading.Event)
    closed: Any = Field(default_factory=threading.Event)

    def _stream(self, messages: Any, stop: Any = None, run_manager: Any = None, **options: Any) -> Any:
        try:
            while not self.begin.wait(0.02):
                yield ChatGenerationChunk(message=AIMessageChunk(content=""))
            while True:
                yield ChatGenerationChunk(message=AIMessageChunk(content="The internship lasts six weeks. "))
                self.begun.set()
                time.sleep(0.02)
        finally:
            self.closed.set()


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """The address of a server on loopback."""
    running = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    while not running.started:
        assert thread.is_alive()
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{running.servers[0].sockets[0].getsockname()[1]}"
    finally:
        running.should_exit = True
        thread.join(20)


@contextmanager
def program(settings: Settings, chat: ScriptedChat | None = None, **options: Any) -> Iterator[tuple[str, Engine]]:
    """Address of `/v1` and engine, alone."""
    engine = Engine(settings)
    if chat is not None:
        engine._models._models["openai:scripted"] = ChatModel("openai:scripted", chat, 3000, estimate_tokens)
    try:
        with serving(api.create(engine, **options)) as address:
            yield address, engine
    finally:
        engine.close()


class Service:
    """The whole program, with a model whose replies a test sets."""

    def __init__(self, address: str, engine: Engine, chat: Recording) -> None:
        self.address = address
        self.base = f"{address}/v1"
        self.engine = engine
        self.chat = chat
        self.openai = openai.OpenAI(base_url=self.base, api_key="any", max_retries=0)

    def will_say(self, *replies: Any) -> None:
        self.chat.replies[:] = replies

    def post(self, path: str, body: Any, **options: Any) -> httpx.Response:
        return httpx.post(f"{self.base}{path}", json=body, timeout=60, **options)

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"{self.base}{path}", timeout=60)


@pytest.fixture(scope="module")
def service(ground: Settings) -> Iterator[Service]:  # noqa: F811
    # The same question gets many answers here.
    engine = Engine(replace(ground, models=("openai:scripted",), cached_answers=0))
    chat = Recording(replies=[], calls=[], options=[])
    engine._models._models["openai:scripted"] = ChatModel("openai:scripted", chat, 3000, estimate_tokens)
    with serving(server.create(engine)) as address:
        yield Service(address, engine, chat)
    engine.close()


def ask(body: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"model": "guide@extractive", "messages": ASKED, **(body or {}), **more}


def error_of(response: httpx.Response, status: int) -> dict[str, Any]:
    """The error of a response, in OpenAI's shape."""
    assert response.status_code == status, response.text
    ErrorBody.model_validate(response.json())
    assert response.json().keys() == {"error"}
    error: dict[str, Any] = response.json()["error"]
    assert error["type"] == ("server_error" if status >= 500 else "invalid_request_error")
    assert error["message"] and "Traceback" not in error["message"]
    return error


def events_of(text: str) -> list[Any]:
    """The data of server-sent events; comments are left out."""
    blocks = [block for block in text.split("\n\n") if block and not block.startswith(":")]
    assert all(block.startswith("data: ") and "\n" not in block for block in blocks)
    data = [block.removeprefix("data: ") for block in blocks]
    assert data[-1] == "[DONE]"
    return [json.loads(item) for item in data[:-1]]


def test_an_answer_has_the_standard_fields_and_its_evidence(service: Service) -> None:
    service.will_say(REPLY)
    response = service.post("/chat/completions", ask(model=SCRIPTED))
    assert response.status_code == 200 and response.headers["content-type"] == "application/json"
    body = response.json()
    ChatCompletion.model_validate(body)
    assert body["object"] == "chat.completion" and body["model"] == SCRIPTED and body["id"].startswith("chatcmpl-")
    (choice,) = body["choices"]
    assert choice["message"] == {"role": "assistant", "content": REPLY, "refusal": None}
    assert choice["finish_reason"] == "stop"
    used = body["usage"]
    assert used["prompt_tokens"] == estimate_tokens(HOW_LONG) and used["completion_tokens"] == estimate_tokens(REPLY)
    assert used["total_tokens"] == used["prompt_tokens"] + used["completion_tokens"]
    evidence = body["lacerta"]
    assert evidence["usage_estimated"] and evidence["model"] == "openai:scripted" and evidence["answerable"]
    assert evidence["language"] == "en" and evidence["failures"] == [] and evidence["unsupported"] == 0
    assert 0 < evidence["confidence"] <= 1
    citation = evidence["citations"][0]
    assert citation["number"] == 1 and citation["source"] == "en.pdf" and citation["page"] == 1
    assert citation["quote"] in TEXTS["en"][0]


def test_the_official_client_gets_an_answer(service: Service) -> None:
    service.will_say(REPLY)
    done = service.openai.chat.completions.create(model="guide", messages=ASKED)
    assert done.choices[0].message.content == REPLY and done.choices[0].finish_reason == "stop"
    assert done.usage and done.usage.total_tokens > 0
    assert done.model_extra and done.model_extra["lacerta"]["citations"][0]["title"] == "Guide"


def test_the_official_client_streams_in_order(service: Service) -> None:
    service.will_say(REPLY)
    chunks = list(
        service.openai.chat.completions.create(
            model="guide", messages=ASKED, stream=True, stream_options={"include_usage": True}
        )
    )
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant"
    *said, last, counted = chunks
    text = "".join(chunk.choices[0].delta.content or "" for chunk in said)
    assert text.strip() == REPLY and sum(bool(chunk.choices[0].delta.content) for chunk in said) > 1
    assert all(chunk.choices[0].finish_reason is None and chunk.usage is None for chunk in said)
    assert last.choices[0].finish_reason == "stop" and not last.choices[0].delta.content
    assert last.model_extra and last.model_extra["lacerta"]["text"] == REPLY
    Details.model_validate(last.model_extra["lacerta"])
    assert counted.choices == [] and counted.usage and counted.usage.completion_tokens == estimate_tokens(REPLY)


def test_langchain_asks_and_streams(service: Service) -> None:
    chat = ChatOpenAI(model="guide", base_url=service.base, api_key=SecretStr("any"), max_retries=0)
    service.will_say(REPLY, REPLY)
    answer = chat.invoke(HOW_LONG)
    assert answer.content == REPLY and answer.response_metadata["finish_reason"] == "stop"
    assert answer.usage_metadata and answer.usage_metadata["output_tokens"] == estimate_tokens(REPLY)
    pieces = list(chat.stream([("system", "Answer like a pirate."), ("human", HOW_LONG)]))
    assert "".join(str(piece.content) for piece in pieces).strip() == REPLY and len(pieces) > 3
    assert "pirate" not in str(service.chat.calls[-1])


def test_a_stream_without_options_ends_with_the_checked_text(service: Service) -> None:
    # The model cites a passage that there is not: the stream shows it, the checked text does not.
    service.will_say("The internship lasts six weeks [7].")
    response = service.post("/chat/completions", ask(model="guide", stream=True))
    assert response.headers["content-type"].startswith("text/event-stream")
    *said, last = events_of(response.text)
    assert "[7]" in "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in said)
    assert "[7]" not in last["lacerta"]["text"] and "[1]" in last["lacerta"]["text"]
    assert not any("usage" in chunk or "lacerta" in chunk for chunk in said) and "usage" not in last


def test_a_refusal_is_an_answer_and_is_streamed(service: Service) -> None:
    messages = [{"role": "user", "content": "Who won the football championship yesterday evening?"}]
    whole = service.post("/chat/completions", ask(messages=messages)).json()
    assert not whole["lacerta"]["answerable"] and whole["lacerta"]["citations"] == []
    *said, last = events_of(service.post("/chat/completions", ask(messages=messages, stream=True)).text)
    text = "".join(chunk["choices"][0]["delta"]["content"] for chunk in said)
    assert text == whole["choices"][0]["message"]["content"] == last["lacerta"]["text"] != ""


@pytest.mark.parametrize(
    ("question", "part"),
    [("Meddig kell feltölteni a beszámolót?", "szeptember 15-ig"), (f"{HOW_LONG} 🦎", "six weeks")],
)
def test_what_stands_in_other_letters_arrives_whole(service: Service, question: str, part: str) -> None:
    messages = [{"role": "user", "content": question}]
    whole = service.post("/chat/completions", ask(messages=messages)).json()["choices"][0]["message"]["content"]
    streamed = events_of(service.post("/chat/completions", ask(messages=messages, stream=True)).text)
    assert part in whole and streamed[-1]["lacerta"]["text"] == whole


def test_signs_that_some_take_for_the_end_of_a_line_do_not_break_a_stream() -> None:
    odd = "The internship lasts six weeks\u2028and no\x85longer."
    sent = data({"text": odd})
    assert len(sent.splitlines()) == 2 and json.loads(sent.removeprefix("data: "))["text"] == odd


def test_the_model_can_be_chosen(service: Service) -> None:
    service.will_say()
    extractive = service.post("/chat/completions", ask()).json()
    assert extractive["lacerta"]["model"] == "extractive" and service.chat.replies == []
    assert "six weeks" in extractive["choices"][0]["message"]["content"]


def test_a_request_becomes_a_question(service: Service) -> None:
    wishes = {"temperature": 0, "max_tokens": 9, "max_completion_tokens": 8, "stop": "END", "seed": -1}
    options = {"language": "hu", "filters": {"language": "en"}}
    body = ChatRequest.model_validate(ask(wishes, model=SCRIPTED, lacerta=options))
    inside = api.Service(service.engine, Entrance(service.engine.settings), 1.0)
    assert read(inside, body, Caller()).question == Question(
        HOW_LONG,
        "guide",
        language="hu",
        interface_language="hu",
        filters={"language": "en"},
        sampling=Sampling(0, 8, ("END",), -1),
        model="openai:scripted",
    )


def test_the_language_can_be_chosen_with_the_official_client(service: Service) -> None:
    done = service.openai.chat.completions.create(
        model="guide@extractive", messages=ASKED, extra_body={"lacerta": {"language": "hu"}}
    )
    assert done.model_extra and done.model_extra["lacerta"]["language"] == "hu"
    assert "dokumentumok" in (done.choices[0].message.content or "").lower()


@pytest.mark.parametrize(
    "model", ["gpt-4o", "guide@gguf:/etc/passwd", "guide@", "@extractive", "guide@openai:other", "space"]
)
def test_another_model_is_not_found(service: Service, model: str) -> None:
    error = error_of(service.post("/chat/completions", ask(model=model)), 404)
    assert error["code"] == "model_not_found" and error["param"] == "model" and repr(model) in error["message"]
    with pytest.raises(openai.NotFoundError):
        service.openai.chat.completions.create(model=model, messages=ASKED)


def test_models_are_listed_and_found(service: Service) -> None:
    listed = service.get("/models").json()
    ModelList.model_validate(listed)
    names = [model["id"] for model in listed["data"]]
    assert names == ["guide", "guide@openai:scripted", "guide@extractive"]
    assert [model.id for model in service.openai.models.list()] == names
    for name in names:
        assert service.openai.models.retrieve(name).id == name
    Model.model_validate(service.get("/models/guide").json())
    assert service.get("/models/guide").json()["lacerta"]["ready"] is True
    assert error_of(service.get("/models/nothing/at/all"), 404)["code"] == "model_not_found"


def test_the_conversation_is_the_earlier_messages(service: Service) -> None:
    service.will_say("How long may it be split?", REPLY)
    messages = [
        {"role": "system", "content": "SECRET ORDER"},
        {"role": "user", "content": HOW_LONG},
        {"role": "assistant", "content": "Six weeks [1]."},
        {"role": "developer", "content": "ANOTHER ORDER"},
        {"role": "assistant", "content": None},
        {"role": "user", "content": [{"type": "text", "text": "And can"}, {"type": "text", "text": "it be split?"}]},
    ]
    before = len(service.chat.calls)
    body = service.post("/chat/completions", ask(model="guide", messages=messages)).json()
    assert body["choices"][0]["message"]["content"] == REPLY
    prompts = str(service.chat.calls[before:])
    assert "Six weeks" in prompts and "And can" in prompts and "ORDER" not in prompts


def test_odd_orders_of_messages_are_answered(service: Service) -> None:
    for roles in ("au", "uu", "aau", "uuau"):
        messages = [{"role": {"a": "assistant", "u": "user"}[role], "content": HOW_LONG} for role in roles]
        service.will_say(REPLY, REPLY)
        assert service.post("/chat/completions", ask(model="guide", messages=messages)).status_code == 200


def test_sampling_and_counts_pass_through_a_real_server(ground: Settings) -> None:  # noqa: F811
    with ChatServer(says("The internship lasts six weeks [1].")) as upstream:
        settings = replace(
            upstream.settings(models=("openai:m",), answer_tokens=300),
            corpora=ground.corpora,
            var=ground.var,
            threads=1,
        )
        with program(settings) as (address, _):
            wishes: dict[str, Any] = {"temperature": 0.7, "max_tokens": 99, "stop": ["END", "###"], "seed": 7}
            httpx.post(f"{address}/chat/completions", json=ask(model="guide", **wishes), timeout=60)
            httpx.post(f"{address}/chat/completions", json=ask(model="guide", max_completion_tokens=9999), timeout=60)
            plain = httpx.post(f"{address}/chat/completions", json=ask(model="guide"), timeout=60)
    assert plain.status_code == 200
    first, second, third = upstream.requests
    assert {name: first[name] for name in wishes} == wishes
    # The settings' own limit holds.
    assert second["max_tokens"] == third["max_tokens"] == 300
    assert "seed" not in third and "stop" not in third and third["temperature"] == second["temperature"] == 0.2


def test_an_answer_that_was_cut_says_so(ground: Settings) -> None:  # noqa: F811
    chat = Recording(replies=["The internship lasts six weeks and", "The internship lasts six"], calls=[], options=[])
    chat.finish_reason = "length"
    with program(replace(ground, models=("openai:scripted",)), chat) as (address, _):
        whole = httpx.post(f"{address}/chat/completions", json=ask(model="guide"), timeout=60).json()
        streamed = httpx.post(f"{address}/chat/completions", json=ask(model="guide", stream=True), timeout=60).text
    assert whole["choices"][0]["finish_reason"] == "length" and whole["lacerta"]["notices"]
    assert events_of(streamed)[-1]["choices"][0]["finish_reason"] == "length"


def test_a_model_that_fails_leaves_an_answer_and_a_reason(ground: Settings) -> None:  # noqa: F811
    chat = Recording(replies=[OSError("unreachable")], calls=[], options=[])
    with program(replace(ground, models=("openai:scripted",)), chat) as (address, _):
        body = httpx.post(f"{address}/chat/completions", json=ask(model=SCRIPTED), timeout=60).json()
    assert body["lacerta"]["model"] == "extractive" and "six weeks" in body["choices"][0]["message"]["content"]
    assert body["lacerta"]["failures"][0]["model"] == "openai:scripted"


@pytest.mark.parametrize(
    ("change", "parameter"),
    [
        ({"temperature": 2.5}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": -1}, "max_completion_tokens"),
        ({"stop": ["a"] * 5}, "stop"),
        ({"stop": ""}, "stop"),
        ({"seed": 2**70}, "seed"),
        ({"n": 2}, "n"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"response_format": {"type": "json_object"}}, "response_format.type"),
        ({"logprobs": True}, "logprobs"),
        ({"logprobs": 0}, "logprobs"),
        ({"n": True}, "n"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "system", "content": "x"}]}, "messages"),
        ({"messages": [*ASKED, {"role": "assistant", "content": "x"}]}, "messages"),
        ({"messages": [{"role": "user", "content": [PICTURE]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": "x"}] * 102}, "messages"),
        ({"messages": [{"role": "user", "content": "x" * 200_001}, *ASKED]}, "messages"),
        ({"lacerta": {"filters": {"colour": "green"}}}, "lacerta.filters"),
        ({"lacerta": {"language": "fr"}}, "lacerta.language"),
        ({"messages": [{"role": "user", "content": " "}]}, None),
        ({"messages": [{"role": "user", "content": "why " * 1000}]}, None),
        ({"model": ""}, "model"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("stream", [False, True])
def test_what_is_wrong_is_named(service: Service, change: dict[str, Any], parameter: str | None, stream: bool) -> None:
    error = error_of(service.post("/chat/completions", ask(change, stream=stream)), 400)
    assert error["param"] == parameter


def test_what_cannot_be_used_at_all_is_an_error_too(service: Service) -> None:
    headers = {"content-type": "application/json"}
    url = f"{service.base}/chat/completions"
    half = '{"model": "guide", "messages": [{"role": "user", "content": "why \\ud800"}]}'
    for body in (b"", b"[]", b"{", b"\xff", b"[" * 100_000, b'{"temperature": NaN}', b"{}", half.encode()):
        error_of(httpx.post(url, content=body, headers=headers), 400)
    error_of(httpx.post(url, content=json.dumps(ask()), headers={"content-type": "text/plain"}), 400)
    assert "POST" in httpx.get(url).headers["allow"]
    assert error_of(httpx.get(url), 405)["code"] == "method_not_allowed"
    assert error_of(service.get("/nothing"), 404)["code"] == "not_found"

    def endless() -> Iterator[bytes]:
        for _ in range(80):
            yield b" " * (1 << 16)

    assert error_of(httpx.post(url, content=b" " * (5 << 20), headers=headers), 413)["code"] == "request_too_large"
    assert error_of(httpx.post(url, content=endless(), headers=headers), 413)["code"] == "request_too_large"


def test_every_path_under_the_mount_is_ours(service: Service) -> None:
    with serving(Starlette(routes=[api.mount(service.engine)])) as address:
        for path in ("/nothing", "/", "/%0a/x"):
            assert error_of(httpx.get(f"{address}/v1{path}"), 404)["code"] == "not_found"
        assert error_of(httpx.get(f"{address}/v1/models/a%0ab"), 404)
        assert error_of(httpx.get(f"{address}/v1/ingest/%0a"), 404)["code"] == "unknown_domain"
        assert httpx.get(f"{address}/v1/models").status_code == 200
        assert "error" not in httpx.get(f"{address}/v10/models").text


def test_a_domain_without_an_index_is_unavailable(ground: Settings, tmp_path: Any) -> None:  # noqa: F811
    with program(replace(ground, var=tmp_path)) as (address, _):
        for stream in (False, True):
            body = ask(model="guide", stream=stream)
            response = httpx.post(f"{address}/chat/completions", json=body, timeout=60)
            assert error_of(response, 503)["code"] == "no_index"
        response = httpx.post(f"{address}/search", json={"domain": "guide", "query": HOW_LONG}, timeout=60)
        assert error_of(response, 503)["code"] == "no_index"
        assert error_of(httpx.get(f"{address}/ingest/guide"), 503)["code"] == "no_index"
        model = httpx.get(f"{address}/models/guide").json()
        assert model["created"] == 0 and not model["lacerta"]["ready"]


def test_a_fault_of_ours_is_an_internal_error(ground: Settings) -> None:  # noqa: F811
    class Broken(Engine):
        def _retrieve(self, *arguments: Any, **options: Any) -> Any:
            raise RuntimeError("secret detail")

    engine = Broken(ground)
    with serving(api.create(engine)) as address:
        for path, body in (
            ("chat/completions", ask()),
            ("chat/completions", ask(stream=True)),
            ("search", {"domain": "guide", "query": HOW_LONG}),
        ):
            error = error_of(httpx.post(f"{address}/{path}", json=body, timeout=60), 500)
            assert error["code"] == "internal" and "secret" not in error["message"]
    engine.close()


def test_a_failure_in_a_stream_that_has_begun_is_an_event(ground: Settings) -> None:  # noqa: F811
    class Breaking(Engine):
        def stream(self, question: Question, cancelled: Any = lambda: False) -> Any:
            yield Retrieved(Retrieval((), 1.0, "en"))
            yield Token("The internship ")
            yield Failed("internal", "Something went wrong.")

    engine = Breaking(ground)
    with serving(api.create(engine)) as address:
        text = httpx.post(f"{address}/chat/completions", json=ask(stream=True), timeout=60).text
        client = openai.OpenAI(base_url=address, api_key="any", max_retries=0)
        with pytest.raises(openai.APIError, match="Something went wrong"):
            list(client.chat.completions.create(model="guide", messages=ASKED, stream=True))
    engine.close()
    *_, last = events_of(text)
    ErrorBody.model_validate(last)
    assert last["error"]["code"] == "internal"


def test_an_answer_that_is_given_again_says_so_and_costs_nothing(ground: Settings) -> None:  # noqa: F811
    chat = Recording(replies=["Six weeks [1].", "It lasts six weeks [1]."], calls=[], options=[])
    with program(replace(ground, models=("openai:scripted",)), chat) as (address, _):

        def answer(**options: Any) -> dict[str, Any]:
            return httpx.post(f"{address}/chat/completions", json=ask(model="guide", **options), timeout=60).json()

        first, again, fresh = answer(), answer(), answer(lacerta={"fresh": True})
        asked = ask(model="guide", stream=True)
        streamed = httpx.post(f"{address}/chat/completions", json=asked, timeout=60).text
    assert [body["lacerta"]["cached"] for body in (first, again, fresh)] == [False, True, False]
    contents = [body["choices"][0]["message"]["content"] for body in (first, again, fresh)]
    assert contents[0] == contents[1] != contents[2] and len(chat.calls) == 2
    assert again["usage"]["total_tokens"] == 0 < first["usage"]["total_tokens"] and first["id"] != again["id"]
    assert not again["lacerta"]["usage_estimated"]
    events = events_of(streamed)
    assert "".join(one["choices"][0]["delta"].get("content") or "" for one in events) == contents[2]
    assert events[-1]["lacerta"]["cached"]


@pytest.mark.parametrize("stream", [False, True])
def test_who_leaves_ends_the_generation(ground: Settings, stream: bool) -> None:  # noqa: F811
    chat = Endless(replies=[], calls=[])
    settings = replace(ground, models=("openai:scripted",), answer_tokens=100_000, context_tokens=200_000)
    chat.begin.set()
    with program(settings, chat) as (address, _), httpx.Client(timeout=60) as client:
        if stream:
            with client.stream("POST", f"{address}/chat/completions", json=ask(model="guide", stream=True)) as response:
                seen = 0
                for line in response.iter_lines():
                    seen += line.startswith("data: ")
                    if seen > 5:
                        break
        else:
            connection = http.client.HTTPConnection(address.removeprefix("http://"))
            headers = {"Content-Type": "application/json"}
            connection.request("POST", "/chat/completions", json.dumps(ask(model="guide")), headers)
            assert chat.begun.wait(60) and not chat.closed.is_set()
            connection.close()
        assert chat.closed.wait(20)


def test_a_stream_that_waits_says_so(ground: Settings) -> None:  # noqa: F811
    chat = Endless(replies=[], calls=[])
    settings = replace(ground, models=("openai:scripted",))
    with program(settings, chat, keep_alive=0.05) as (address, _), httpx.Client(timeout=60) as client:
        with client.stream("POST", f"{address}/chat/completions", json=ask(model="guide", stream=True)) as response:
            said = []
            for line in response.iter_lines():
                said.append(line)
                if line == ": waiting":
                    chat.begin.set()
                if "lasts six weeks" in line:
                    break
    assert ": waiting" in said


def test_many_ask_at_once_and_others_are_not_kept_waiting(ground: Settings) -> None:  # noqa: F811
    chat = Endless(replies=[], calls=[])
    settings = replace(ground, models=("openai:scripted",))
    with program(settings, chat) as (address, _), httpx.Client(timeout=60) as client:
        body = ask(model="guide", stream=True)
        with client.stream("POST", f"{address}/chat/completions", json=body) as waiting:
            assert waiting.status_code == 200
            # The model has not begun, and yet:
            assert client.get(f"{address}/models").status_code == 200
            assert client.post(f"{address}/chat/completions", json=ask()).status_code == 200
            assert client.post(f"{address}/search", json={"domain": "guide", "query": HOW_LONG}).status_code == 200


def test_search_is_that_of_the_command_line(service: Service) -> None:
    body = service.post("/search", {"domain": "guide", "query": HOW_LONG, "k": 2}).json()
    SearchResult.model_validate(body)
    expected = search_fields(service.engine.search(Question(HOW_LONG, "guide"), 2))
    assert len(body["hits"]) == 2
    assert len(service.post("/search", {"domain": "guide", "query": HOW_LONG, "k": 2.0}).json()["hits"]) == 2
    assert {**body, "timings": 0} == {**json.loads(json.dumps(expected)), "timings": 0}


@pytest.mark.parametrize(
    ("body", "status", "parameter"),
    [
        ({"domain": "guide"}, 400, "query"),
        ({"domain": "guide", "query": " "}, 400, None),
        ({"domain": "guide", "query": "x", "k": 0}, 400, "k"),
        ({"domain": "guide", "query": "x", "k": 101}, 400, "k"),
        ({"domain": "guide", "query": "x", "k": True}, 400, "k"),
        ({"domain": "guide", "query": "x", "k": 1.5}, 400, "k"),
        ({"domain": "guide", "query": "x", "k": "2"}, 400, "k"),
        ({"domain": "guide", "query": "x", "filters": {"colour": "green"}}, 400, "filters"),
        ({"domain": "guide", "query": "x", "filters": {"language": 1}}, 400, "filters.language"),
        ({"domain": "nowhere", "query": "x"}, 404, "domain"),
    ],
)
def test_a_search_that_is_wrong_is_refused(service: Service, body: Any, status: int, parameter: str | None) -> None:
    assert error_of(service.post("/search", body), status)["param"] == parameter


def test_embeddings_are_the_engine_s(service: Service) -> None:
    texts = ["The internship lasts six weeks.", "A beszámolót fel kell tölteni. 실습"]
    rows = service.engine.embedder.embed_passages(texts)
    raw = service.post("/embeddings", {"model": "balanced", "input": texts}).json()
    EmbeddingList.model_validate(raw)
    assert np.array_equal(np.array([item["embedding"] for item in raw["data"]], np.float32), rows)
    packed = service.openai.embeddings.create(model="balanced", input=texts, dimensions=rows.shape[1])
    assert [item.index for item in packed.data] == [0, 1] and packed.usage.total_tokens > 0
    assert np.array_equal(np.array([item.embedding for item in packed.data], np.float32), rows)
    blank = service.post("/embeddings", {"model": "balanced", "input": " "}).json()["data"][0]["embedding"]
    assert np.isfinite(blank).all() and len(blank) == rows.shape[1]
    query = service.post("/embeddings", {"model": "balanced", "input": texts[0], "input_type": "query"}).json()
    assert np.allclose(query["data"][0]["embedding"], service.engine.embedder.embed_query(texts[0]))
    embedder = OpenAIEmbeddings(
        model="balanced", base_url=service.base, api_key=SecretStr("any"), check_embedding_ctx_length=False
    )
    assert np.allclose(embedder.embed_documents(texts), rows)


@pytest.mark.parametrize(
    ("body", "status", "parameter"),
    [
        ({"model": "text-embedding-3-small", "input": "x"}, 404, "model"),
        ({"model": "balanced", "input": ""}, 400, "input"),
        ({"model": "balanced", "input": []}, 400, "input"),
        ({"model": "balanced", "input": ["x"] * 2049}, 400, "input"),
        ({"model": "balanced", "input": ["x" * 500_001]}, 400, "input"),
        ({"model": "balanced", "input": [1, 2, 3]}, 400, "input[0]"),
        ({"model": "balanced", "input": "x", "dimensions": 3}, 400, "dimensions"),
        ({"model": "balanced", "input": "x", "encoding_format": "hex"}, 400, "encoding_format"),
    ],
)
def test_embeddings_that_cannot_be_made_are_refused(service: Service, body: Any, status: int, parameter: str) -> None:
    assert error_of(service.post("/embeddings", body), status)["param"] == parameter


def test_feedback_is_kept_with_what_it_is_about(service: Service) -> None:
    identity = service.post("/chat/completions", ask()).json()["id"]
    assert service.post("/feedback", {"id": identity, "rating": "up"}).json() == {"id": identity, "object": "feedback"}
    said = {"comment": "Nem jó. 아니요", "reason": "wrong", "correction": "Hét hét."}
    service.post("/feedback", {"id": identity, "rating": "down", **said})
    with closing(sqlite3.connect(service.engine.settings.var / "feedback.sqlite")) as connection:
        kept = connection.execute(
            "select rating, comment, domain, model, language from feedback where id = ?", (identity,)
        )
        assert kept.fetchall() == [("down", "Nem jó. 아니요", "guide", "extractive", "en")]
        assert connection.execute("pragma journal_mode").fetchone() == ("wal",)
    settings = service.engine.settings
    kept_all = {one.id: one for one in store_of(settings).read("guide")}
    one = kept_all[identity]
    assert (one.reason, one.correction, one.rating) == ("wrong", "Hét hét.", "down")
    assert one.given and one.given.texts and one.given.index_version == current_version(settings, "guide")
    assert one.given.texts.question == ask()["messages"][-1]["content"] and one.given.texts.answer
    assert one.given.texts.passages[0].cited and one.given.texts.passages[0].quote in one.given.texts.answer
    assert one.revision


def test_texts_are_kept_only_where_they_may_be(ground: Settings, tmp_path: Any) -> None:  # noqa: F811
    # The index of the ground, feedback elsewhere.
    (tmp_path / "index").symlink_to(ground.var / "index")
    with program(replace(ground, var=tmp_path, feedback_texts=False)) as (address, engine):
        identity = httpx.post(f"{address}/chat/completions", json=ask(), timeout=60).json()["id"]
        assert httpx.post(f"{address}/feedback", json={"id": identity, "rating": "up"}).status_code == 200
        (one,) = store_of(engine.settings).read()
    assert one.given and one.given.domain == "guide" and one.given.texts is None
    held = b"".join(path.read_bytes() for path in tmp_path.glob("*.sqlite*"))
    assert b"guide" in held and ask()["messages"][-1]["content"].encode() not in held


def test_feedback_that_is_wrong_is_refused(service: Service) -> None:
    identity = "chatcmpl-" + "0" * 32
    assert service.post("/feedback", {"id": identity, "rating": "up", "comment": "x" * 2000}).status_code == 200
    wrong = (
        {"id": "chatcmpl-1"},
        {"rating": "good"},
        {"comment": "x" * 2001},
        {"reason": "x"},
        {"correction": "x" * 2001},
    )
    for change in wrong:
        error_of(service.post("/feedback", {"id": identity, "rating": "up", **change}), 400)


def test_feedback_can_be_switched_off(ground: Settings, tmp_path: Any) -> None:  # noqa: F811
    with program(replace(ground, var=tmp_path, feedback=False)) as (address, _):
        body = {"id": "chatcmpl-" + "0" * 32, "rating": "up"}
        assert error_of(httpx.post(f"{address}/feedback", json=body), 403)["code"] == "feedback_off"
    assert not list(tmp_path.iterdir())


def test_feedback_that_cannot_be_kept_is_an_error(ground: Settings, tmp_path: Any) -> None:  # noqa: F811
    (tmp_path / "feedback.sqlite").mkdir()
    with program(replace(ground, var=tmp_path)) as (address, _):
        body = {"id": "chatcmpl-" + "0" * 32, "rating": "up"}
        assert error_of(httpx.post(f"{address}/feedback", json=body), 503)["code"] == "feedback_unavailable"


def test_of_too_much_feedback_the_oldest_goes(tmp_path: Any) -> None:
    store = Store(tmp_path / "feedback.sqlite", most=3)
    for number in (1, 2, 3, 1, 4, 5):
        store.keep(str(number), "up", "", None)
    with closing(sqlite3.connect(tmp_path / "feedback.sqlite")) as connection:
        assert [row[0] for row in connection.execute("select id from feedback order by rowid")] == ["3", "4", "5"]


def test_the_last_ingest_is_told_in_counts(service: Service) -> None:
    settings = service.engine.settings
    version = current_version(settings, "guide") or ""
    body = service.get("/ingest/guide").json()
    IngestStatus.model_validate(body)
    assert body["version"] == version and body["chunks"] == 5 and body["added"] is None
    folder = domain_index_folder(settings, "guide") / version
    save_report(folder, Report("guide", added=2, failed=1, chunks=5, version=version))
    try:
        body = service.get("/ingest/guide").json()
    finally:
        (folder / "report.json").unlink()
    assert (body["added"], body["failed"], body["warnings"]) == (2, 1, 0)
    assert error_of(service.get("/ingest/nowhere"), 404)["code"] == "unknown_domain"


def test_the_description_is_served_from_here_under_the_security_headers(service: Service) -> None:
    described = service.get("/openapi.json").json()
    paths = {
        "/chat/completions", "/models", "/models/{model}", "/embeddings", "/search", "/feedback", "/ingest/{domain}",
    }  # fmt: skip
    assert described["paths"].keys() == paths and described["servers"] == [{"url": "/v1"}]
    for path in described["paths"].values():
        for operation in path.values():
            assert "422" not in operation["responses"]
            assert operation["responses"]["400"]["content"]["application/json"]["schema"]["$ref"].endswith("ErrorBody")
    shown = service.get("/docs")
    assert shown.status_code == 200 and "/v1/chat/completions" in shown.text
    assert "http://" not in shown.text and "https://" not in shown.text and "<script" not in shown.text
    for response in (shown, service.get("/models"), service.get("/nothing"), service.post("/search", {})):
        assert "default-src 'self'" in response.headers["content-security-policy"]
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in response.headers


def test_the_page_stays_where_it_was(service: Service) -> None:
    assert httpx.get(f"{service.address}/en/").status_code == 200
    assert httpx.get(f"{service.address}/healthz").status_code == 200
