"""`/sources`: what the page's source viewer asks for. It is the page's own and may change with it.

A domain that a caller does not see is not there, as in the search.
"""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Header, Path, Query, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount

from rag.answer import Engine
from rag.errors import IndexUnavailable
from rag.index import DocumentRecord, Index, current_version
from rag.pages import pieces
from rag.settings import Domain
from rag.visits import folder_of
from web.access.caller import caller_of
from web.api.errors import ApiError, add_handlers, failed
from web.entrance import SEARCH, Entrance
from web.own import own_domain, own_place, visit_of
from web.sources import context, quotes
from web.sources.documents import PDF, Files, described, file_name, media_type, passwords, shape
from web.sources.limits import TEXT_CHARACTERS, WIDTHS
from web.sources.pictures import PdfFile, Pictures
from web.sources.process import PageFailed
from web.sources.quotes import Part
from web.work import Pool

Name = Annotated[str, Path(max_length=100)]
Document = Annotated[str, Path(pattern=r"^(?:own-)?[0-9a-f]{32}$")]
Number = Annotated[int, Path(ge=1, le=1_000_000)]
Offset = Annotated[int | None, Query(ge=0, le=10_000_000)]

_THREADS = 2
# The address holds the beginning of the content's digest, so a picture never changes.
_PICTURE_SECONDS = 86_400
_FAILURES = {
    "source_gone": (404, "The file of this document is not there any more. It can be read again after an ingest."),
    "source_changed": (409, "The file of this document has changed since it was indexed."),
    "unreadable_page": (422, "This page can't be drawn."),
}
_FILE_HEADERS = {
    # A document is untrusted: whatever a browser makes of it, it is nobody's script and has nobody's cookies.
    "content-security-policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'",
    "cache-control": "private, no-cache",
}


@dataclass(frozen=True, slots=True)
class _Opened:
    """A page on its way to the viewer: what is answered so far and, for a PDF, where its quotes are to be found."""

    record: DocumentRecord
    answer: dict[str, Any]
    part: Part | None


@dataclass(frozen=True, slots=True)
class _Quoted:
    """What a page should mark, as it was asked for."""

    chunk: str
    start: int | None
    end: int | None
    quotes: tuple[str, ...]


class Viewer:
    """What all routes share. Methods but `place` block; they raise ApiError."""

    def __init__(self, engine: Engine, entrance: Entrance, pictures: Pictures) -> None:
        self.engine = engine
        self.entrance = entrance
        self.pictures = pictures
        self.files = Files(engine.settings)
        self.run = Pool(_THREADS, "sources").run

    @asynccontextmanager
    async def place(self, request: Request, name: str) -> AsyncIterator[Domain]:
        """A domain that is there for whoever asks, with a place for the work. Looking is no request of a budget."""
        caller = caller_of(request)
        domain = caller.visible(self.engine.domains).get(name)
        if visit := visit_of(name):
            # What is not there has no index either.
            domain = own_domain(name, folder_of(self.engine.settings, own_place(visit, caller)))
        if domain is None:
            raise ApiError(404, "unknown_domain", f"There is no domain {name[:100]!r}.")
        async with self.entrance.enter(SEARCH, caller, counted=False):
            yield domain

    def record(self, domain: Domain, document: str) -> DocumentRecord:
        """A document of the current version."""
        try:
            with self._index(domain) as index:
                return _record(index, document)
        except IndexUnavailable as error:
            raise self._unavailable(domain) from error

    def open(self, domain: Domain, document: str, number: int, quoted: _Quoted, view: str = "") -> _Opened:
        """A page with what is quoted; as `text` it needs no file."""
        try:
            with self._index(domain) as index:
                record = _record(index, document)
                _refuse_number(record, number)
                found = quotes.chunk_of(index, document, quoted.chunk) if quoted.chunk else None
                chunks = index.table.of_document(document)
        except IndexUnavailable as error:
            raise self._unavailable(domain) from error
        spans = quotes.quotes_of(found, quoted.start, quoted.end, quoted.quotes) if found else []
        part = quotes.on_page(found, spans, number) if found else None
        text = pieces(chunks, number)
        kind = "text" if view and shape(record) == "picture" else shape(record)
        answer: dict[str, Any] = {
            "kind": kind, "page": number, "pages": record.pages, "language": record.language,
            "headings": context.headings(chunks, found, number), "quotes": quotes.told(found, spans) if found else [],
        }  # fmt: skip
        if kind == "picture":
            answer["text"] = "\n".join(piece for _, piece in text).strip()[:TEXT_CHARACTERS]
        else:
            answer |= context.rows(text, part) if kind == "table" else context.paragraphs(text, part)
        return _Opened(record, answer, part)

    def file(self, domain: Domain, record: DocumentRecord) -> PdfFile:
        """The file of a document, as it was indexed. Raises PageFailed."""
        return PdfFile(self.files.find(record, domain), record.sha256, passwords(record, domain))

    @contextmanager
    def _index(self, domain: Domain) -> Iterator[Index]:
        """The index of a domain, or of a visitor's own documents."""
        if not visit_of(domain.name):
            with self.engine.index(domain.name) as index:
                yield index
            return
        with self.engine.visits.index(domain.folder.name) as own:
            if own is None:
                raise ApiError(404, "unknown_domain", "These documents are not there any more.")
            yield own

    def _unavailable(self, domain: Domain) -> ApiError:
        if current_version(self.engine.settings, domain.name) is None:
            return failed("no_index", f"The domain {domain.name} has no index yet.")
        return failed("bad_index", f"The index of the domain {domain.name} can't be read.")


def create(engine: Engine, entrance: Entrance, pictures: Pictures) -> FastAPI:
    """An application to be mounted at `/sources`."""
    app = FastAPI(title="Lacerta's source viewer", docs_url=None, redoc_url=None, openapi_url=None)
    add_handlers(app)
    viewer = Viewer(engine, entrance, pictures)

    @app.exception_handler(PageFailed)
    async def unshown(request: Request, error: PageFailed) -> JSONResponse:
        code = error.code if error.code in _FAILURES else "unreadable_page"
        status, message = _FAILURES[code]
        return JSONResponse(ApiError(status, code, message).body(), status)

    @app.get("/{domain}/{document}")
    async def document(request: Request, domain: Name, document: Document) -> JSONResponse:
        """What is known of a document."""
        async with viewer.place(request, domain) as there:
            record = await viewer.run(viewer.record, there, document)
        if record.kind == PDF:
            # Its pages are looked at next.
            await pictures.warm_up()
        return _json(described(record, there))

    # Before the route of a page, which takes no point in its number.
    @app.get("/{domain}/{document}/pages/{number}.webp")
    async def picture(
        request: Request,
        domain: Name,
        document: Document,
        number: Number,
        width: Annotated[int, Query()] = WIDTHS[2],
        if_none_match: Annotated[str, Header(max_length=1000)] = "",
    ) -> Response:
        """A page of a PDF as a picture, `width` pixels wide, or fewer where it would be too large."""
        if width not in WIDTHS:
            raise ApiError(400, "invalid_value", f"width should be one of {', '.join(map(str, WIDTHS))}.", "width")
        async with viewer.place(request, domain) as there:
            record = await viewer.run(viewer.record, there, document)
            _refuse_number(record, number)
            if record.kind != PDF:
                raise ApiError(404, "no_picture", "Only the pages of a PDF have pictures.")
            file = await viewer.run(viewer.file, there, record)
            tag = f'"{record.sha256[:32]}-{number}-{width}"'
            # Of a visitor's own document nothing stays behind.
            stays = "no-store" if visit_of(domain) else f"max-age={_PICTURE_SECONDS}, immutable"
            headers = {"etag": tag, "cache-control": f"private, {stays}"}
            if tag in re.split(r",\s*", if_none_match.replace("W/", "")):
                return Response(status_code=304, headers=headers)
            content = await pictures.picture(file, number, width)
        return Response(content, media_type="image/webp", headers=headers)

    @app.get("/{domain}/{document}/pages/{number}")
    async def page(
        request: Request,
        domain: Name,
        document: Document,
        number: Number,
        chunk: Annotated[str, Query(max_length=600)] = "",
        start: Offset = None,
        end: Offset = None,
        quote: Annotated[list[str] | None, Query()] = None,
        view: Literal["", "text"] = "",
    ) -> JSONResponse:
        """A page with what is quoted marked: the characters `start` to `end` of a chunk's text, or each `quote`.

        With `view=text` a page that has a picture is shown as the text that was indexed, also where its file is gone.
        """
        quoted = _Quoted(chunk, start, end, tuple(quote or ()))
        async with viewer.place(request, domain) as there:
            opened = await viewer.run(viewer.open, there, document, number, quoted, view)
            answer = opened.answer
            if answer["kind"] == "picture":
                part = opened.part or Part("", 0, ())
                file = await viewer.run(viewer.file, there, opened.record)
                laid = await pictures.lay(file, number, part.text, part.spans)
                answer |= {
                    "width": laid.width,
                    "height": laid.height,
                    "picture": f"/sources/{there.name}/{document}/pages/{number}.webp",
                    "widths": list(WIDTHS),
                    "marks": laid.marks,
                }
        return _json(answer)

    @app.get("/{domain}/{document}/file")
    async def file(request: Request, domain: Name, document: Document) -> FileResponse:
        """The document's file as it was indexed, where the domain gives its files out; parts can be asked for."""
        async with viewer.place(request, domain) as there:
            record = await viewer.run(viewer.record, there, document)
            if not there.publish.files:
                raise ApiError(403, "files_closed", f"The files of the domain {domain} are not given out.")
            found = await viewer.run(viewer.file, there, record)
        return FileResponse(
            found.path,
            media_type=media_type(record),
            headers=_FILE_HEADERS,
            filename=file_name(record),
            content_disposition_type="inline" if record.kind == PDF else "attachment",
        )

    return app


def mount(engine: Engine, entrance: Entrance, pictures: Pictures) -> Mount:
    """The application at `/sources` of another one; whoever makes `pictures` closes them."""
    mounted = Mount("/sources", create(engine, entrance, pictures))
    # A path with an encoded line break is ours too, and gets an error in the same shape.
    mounted.path_regex = re.compile(mounted.path_regex.pattern, re.DOTALL)
    return mounted


def _record(index: Index, document: str) -> DocumentRecord:
    found = next((record for record in index.manifest.documents if record.id == document), None)
    if found is None:
        raise ApiError(404, "unknown_document", "There is no such document. It may have been indexed anew.")
    return found


def _refuse_number(record: DocumentRecord, number: int) -> None:
    if number > record.pages:
        raise ApiError(404, "unknown_page", f"The document has pages 1 to {record.pages}.")


def _json(content: dict[str, Any]) -> JSONResponse:
    # Files may hold halves of characters, which JSON can't carry.
    return JSONResponse(_whole(content), headers={"cache-control": "private, no-cache"})


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    return [_whole(item) for item in value] if isinstance(value, list) else value


__all__ = ("create", "mount")
