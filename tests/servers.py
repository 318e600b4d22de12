"""A real HTTP server on loopback whose answers, and faults, a test scripts path by path."""

import gzip
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came: `target` is path and query, header names are in lower case, `at` is time.monotonic()."""

    target: str
    headers: Mapping[str, str]
    at: float


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. With an ETag or Last-Modified header the server answers 304 where that is asked for.

    `cut_at`: the connection is cut after that many bytes of the body. `ranges`: parts can be asked for. `endless`: the
    body is sent again and again without a length. `drip`: seconds between two bytes. `silent`: seconds before it.
    `claimed`: the length that is said to come, whatever comes.
    """

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cut_at: int | None = None
    ranges: bool = False
    endless: bool = False
    drip: float = 0.0
    silent: float = 0.0
    claimed: int | None = None


Script = Callable[[Request], Reply]


def page(html: str, encoding: str = "utf-8", **headers: str) -> Reply:
    """An HTML page; header names are given with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(html.encode(encoding), headers={"Content-Type": "text/html", **named})


def redirect(location: str, status: int = 302) -> Reply:
    return Reply(status=status, headers={"Location": location})


def gzip_bomb(megabytes: int) -> Reply:
    """So many megabytes of zeros, packed about a thousand times smaller."""
    return Reply(gzip.compress(bytes(megabytes << 20)), headers={"Content-Encoding": "gzip"})


class Server:
    """Answers by path and query, else by path alone, else 404. `requests` is the log, in the order of arrival."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._scripts: dict[str, Script] = {}
        self._default: Script | None = None
        self._stopping = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Headers and body are two writes: without this the second waits for the first one's acknowledgement.
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Request(self.path, headers, time.monotonic())
                server.requests.append(request)
                try:
                    _send(self, request, server._reply(request), server._stopping)
                except OSError:
                    self.close_connection = True

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def put(self, path: str, *replies: Reply | bytes) -> None:
        """The answers of a path, one after the other; the last one stays."""
        queue = [Reply(item) if isinstance(item, bytes) else item for item in replies]

        def next_reply(request: Request) -> Reply:
            return queue.pop(0) if len(queue) > 1 else queue[0]

        self._scripts[path] = next_reply

    def script(self, path: str, script: Script) -> None:
        """A function that makes the answers of a path."""
        self._scripts[path] = script

    def otherwise(self, script: Script) -> None:
        """A function that makes the answers of every path that has none."""
        self._default = script

    def remove(self, path: str) -> None:
        del self._scripts[path]

    def targets(self) -> list[str]:
        return [request.target for request in self.requests]

    def __enter__(self) -> "Server":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _reply(self, request: Request) -> Reply:
        path = request.target.split("?")[0]
        script = self._scripts.get(request.target) or self._scripts.get(path) or self._default
        return script(request) if script else Reply(b"not here", status=404)


def _send(handler: BaseHTTPRequestHandler, request: Request, reply: Reply, stopping: threading.Event) -> None:
    stopping.wait(reply.silent)
    reply = _conditional(request, reply)
    handler.send_response(reply.status)
    for name, value in reply.headers.items():
        handler.send_header(name, value)
    if reply.endless:
        handler.send_header("Connection", "close")
        handler.end_headers()
        while not stopping.is_set():
            handler.wfile.write(reply.body)
        return
    if reply.status != 304:
        handler.send_header("Content-Length", str(len(reply.body) if reply.claimed is None else reply.claimed))
    handler.end_headers()
    body = reply.body if reply.cut_at is None else reply.body[: reply.cut_at]
    if reply.drip:
        for place in range(len(body)):
            handler.wfile.write(body[place : place + 1])
            if stopping.wait(reply.drip):
                break
    else:
        handler.wfile.write(body)
    broken = reply.cut_at is not None or reply.claimed is not None
    handler.close_connection = handler.close_connection or broken or stopping.is_set()


def _conditional(request: Request, reply: Reply) -> Reply:
    if reply.status != 200:
        return reply
    headers = {name.lower(): value for name, value in reply.headers.items()}
    tag, modified = headers.get("etag"), headers.get("last-modified")
    asked = request.headers
    if (tag and asked.get("if-none-match") == tag) or (
        "if-none-match" not in asked and modified and asked.get("if-modified-since") == modified
    ):
        return Reply(status=304, headers=reply.headers)
    if not reply.ranges:
        return reply
    reply = replace(reply, headers={**reply.headers, "Accept-Ranges": "bytes"})
    if "range" not in asked or asked.get("if-range", tag) != tag:
        return reply
    start = int(asked["range"].removeprefix("bytes=").removesuffix("-"))
    size = len(reply.body)
    if start >= size:
        return Reply(status=416, headers={"Content-Range": f"bytes */{size}"})
    content_range = {"Content-Range": f"bytes {start}-{size - 1}/{size}"}
    return replace(reply, status=206, body=reply.body[start:], headers={**reply.headers, **content_range})
