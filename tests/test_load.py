"""More than there is room for, senders and readers that dawdle, models that never end: the whole program's server."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import anyio
import httpx
import openai
import pytest
from mcp import Client
from mcp.types import TextContent
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from rag.answer import Engine
from rag.settings import Settings
from tests.chat_server import ChatServer, event, hangs, piece, says, start
from tests.test_answer import ground  # noqa: F401  (a fixture)
from tests.web_server import served
from web.api.schemas import ErrorBody
from web.limit import Limit
from web.server import create
from web.texts import texts

QUESTION = "How long does the internship last?"
SEARCH = {"domain": "guide", "query": "internship"}
REPLY = "The internship lasts six weeks. [1]"


def ask(text: str = QUESTION, **options: Any) -> dict[str, Any]:
    return {"model": "guide", "messages": [{"role": "user", "content": text}], **options}


@contextmanager
def program(ground: Settings, model: ChatServer | None = None, **settings: Any) -> Iterator[httpx.Client]:  # noqa: F811
    changes: dict[str, Any] = {"cached_answers": 0, **settings}
    if model is not None:
        changes |= {"models": ("openai:m",), "openai_base_url": model.address, "model_timeout": 120.0}
    engine = Engine(replace(ground, **changes))
    try:
        with served(create(engine)) as client:
            yield client
    finally:
        engine.close()


class Held:
    """A reply that says a word, and the rest when it is told to."""

    def __init__(self, rest: str = REPLY) -> None:
        self.rest = rest
        self.finish = threading.Event()
        self.begun = threading.Semaphore(0)

    def __call__(self, handler: Any) -> None:
        start(handler)
        event(handler, piece("Well: "))
        self.begun.release()
        self.finish.wait(60)
        event(handler, piece(self.rest))
        event(handler, piece(None, "stop"))
        event(handler, "[DONE]")


def error(response: httpx.Response, status: int, code: str) -> httpx.Response:
    assert response.status_code == status
    assert ErrorBody.model_validate(response.json()).error.code == code
    return response


def in_use(client: httpx.Client) -> float:
    line = next(line for line in client.get("/metrics").text.splitlines() if line.startswith("lacerta_places_in_use{"))
    assert 'kind="answer"' in line
    return float(line.split()[-1])


def soon(true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 30
    while not true() and time.monotonic() < deadline:
        time.sleep(0.05)
    return true()


def asked_by_page(client: httpx.Client, language: str, session: str, text: str = QUESTION) -> None:
    config = client.get(f"/{language}/config").json()
    asking = next(item for item in config["dependencies"] if len(item["inputs"]) == 3)
    body = {"data": [text, "guide", None], "session_hash": session, "fn_index": asking["id"]}
    assert client.post(f"/{language}/gradio_api/queue/join", json=body).status_code == 200


def shown_by_page(client: httpx.Client, language: str, session: str) -> str:
    """What the page has drawn when the answer has ended."""
    address, query = f"/{language}/gradio_api/queue/data", {"session_hash": session}
    with client.stream("GET", address, params=query) as events:
        lines = []
        for line in events.iter_lines():
            lines.append(line)
            if "process_completed" in line:
                break
    return json.dumps([json.loads(line[5:]) for line in lines if line.startswith("data:")], ensure_ascii=False)


def assistant(client: httpx.Client, tool: str, **arguments: Any) -> str:
    async def call() -> str:
        async with Client(f"{client.base_url}/mcp") as session:
            result = await session.call_tool(tool, arguments)
            assert isinstance(result.content[0], TextContent)
            return f"{result.is_error}: {result.content[0].text}"

    found: list[str] = []
    # The browser's tests leave a loop running in the main thread.
    thread = threading.Thread(target=lambda: found.append(anyio.run(call)))
    thread.start()
    thread.join(60)
    return found[0]


def test_beyond_the_places_everyone_is_told_at_once(ground: Settings) -> None:  # noqa: F811
    held = Held()
    with ChatServer(held) as model, program(ground, model, concurrent_answers=2) as client:
        streams = [client.stream("POST", "/v1/chat/completions", json=ask(stream=True)) for _ in range(2)]
        opened = [stream.__enter__() for stream in streams]
        assert all(held.begun.acquire(timeout=30) for _ in opened)
        refused = error(client.post("/v1/chat/completions", json=ask()), 429, "overloaded")
        assert refused.headers["retry-after"] == "5"
        error(client.post("/v1/chat/completions", json=ask(stream=True)), 429, "overloaded")
        assert "Too many requests" in assistant(client, "ask", domain="guide", question=QUESTION)
        for language in ("en", "hu", "ko"):
            asked_by_page(client, language, f"visitor-{language}")
            shown = shown_by_page(client, language, f"visitor-{language}")
            assert texts(language)["overloaded"].format(seconds=5) in shown
            assert texts(language)["question_returned"] in shown
        assert in_use(client) == 2
        assert client.post("/v1/search", json=SEARCH).status_code == 200
        assert client.get("/v1/models").status_code == 200
        held.finish.set()
        for stream, response in zip(streams, opened, strict=True):
            assert "data: [DONE]" in list(response.iter_lines())
            stream.__exit__(None, None, None)
        assert client.post("/v1/chat/completions", json=ask()).status_code == 200
        assert 'lacerta_refusals_total{reason="overloaded"} 6.0' in client.get("/metrics").text


def test_answers_of_the_page_take_places_too(ground: Settings) -> None:  # noqa: F811
    held = Held()
    with ChatServer(held) as model, program(ground, model, concurrent_answers=1) as client:
        asked_by_page(client, "en", "first")
        assert held.begun.acquire(timeout=30)
        error(client.post("/v1/chat/completions", json=ask()), 429, "overloaded")
        held.finish.set()
        assert "six weeks" in shown_by_page(client, "en", "first")
        assert soon(lambda: in_use(client) == 0)


def test_an_answer_that_takes_too_long(ground: Settings) -> None:  # noqa: F811
    with ChatServer(hangs("The internship lasts six weeks. ")) as model:
        with program(ground, model, request_seconds=4.0) as client:
            whole = client.post("/v1/chat/completions", json=ask())
            assert whole.status_code == 200
            (choice,) = whole.json()["choices"]
            assert choice["finish_reason"] == "length" and "six weeks" in choice["message"]["content"]
            streamed = client.post("/v1/chat/completions", json=ask(stream=True)).text
            assert '"finish_reason": "length"' in streamed and streamed.endswith("data: [DONE]\n\n")
            assert soon(lambda: in_use(client) == 0)
    with ChatServer(hangs()) as model, program(ground, model, request_seconds=4.0) as client:
        error(client.post("/v1/chat/completions", json=ask()), 504, "timeout")


def test_requests_of_a_minute(ground: Settings) -> None:  # noqa: F811
    with program(ground, requests_minute=4) as client:
        left = [
            client.post(path, json=body) for path, body in (("/v1/search", SEARCH), ("/v1/chat/completions", ask()))
        ]
        assert [response.status_code for response in left] == [200, 200]
        assert [response.headers["x-ratelimit-remaining-requests"] for response in left] == ["3", "2"]
        assert left[0].headers["x-ratelimit-limit-requests"] == "4"
        assert left[0].headers["x-ratelimit-reset-requests"] == "15s"
        assert "passages" in assistant(client, "search", domain="guide", query="internship")
        streamed = client.post("/v1/chat/completions", json=ask(stream=True))
        assert streamed.headers["x-ratelimit-remaining-requests"] == "0"
        refused = error(client.post("/v1/search", json=SEARCH), 429, "rate_limit_exceeded")
        assert 1 <= int(refused.headers["retry-after"]) <= 15
        assert refused.headers["x-ratelimit-remaining-requests"] == "0"
        assert client.get("/v1/models").status_code == 200
        assert "4 requests a minute" in assistant(client, "ask", domain="guide", question=QUESTION)
        asked_by_page(client, "hu", "visitor")
        assert texts("hu")["rate_limit_exceeded"].split("{")[0] in shown_by_page(client, "hu", "visitor")
        with pytest.raises(openai.RateLimitError) as raised:
            chat = openai.OpenAI(base_url=f"{client.base_url}/v1", api_key="any", max_retries=0).chat.completions
            chat.create(model="guide", messages=[{"role": "user", "content": QUESTION}])
        assert raised.value.code == "rate_limit_exceeded"
        shown = client.get("/metrics").text
        assert 'lacerta_refusals_total{reason="rate_limit_exceeded"} 4.0' in shown


def test_tokens_of_a_day(ground: Settings) -> None:  # noqa: F811
    usage = {"prompt_tokens": 900, "completion_tokens": 20, "total_tokens": 920}
    with ChatServer(says(REPLY, usage=usage)) as model, program(ground, model, tokens_day=1000) as client:
        for _ in range(2):
            assert client.post("/v1/chat/completions", json=ask()).status_code == 200
        refused = error(client.post("/v1/chat/completions", json=ask()), 429, "insufficient_quota")
        assert int(refused.headers["retry-after"]) <= 86400 and refused.headers["x-should-retry"] == "false"
        asked_by_page(client, "ko", "visitor")
        assert texts("ko")["insufficient_quota"] in shown_by_page(client, "ko", "visitor")


@contextmanager
def limited(seconds: float = 60.0, body_seconds: float = 60.0) -> Iterator[httpx.Client]:
    """What only reads, only waits, or begins and never ends."""

    async def read(request: Request) -> JSONResponse:
        return JSONResponse({"bytes": len(await request.body())})

    async def wait(_: Request) -> JSONResponse:
        await asyncio.sleep(600)
        return JSONResponse({})

    async def endless() -> Any:
        while True:
            yield b"word "
            await asyncio.sleep(0.05)

    async def begin(_: Request) -> StreamingResponse:
        return StreamingResponse(endless())

    routes = [
        Route("/v1/read", read, methods=["POST"]),
        Route("/read", read, methods=["POST"]),
        Route("/wait", wait),
        Route("/begin", begin),
        Route("/en/gradio_api/queue/data", wait),
    ]
    app = Starlette(routes=routes)
    app.add_middleware(Limit, seconds=seconds, body_seconds=body_seconds)
    with served(app) as client:
        yield client


def pieces(size: int, count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield b"x" * size


def test_bodies_have_a_size() -> None:
    with limited() as client:
        assert client.post("/read", content=b"x" * (1 << 20)).json() == {"bytes": 1 << 20}
        assert client.post("/v1/read", content=pieces(1 << 20, 4)).json() == {"bytes": 4 << 20}
        for path, size in (("/read", (1 << 20) + 1), ("/v1/read", (4 << 20) + 1)):
            refused = error(client.post(path, content=b"x" * size), 413, "request_too_large")
            assert str(size - 1) in refused.text
        error(client.post("/v1/read", content=pieces(1 << 20, 5)), 413, "request_too_large")


def raw(client: httpx.Client, *parts: bytes) -> bytes:
    """What comes back for these bytes, up to where the other side closes."""
    with socket.create_connection(("127.0.0.1", client.base_url.port or 0), timeout=30) as connection:
        for part in parts:
            connection.sendall(part)
        answer = b""
        while more := connection.recv(65536):
            answer += more
    return answer


def test_a_body_that_dawdles_is_given_up() -> None:
    head = b"POST /v1/read HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n"
    with limited(body_seconds=2.0) as client:
        answer = raw(client, head, b"x" * 50)
        assert answer.startswith(b"HTTP/1.1 408 ") and b'"code":"timeout"' in answer
        assert client.post("/read", content=b"x").json() == {"bytes": 1}


def test_a_request_has_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.limit._GRACE_SECONDS", 0.2)
    with limited(seconds=0.5) as client:
        error(client.get("/wait"), 504, "timeout")
        # What has begun can only be cut.
        with pytest.raises(httpx.RemoteProtocolError), client.stream("GET", "/begin") as response:
            assert response.status_code == 200
            response.read()
        # A page is open as long as its visitor likes.
        with pytest.raises(httpx.ReadTimeout):
            client.get("/en/gradio_api/queue/data", timeout=2)
