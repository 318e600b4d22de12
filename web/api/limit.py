"""ASGI middleware: a request's body has at most so many bytes, whether or not it says how many."""

from fastapi.responses import JSONResponse
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from web.api.errors import ApiError


class BodyLimit:
    """What is too large is answered with 413; whoever says so beforehand is not read at all."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self.app = app
        self.most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        message = f"The body may have {self.most} bytes."
        left = self.most

        async def bounded() -> Message:
            nonlocal left
            part = await receive()
            left -= len(part.get("body", b""))
            if left < 0:
                raise HTTPException(413, message)
            return part

        said = Headers(scope=scope).get("content-length", "")
        if said.isdecimal() and (len(said) > 18 or int(said) > self.most):
            body = ApiError(413, "request_too_large", message).body()
            await JSONResponse(body, 413, {"connection": "close"})(scope, receive, send)
        else:
            await self.app(scope, bounded, send)
