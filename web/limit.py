"""ASGI middleware: how large a request may be, how long its body may take to come, and how long it may take in all."""

import asyncio

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from rag.settings import LANGUAGES
from web.api.errors import ApiError
from web.front import App, Message, Receive, Scope, Send

# Room for what is typed; for the longest texts, every character escaped; for a conversation with all its quotes.
_BYTES = 1 << 20
_LARGER = {
    "/v1/": 4 << 20,
    "/export/": 8 << 20,
    # Here a browser gives back a conversation that it kept.
    **{f"/{language}/gradio_api/run/": 8 << 20 for language in LANGUAGES},
}
_BODY_SECONDS = 30.0
# A visitor's own document, from a phone with little reception.
_DOCUMENTS = "/documents/"
_DOCUMENT_SECONDS = 900.0
# An answer that takes too long ends by itself, with what there is.
_GRACE_SECONDS = 10.0
# Open as long as the page is.
_ENDLESS = ("/gradio_api/queue/data", "/gradio_api/heartbeat/")


class Limit:
    """What is too large gets 413, and whoever says so beforehand is not read at all; what comes too slowly 408.

    What takes longer than `seconds` gets 504, or ends where its response had begun. All are in the shape of OpenAI's
    errors. No thread is held meanwhile.
    """

    def __init__(
        self, app: App, seconds: float, body_seconds: float = _BODY_SECONDS, document_bytes: int = _BYTES
    ) -> None:
        self.app = app
        self._seconds = seconds
        self._body_seconds = body_seconds
        self._document_bytes = document_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"]
        brings_a_file = scope["method"] == "POST" and path.startswith(_DOCUMENTS)
        body_seconds = _DOCUMENT_SECONDS if brings_a_file else self._body_seconds
        whole_seconds = max(self._seconds, body_seconds) if brings_a_file else self._seconds
        most = (
            self._document_bytes
            if brings_a_file
            else next((size for start, size in _LARGER.items() if path.startswith(start)), _BYTES)
        )
        left = most
        too_large = ApiError(413, "request_too_large", f"The body may have {most} bytes.")
        error: ApiError | None = None
        begun, reading = False, True
        latest = asyncio.get_running_loop().time() + body_seconds

        async def bounded() -> Message:
            nonlocal left, error, reading
            if not reading:
                return await receive()
            try:
                async with asyncio.timeout_at(latest):
                    part = await receive()
            except TimeoutError:
                error = ApiError(408, "timeout", f"The body should be there within {body_seconds:g} seconds.")
                raise HTTPException(408) from None
            left -= len(part.get("body", b""))
            if left < 0:
                error = too_large
                raise HTTPException(413)
            reading = part.get("more_body", False)
            return part

        async def guarded(message: Message) -> None:
            nonlocal begun
            # What was found here is said in one shape, whatever the application makes of it.
            if error is None or begun:
                begun = True
                await send(message)

        said = Headers(scope=scope).get("content-length", "")
        timer = asyncio.timeout(None if any(part in path for part in _ENDLESS) else whole_seconds + _GRACE_SECONDS)
        if said.isdecimal() and (len(said) > 18 or int(said) > most):
            error = too_large
        else:
            try:
                async with timer:
                    await self.app(scope, bounded, guarded)
            except Exception:
                if not timer.expired() and error is None:
                    raise
        if timer.expired():
            error = ApiError(504, "timeout", f"The request was not done within {whole_seconds:g} seconds.")
        if error and not begun:
            # The rest of a body is not waited for.
            await JSONResponse(error.body(), error.status, {"connection": "close"})(scope, receive, send)
