"""What every request passes first: it gets an id, is counted and logged."""

import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from rag.settings import LANGUAGES
from web.logs import REQUEST_ID, request_id
from web.metrics import OTHER, Metrics

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

HEADER = b"x-request-id"
# What is served below these is one route each.
_FOLDERS = ("static", "mcp")
# Applications of their own, which know their routes without the folder that they are mounted at.
_MOUNTED = ("v1", "sources", "state", "search", "export", "feedback", "documents")
_GRADIO = "gradio_api"
_GRADIO_PARTS = ("queue", "heartbeat", "run", "cancel", "reset", "startup-events", "info")
_LEFT = 499
"""As nginx has it: whoever asked left before the answer began."""
_LOG = logging.getLogger("lacerta.request")


class Front:
    """ASGI middleware, the outermost. A request is logged without its query, which may hold a question."""

    def __init__(self, app: App, metrics: Metrics) -> None:
        self.app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        offered = next((value for name, value in scope["headers"] if name == HEADER), b"")
        known = request_id(offered.decode("latin-1"))
        # Whatever was offered, what stands behind sees the one that counts.
        headers = [(name, value) for name, value in scope["headers"] if name != HEADER]
        scope["headers"] = [*headers, (HEADER, known.encode())]
        path, method = scope["path"], scope["method"]
        started = time.perf_counter()
        status = 0

        async def send_known(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), (HEADER, known.encode())]
            await send(message)

        token = REQUEST_ID.set(known)
        try:
            await self.app(scope, receive, send_known)
        except Exception:
            # The server behind sends it where nothing was sent yet.
            status = status or 500
            raise
        finally:
            status = status or _LEFT
            route = route_of(scope, path)
            self._metrics.request(route, method, status)
            if _LOG.isEnabledFor(logging.INFO):
                seconds = round(time.perf_counter() - started, 3)
                fields = {"method": method[:10], "route": route, "status": status, "seconds": seconds}
                _LOG.info("request", extra={"fields": fields})
            REQUEST_ID.reset(token)


def route_of(scope: Scope, path: str) -> str:
    """The pattern that a path was served by, one of few; `other` for what is not served."""
    first, *rest = path.lstrip("/").split("/")
    if first in LANGUAGES:
        if rest[:1] == [_GRADIO]:
            part = rest[1] if len(rest) > 1 and rest[1] in _GRADIO_PARTS else OTHER
            return f"/{{language}}/{_GRADIO}/{part}"
        return "/{language}/" if rest in ([], [""]) else "/{language}/assets"
    if first in _FOLDERS:
        return f"/{first}"
    pattern = getattr(scope.get("route"), "path", None)
    if not isinstance(pattern, str) or pattern == f"/{first}" and first in _MOUNTED:
        return OTHER
    return f"/{first}{pattern}" if first in _MOUNTED else pattern
