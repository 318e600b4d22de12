"""`/documents`: documents that a visitor adds to a conversation. They are there for who knows the conversation's name.

A file comes as the body of its request, with its name beside it, and is written to the disk while it comes.
"""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import FastAPI, Header, Path, Request
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect
from starlette.routing import Mount

from ingest.visit_files import VisitFailed
from ingest.visit_index import PAGE_CHARACTERS
from ingest.visits import Incoming, Visits
from rag.visits import IDENTIFIER, OwnFile, new_identifier
from web.access.caller import caller_of
from web.api.errors import ApiError
from web.entrance import SEARCH, Entrance
from web.own import own_place
from web.routes import application, mounted
from web.work import Pool

Visit = Annotated[str, Path(pattern=f"^{IDENTIFIER.pattern}$")]
File = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$")]

_NAME_BYTES = 3000
# Files that arrive at once, those of one visitor among them, and how much of one is written together. Whoever sends
# slowly holds no thread, and keeps nobody else from it.
_ARRIVING = 64
_OF_ONE = 8
_THREADS = 2
_PIECE = 1 << 18
_BUSY_SECONDS = "10"
_STATUS = {
    "uploads_off": 403,
    "unknown_visit": 404,
    "unknown_file": 404,
    "too_many_files": 409,
    "too_large": 413,
    "empty": 400,
    "busy": 503,
    "no_room": 507,
    "disk_full": 507,
    "internal": 500,
}
_HEADERS = {"cache-control": "private, no-store"}


def create(visits: Visits, entrance: Entrance) -> FastAPI:
    """An application to be mounted at `/documents`; whoever makes `visits` starts and closes them."""
    app = application("Visitors' own documents")
    settings = visits.settings
    run = Pool(_THREADS, "documents").run
    arriving: Counter[str] = Counter()

    @app.exception_handler(VisitFailed)
    async def failed(request: Request, error: VisitFailed) -> JSONResponse:
        status = _STATUS[error.code]
        headers = _HEADERS | ({"retry-after": _BUSY_SECONDS} if error.code == "busy" else {})
        return JSONResponse(ApiError(status, error.code, str(error)).body(), status, headers)

    @asynccontextmanager
    async def place(request: Request, counted: bool) -> AsyncIterator[None]:
        """What costs work is one request of whoever asks; the place is not held while a file arrives."""
        async with entrance.enter(SEARCH, caller_of(request), counted=counted):
            yield

    async def receive(request: Request, visit: str, name: str, length: str) -> OwnFile:
        async with place(request, counted=True):
            pass
        sender = caller_of(request).account
        if arriving[sender] >= _OF_ONE or arriving.total() >= _ARRIVING:
            raise VisitFailed("busy", "Too many documents arrive at once. Try again in a moment.")
        arriving[sender] += 1
        incoming: Incoming | None = None
        try:
            size = int(length) if length.isdecimal() and len(length) < 19 else None
            text = unquote(name[:_NAME_BYTES], errors="replace")
            incoming = await run(visits.receive, own_place(visit, caller_of(request)), text, size)
            pieces = bytearray()
            async for piece in request.stream():
                pieces += piece
                if len(pieces) >= _PIECE:
                    await run(incoming.write, bytes(pieces))
                    pieces.clear()
            await run(incoming.write, bytes(pieces))
            return await run(incoming.finish)
        except ClientDisconnect:
            raise ApiError(400, "incomplete", "The document did not arrive as a whole.") from None
        finally:
            arriving[sender] -= 1
            if not arriving[sender]:
                del arriving[sender]
            if incoming is not None:
                incoming.abandon()

    @app.get("/")
    async def rules() -> JSONResponse:
        """What is taken in, and what of it; `bytes` and `pages` are those of one file, `hours` how long it is kept."""
        told = {
            "uploads": settings.visit_uploads,
            "files": settings.visit_files,
            "bytes": settings.visit_file_bytes,
            "pages": settings.visit_pages,
            "page_characters": PAGE_CHARACTERS,
            "hours": settings.visit_hours,
        }
        return JSONResponse(told, headers=_HEADERS)

    @app.post("/")
    async def begin(
        request: Request, x_name: Annotated[str, Header()] = "", content_length: Annotated[str, Header()] = ""
    ) -> JSONResponse:
        """Takes in the first file of a conversation, which gets a name for its documents."""
        visit = new_identifier()
        file = await receive(request, visit, x_name, content_length)
        return JSONResponse({"id": visit, "file": told_of(file)}, 201, _HEADERS)

    @app.post("/{visit}")
    async def add(
        request: Request,
        visit: Visit,
        x_name: Annotated[str, Header()] = "",
        content_length: Annotated[str, Header()] = "",
    ) -> JSONResponse:
        """Takes in a further file."""
        async with place(request, counted=False):
            await run(visits.files, own_place(visit, caller_of(request)))
        file = await receive(request, visit, x_name, content_length)
        return JSONResponse({"id": visit, "file": told_of(file)}, 201, _HEADERS)

    @app.get("/{visit}")
    async def files(request: Request, visit: Visit) -> JSONResponse:
        """The files of a conversation, and how far each is."""
        async with place(request, counted=False):
            found = await run(visits.files, own_place(visit, caller_of(request)))
        return JSONResponse({"id": visit, "files": [told_of(file) for file in found]}, headers=_HEADERS)

    @app.delete("/{visit}")
    async def delete(request: Request, visit: Visit) -> JSONResponse:
        """Deletes all files of a conversation."""
        async with place(request, counted=False):
            await run(visits.remove, own_place(visit, caller_of(request)))
        return JSONResponse({"id": visit, "files": []}, headers=_HEADERS)

    @app.delete("/{visit}/{file}")
    async def remove(request: Request, visit: Visit, file: File) -> JSONResponse:
        """Deletes one file."""
        async with place(request, counted=False):
            left = await run(visits.remove, own_place(visit, caller_of(request)), file)
        return JSONResponse({"id": visit, "files": [told_of(item) for item in left]}, headers=_HEADERS)

    return app


def told_of(file: OwnFile) -> dict[str, Any]:
    """What the page is told of a file. `share`, in [0, 1], is how much of it is done, `code` why it failed."""
    return {
        "file": file.file,
        "name": file.name,
        "size": file.size,
        "state": file.state,
        "share": file.share,
        "code": file.code or None,
        "document": file.document or None,
        "pages": file.pages,
    }


def mount(visits: Visits, entrance: Entrance) -> Mount:
    """The application at `/documents` of another one."""
    return mounted("/documents", create(visits, entrance))
