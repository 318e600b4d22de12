"""`/export`: an answer, or a conversation, as a file. Made of what the visitor's browser keeps of it; kept nowhere.

A domain that a caller does not see is not there.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from fastapi import FastAPI, Path, Query, Request
from fastapi.responses import Response
from starlette.routing import Mount

from rag.answer import Engine
from rag.errors import IndexUnavailable
from rag.settings import Domain
from web.access.caller import caller_of
from web.api.errors import ApiError
from web.conversation import Conversation
from web.entrance import SEARCH, Entrance
from web.export.bibtex import bibtex
from web.export.conversation import BadConversation, Loaded, dump, load
from web.export.document import document
from web.export.markdown import markdown
from web.export.references import Documents, references
from web.export.ris import ris
from web.export.wording import About
from web.routes import application, mounted
from web.texts import texts

FORMATS = {
    "markdown": (".md", "text/markdown; charset=utf-8"),
    "html": (".html", "text/html; charset=utf-8"),
    "bibtex": (".bib", "application/x-bibtex; charset=utf-8"),
    "ris": (".ris", "application/x-research-info-systems; charset=utf-8"),
    "json": (".json", "application/json; charset=utf-8"),
}
"""The ending and the media type of each."""
_BIBLIOGRAPHIES = {"bibtex": bibtex, "ris": ris}
_UNSAFE = re.compile(r"[^A-Za-z0-9]+")
_HEADERS = {
    "cache-control": "no-store",
    # Whatever a browser makes of it, it is nobody's script and has nobody's cookies.
    "content-security-policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'",
}


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is to be exported: a whole conversation, or its exchange `number` (from 1), on the visitor's `day`."""

    form: str
    language: str
    number: int | None
    day: date


def create(engine: Engine, entrance: Entrance) -> FastAPI:
    """An application to be mounted at `/export`."""
    app = application("Lacerta's exports")

    @app.post("/{domain}")
    async def export(
        request: Request,
        domain: Annotated[str, Path(max_length=100)],
        form: Annotated[str, Query(alias="format", pattern=f"^(?:{'|'.join(FORMATS)})$")],
        language: Annotated[str, Query(pattern="^(?:en|hu|ko)$")] = "en",
        number: Annotated[int | None, Query(ge=1, le=10_000)] = None,
        day: date | None = None,
    ) -> Response:
        """The file. The body is the conversation as the page gives it to the browser (`web.export.schema`)."""
        caller = caller_of(request)
        there = caller.visible(engine.domains).get(domain)
        if there is None:
            raise ApiError(404, "unknown_domain", f"There is no domain {domain[:100]!r}.")
        body = await request.body()
        asked = _Asked(form, language, number, _day(day))
        async with entrance.enter(SEARCH, caller, counted=False) as place:
            content = await place.run(_export, engine, there, body, asked)
        ending, media_type = FORMATS[form]
        headers = {**_HEADERS, "content-disposition": f'attachment; filename="{_name(domain, asked)}{ending}"'}
        return Response(content.encode(), media_type=media_type, headers=headers)

    return app


def mount(engine: Engine, entrance: Entrance) -> Mount:
    """The application at `/export` of another one."""
    return mounted("/export", create(engine, entrance))


def _export(engine: Engine, domain: Domain, body: bytes, asked: _Asked) -> str:
    try:
        loaded = load(body.decode("utf-8", "replace"))
    except BadConversation as error:
        raise ApiError(400, "invalid_conversation", str(error)) from error
    if loaded.domain != domain.name:
        raise ApiError(400, "other_domain", f"This conversation is not about {domain.name}.")
    conversation = _chosen(loaded.conversation, asked.number)
    known, accessed = _documents(engine, domain, loaded)
    strings = texts(asked.language)
    about = About(domain.title[asked.language], loaded.index_version, asked.day, asked.language)
    if asked.form == "json":
        return dump(conversation, known, domain.name, loaded.index_version, asked.language, asked.day, accessed)
    if asked.form in _BIBLIOGRAPHIES:
        found = references(conversation, known, accessed)
        if not found:
            raise ApiError(422, "no_references", "No document is cited, so there are no references.")
        return _BIBLIOGRAPHIES[asked.form](found)
    make = markdown if asked.form == "markdown" else document
    return make(conversation, known, about, strings, accessed)


def _chosen(conversation: Conversation, number: int | None) -> Conversation:
    if number is None:
        chosen = conversation
    else:
        chosen = conversation[number - 1 : number]
    if not chosen:
        raise ApiError(404, "unknown_exchange", f"The conversation has {len(conversation)} questions.", "number")
    return chosen


def _documents(engine: Engine, domain: Domain, loaded: Loaded) -> tuple[Documents, str]:
    """What is known of the documents that are cited, and of which day the index's are.

    Of what the index no longer holds, what the conversation itself says.
    """
    kept: Documents = {reference.document: reference for reference in loaded.references}
    try:
        with engine.index(domain.name) as index:
            records = {record.id: record for record in index.manifest.documents if record.id in kept}
            return {**kept, **records}, index.manifest.created
    except IndexUnavailable:
        return kept, ""


def _day(stated: date | None) -> date:
    """The visitor's date, which no place on earth is further from than a day."""
    today = datetime.now(UTC).date()
    return stated if stated and abs(stated - today) <= timedelta(days=1) else today


def _name(domain: str, asked: _Asked) -> str:
    """What the file is called, without its ending: safe wherever it is saved."""
    name = _UNSAFE.sub("-", domain).strip("-")[:60]
    number = f"-{asked.number}" if asked.number else ""
    return f"lacerta-{name or 'answers'}-{asked.day.isoformat()}{number}"
