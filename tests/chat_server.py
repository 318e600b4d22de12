"""An OpenAI-compatible chat server on loopback, and everything that can go wrong with one."""

import gzip
import json
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from rag.settings import Secret, Settings

KEY = "sk-very-secret"
Reply = Callable[[BaseHTTPRequestHandler], None]


class ChatServer:
    """Gives the replies of a queue to model `m`, the last one again and again; every other model answers "Yes."."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies)
        self.requests: list[dict[str, Any]] = []
        self.released = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                headers = {name.lower(): value for name, value in self.headers.items()}
                outer.requests.append({"path": self.path, "headers": headers, **body})
                reply = says("Yes.")
                if body["model"] == "m":
                    reply = outer.replies.pop(0) if len(outer.replies) > 1 else outer.replies[0]
                self.server_events = outer.released
                try:
                    reply(self)
                except OSError:
                    pass
                self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        class Waiting(ThreadingHTTPServer):
            # Connections that are not taken up yet; with five of them, many visitors at once are turned away.
            request_queue_size = 128

        self._server = Waiting(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def models(self) -> list[str]:
        """The models that were asked, in order."""
        return [request["model"] for request in self.requests]

    def settings(self, **changes: Any) -> Settings:
        values = {"openai_base_url": self.address, "openai_api_key": Secret(KEY), "model_timeout": 5.0, **changes}
        return replace(Settings(), **values)

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> "ChatServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def wait(handler: BaseHTTPRequestHandler, seconds: float) -> bool:
    """Waits for so long or until the server is closed; True if it was."""
    released: threading.Event = handler.server_events  # type: ignore[attr-defined]
    return released.wait(seconds)


def event(handler: BaseHTTPRequestHandler, data: object) -> None:
    text = data if isinstance(data, str) else json.dumps(data)
    handler.wfile.write(f"data: {text}\n\n".encode())
    handler.wfile.flush()


def start(handler: BaseHTTPRequestHandler, kind: str = "text/event-stream") -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", kind)
    handler.end_headers()
    handler.wfile.flush()


def piece(text: str | None, finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}
    return {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


def says(
    *texts: str, finish: str | None = "stop", after: object = "[DONE]", usage: dict[str, Any] | None = None
) -> Reply:
    """A stream of texts, why it ended, how many tokens it took, and what comes last; each may be left out."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        start(handler)
        for text in texts:
            event(handler, piece(text))
        if finish:
            event(handler, piece(None, finish))
        if usage:
            event(handler, {**piece(None), "choices": [], "usage": usage})
        if after:
            event(handler, after)

    return reply


def hangs_up(handler: BaseHTTPRequestHandler) -> None:
    """Closes the connection without a word, as a server does that has too many of them."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.rfile.close()
    handler.wfile.close()
    handler.connection.close()


def fails(status: int, text: str = f"no: {KEY}", **headers: str) -> Reply:
    """An error as OpenAI sends it; header names are given with underscores."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        body = json.dumps({"error": {"message": text, "type": "t", "code": "c"}}).encode()
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return reply


def hangs(*texts: str) -> Reply:
    """Says nothing more, not even headers where there are no texts."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        if texts:
            start(handler)
        for text in texts:
            event(handler, piece(text))
        wait(handler, 60)

    return reply


def drips(data: bytes, seconds: float = 0.05, *texts: str) -> Reply:
    """Sends texts, then one byte after the other, so that no wait for the next byte is ever long."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        if texts:
            start(handler)
        for text in texts:
            event(handler, piece(text))
        for place in range(len(data)):
            handler.wfile.write(data[place : place + 1])
            handler.wfile.flush()
            if wait(handler, seconds):
                return

    return reply


def repeats(data: bytes, *texts: str, finish: str = "", seconds: float = 0.0, status: int = 200) -> Reply:
    """Sends texts, then the same bytes for ever."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", "text/event-stream")
        handler.end_headers()
        for text in texts:
            event(handler, piece(text))
        if finish:
            event(handler, piece(None, finish))
        while not wait(handler, seconds):
            handler.wfile.write(data)

    return reply


def sends(body: bytes, status: int = 200, **headers: str) -> Reply:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return reply


def cuts(body: bytes, length: int) -> Reply:
    """Promises `length` bytes and closes the connection after the body."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Content-Length", str(length))
        handler.end_headers()
        handler.wfile.write(body)

    return reply


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong, and what must come of it: `reason`, and `text` where some of the answer was there before.

    Without a reason the answer comes in the end, as `text`.
    """

    name: str
    replies: tuple[Reply, ...]
    reason: str
    text: str = ""

    def __str__(self) -> str:
        return self.name


_EMPTY = b"data: " + json.dumps(piece(None)).encode() + b"\n\n"
_MORE = b"data: " + json.dumps(piece("more ")).encode() + b"\n\n"
_HEADERS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX-Padding: " + b"x" * 10_000
_HTML = b"<!doctype html><html><body><h1>It works!</h1></body></html>"
_COMPLETION = json.dumps({"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": []}).encode()

FAULTS = (
    Fault("closes without a reply", (lambda handler: None,), "broken"),
    Fault("hangs before its headers", (hangs(),), "timeout"),
    Fault("sends its headers byte by byte", (drips(_HEADERS),), "timeout"),
    Fault("hangs after its headers", (repeats(b"", seconds=0.05),), "timeout"),
    Fault("sends comments for ever", (repeats(b": ping\n\n", seconds=0.02),), "timeout"),
    Fault("sends chunks without text for ever", (repeats(_EMPTY, seconds=0.02),), "timeout"),
    Fault("hangs between tokens", (hangs("Six ", "weeks"),), "timeout", "Six weeks"),
    Fault("sends a token byte by byte", (drips(_MORE * 99, 0.05, "Six ", "weeks"),), "timeout", "Six weeks"),
    Fault("drops mid-stream", (says("Six ", "weeks", finish=None, after=None),), "broken", "Six weeks"),
    Fault("drops mid-message", (cuts(_MORE + b"data: {", 999),), "broken", "more "),
    Fault("drops before its first token", (cuts(b"", 999),), "broken"),
    Fault("sends broken JSON at once", (says(finish=None, after="{broken"),), "broken"),
    Fault("sends broken JSON mid-stream", (says("Six ", "weeks", finish=None, after="{b"),), "broken", "Six weeks"),
    Fault(
        "sends bytes that are no text mid-stream",
        (cuts(_MORE + b"data: \xff\xfe\n\n", 999),),
        "broken",
        "more ",
    ),
    Fault(
        "sends an error mid-stream", (says("Six ", finish=None, after={"error": {"message": "x"}}),), "server", "Six "
    ),
    Fault("sends HTML", (sends(_HTML, Content_Type="text/html"),), "broken"),
    Fault("sends a whole completion", (sends(_COMPLETION, Content_Type="application/json"),), "broken"),
    Fault("sends nothing", (sends(b""),), "broken"),
    Fault("sends an empty answer", (says(),), "empty"),
    Fault("sends nothing but reasoning", (says("<think>Hm", "m.</think>\n"),), "empty"),
    Fault("sends a line without end", (repeats(b"data: " + b"x" * 65_536),), "broken"),
    Fault("sends an error without end", (repeats(b"x" * 65_536, status=503),), "server"),
    Fault("sends a packed response", (sends(gzip.compress(b"x"), Content_Encoding="gzip"),), "unavailable"),
    Fault("redirects", (sends(b"", 307, Location="http://127.0.0.1:9/v1/chat/completions"),), "unavailable"),
    Fault("answers 400", (fails(400),), "rejected"),
    Fault("answers 400, too long", (fails(400, "maximum context length is 10 tokens"),), "context"),
    Fault("answers 401", (fails(401),), "key"),
    Fault("answers 403", (fails(403),), "key"),
    Fault("answers 404", (fails(404),), "missing"),
    Fault("answers 408", (fails(408),), "timeout"),
    Fault("answers 413", (fails(413),), "rejected"),
    Fault("answers 429", (fails(429),), "rate"),
    Fault("answers 429, in a moment", (fails(429, Retry_After="0"),), "rate"),
    Fault("answers 429, in two minutes", (fails(429, Retry_After="120"),), "rate"),
    Fault("answers 500", (fails(500),), "server"),
    Fault("answers 502 with HTML", (sends(_HTML, 502, Content_Type="text/html"),), "server"),
    Fault("answers 504", (fails(504),), "timeout"),
    Fault("answers 429 once", (fails(429, Retry_After="0"), says("Six.")), "", "Six."),
    Fault("answers 500 once", (fails(500), says("Six.")), "", "Six."),
    Fault("never ends", (repeats(_MORE),), "", "more " * 6 + "mo"),
    Fault("hangs after its end", (repeats(b"", "Six.", finish="stop", seconds=0.05),), "", "Six."),
)
