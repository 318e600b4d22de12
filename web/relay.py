"""A visitor's page belongs to one process: whichever of them gets a request of the page hands it on to that one.

Gradio keeps what a visitor's page is at in the memory of a process. A cookie names it; where it has gone, the next one
takes the visitor over. The processes reach each other over Unix sockets in a folder that only their user can enter.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import nullcontext
from pathlib import Path
from string import punctuation
from urllib.parse import quote

import httpx
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse, PlainTextResponse

from rag.settings import LANGUAGES, Settings
from web.front import App, Message, Receive, Scope, Send
from web.siblings import address
from web.stopping import Flow
from web.texts import texts

COOKIE = "lacerta_process"
_SENDER = b"x-lacerta-sender"
_PART = "gradio_api/"
_ANSWERS = "gradio_api/queue/data"
# Of one connection, not of what goes over it (RFC 9110, 7.6.1), or set again by the server in front.
_OF_CONNECTION = {
    b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"expect",
    b"date",
}  # fmt: skip
# Gradio says every 15 s that it is still there.
_TIMEOUTS = {"connect": 2.0, "read": 60.0, "write": 60.0, "pool": None}
_LONGEST_TARGET = 8192
_LOG = logging.getLogger(__name__)


class Relay:
    """ASGI middleware around all else: a request is counted, logged and let in by the process that answers it."""

    def __init__(self, app: App, flow: Flow, folder: Path, number: int, settings: Settings) -> None:
        self._app = app
        self._flow = flow
        self._number = number
        self._server = (settings.host, settings.port)
        self._own = str(address(folder, number))
        self._others = {
            other: httpx.AsyncHTTPTransport(
                uds=str(address(folder, other)), limits=httpx.Limits(max_keepalive_connections=0)
            )
            for other in range(settings.processes)
            if other != number
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if (scope.get("server") or ("",))[0] == self._own:
            await self._app(self._as_sent(scope), receive, send)
            return
        language, _, inside = scope["path"].removeprefix("/").partition("/")
        if language not in LANGUAGES or (inside and not inside.startswith(_PART)):
            await self._app(scope, receive, send)
            return
        target = _target(scope)
        if len(target) > _LONGEST_TARGET:
            await PlainTextResponse("URI too long", status_code=414)(scope, receive, send)
            return
        named = self._named(scope)
        if not inside or named in (None, self._number):
            await self._app(scope, receive, send if named is not None else self._naming(send, self._number))
            return
        # While it is relayed the answer is written elsewhere, and must not be cut off at the end of this process.
        with self._flow.answering() if inside == _ANSWERS else nullcontext():
            if await self._relay(scope, receive, send, named, target, language):
                return
        await self._app(scope, receive, self._naming(send, self._number))

    def _as_sent(self, scope: Scope) -> Scope:
        """The request as the process had it that relayed it."""
        sender = next((value for name, value in scope["headers"] if name == _SENDER), b"")
        host, _, port = sender.decode("latin-1").rpartition(" ")
        headers = [item for item in scope["headers"] if item[0] != _SENDER]
        return {**scope, "headers": headers, "client": (host, int(port)) if host else None, "server": self._server}

    def _named(self, scope: Scope) -> int | None:
        """The process that the cookie names, None where it names none."""
        for name, value in scope["headers"]:
            if name != b"cookie":
                continue
            # As browsers do, it passes over what other programs of this host wrote; SimpleCookie gives all up.
            text = cookie_parser(value.decode("latin-1")).get(COOKIE, "")
            if text.isascii() and text.isdigit() and len(text) < 4 and (int(text) in {*self._others, self._number}):
                return int(text)
        return None

    async def _relay(
        self, scope: Scope, receive: Receive, send: Send, named: int, target: bytes, language: str
    ) -> bool:
        """Has a request answered by the process `named` or the next one that is there; False where that is this one."""
        body = _body(receive)
        count = len(self._others) + 1
        for number in ((named + step) % count for step in range(count)):
            if number == self._number:
                break
            request = httpx.Request(
                scope["method"],
                httpx.URL(scheme="http", host="lacerta", raw_path=target),
                headers=[*_kept(scope["headers"]), (_SENDER, "{} {}".format(*(scope["client"] or ("", 0))).encode())],
                content=body if _has_body(scope) else None,
                extensions={"timeout": _TIMEOUTS},
            )
            sent = send if number == named else self._naming(send, number)
            try:
                response = await self._others[number].handle_async_request(request)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
            except _LeftError:
                return True
            except httpx.TransportError as error:
                _LOG.warning("Process %d gave no answer: %r", number, error)
                said = {"detail": texts(language)["unexpected"]}
                await JSONResponse(said, status_code=503, headers={"Retry-After": "1"})(scope, receive, sent)
                return True
            await _copy(response, receive, sent)
            return True
        return False

    @staticmethod
    def _naming(send: Send, number: int) -> Send:
        """`send` that tells the visitor's browser the process it belongs to from now on."""

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                cookie = f"{COOKIE}={number}; Path=/; HttpOnly; SameSite=Lax".encode()
                message["headers"] = [*message.get("headers", []), (b"set-cookie", cookie)]
            await send(message)

        return send_named


class _LeftError(Exception):
    """Whoever asked has left."""


def _target(scope: Scope) -> bytes:
    path: bytes = scope["raw_path"]
    whole = path + b"?" + scope["query_string"] if scope["query_string"] else path
    # What is not ASCII must not stand there, but can.
    return quote(whole, safe=punctuation).encode("ascii")


def _kept(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [item for item in headers if item[0].lower() not in _OF_CONNECTION and item[0] != _SENDER]


def _has_body(scope: Scope) -> bool:
    return any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"])


async def _body(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _LeftError
        yield message.get("body", b"")
        if not message.get("more_body"):
            return


async def _copy(response: httpx.Response, receive: Receive, send: Send) -> None:
    """Sends on what comes, as it comes, until its end or until nobody is there any more."""
    stream = response.stream
    assert isinstance(stream, httpx.AsyncByteStream)

    async def pass_on() -> None:
        await send(
            {"type": "http.response.start", "status": response.status_code, "headers": _kept(response.headers.raw)}
        )
        try:
            async for part in stream:
                await send({"type": "http.response.body", "body": part, "more_body": True})
        except httpx.TransportError as error:
            # Without its end the server cuts the connection, from which the page knows that it was lost.
            _LOG.warning("An answer of another process was cut off: %r", error)
            return
        await send({"type": "http.response.body", "body": b""})

    async def left() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    tasks = [asyncio.ensure_future(work()) for work in (pass_on, left)]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if tasks[0].done():
            tasks[0].result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await stream.aclose()
