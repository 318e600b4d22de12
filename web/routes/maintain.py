"""`/maintain`: the maintainer's page, for logins that have the right to it and for nobody else.

It shows of what visitors asked and said what the login sees of the domains, and changes nothing.
"""

import logging
from collections.abc import Callable, Iterator
from html import escape
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response, StreamingResponse

from rag.answer import Engine
from rag.feedback import FeedbackUnavailable, store_of
from rag.settings import LANGUAGES
from web.access.caller import Caller, caller_of
from web.access.visitors import Visitors
from web.entrance import SEARCH, Entrance, Refused
from web.maintain import sheets
from web.maintain.frame import HEADERS, PATH, Reader, closed, command
from web.maintain.indexes import Versions, indexes
from web.maintain.journal import Journal, JournalUnavailable
from web.maintain.overview import overview
from web.maintain.questions import questions
from web.maintain.said import said
from web.maintain.wanted import read
from web.texts import LANGUAGE_COOKIE, preferred_language, texts

_ADD = "python -m web login add NAME --maintainer"
_LOG = logging.getLogger(__name__)


def routes(engine: Engine, entrance: Entrance, visitors: Visitors, journal: Journal) -> APIRouter:
    """The routes of the maintainer's page."""
    router = APIRouter(include_in_schema=False)
    settings, store, known = engine.settings, store_of(engine.settings), Versions(engine.settings)

    async def shown(request: Request, make: Callable[[Reader], Response]) -> Response:
        """What `make` gives for a maintainer, on a thread; to anyone else, why not."""
        caller, language = caller_of(request), _language(request)
        if not may_maintain(caller):
            return _turned_away(request, caller, language, visitors.any_maintainer)
        domains = caller.visible(engine.domains)
        wanted = read(request.query_params, domains)
        reader = Reader(caller.name, language, domains, wanted, len(domains) == len(engine.domains))
        try:
            async with entrance.enter(SEARCH, caller, counted=False) as place:
                answer = await place.run(make, reader)
        except Refused as refused:
            text = texts(language)["maintain_busy"]
            answer = closed(language, caller.name, f"<p>{escape(text)}</p>", 429)
            answer.headers["retry-after"] = str(refused.seconds)
        except (FeedbackUnavailable, JournalUnavailable) as error:
            _LOG.error("%s", error)
            text = texts(language)["maintain_unreadable"]
            answer = closed(language, caller.name, f"<p>{escape(text)}</p>", 503)
        return answer

    def file(name: str, rows: Iterator[bytes]) -> Response:
        # What goes wrong before the first row is still said in place of the file.
        first = next(rows, b"")
        headers = HEADERS | {"content-disposition": f'attachment; filename="lacerta-{name}.csv"'}
        return StreamingResponse(_after(first, rows), media_type="text/csv; charset=utf-8", headers=headers)

    @router.get(PATH)
    async def show_overview(request: Request) -> Response:
        return await shown(request, lambda reader: overview(reader, settings, journal, store))

    @router.get(f"{PATH}/questions")
    async def show_questions(request: Request) -> Response:
        return await shown(request, lambda reader: questions(reader, settings, journal))

    @router.get(f"{PATH}/feedback")
    async def show_feedback(request: Request) -> Response:
        return await shown(request, lambda reader: said(reader, settings, store))

    @router.get(f"{PATH}/indexes")
    async def show_indexes(request: Request) -> Response:
        return await shown(request, lambda reader: indexes(reader, known))

    @router.get(f"{PATH}/counts.csv")
    async def counts_file(request: Request) -> Response:
        return await shown(request, lambda reader: file("counts", sheets.counts(reader, journal)))

    @router.get(f"{PATH}/questions.csv")
    async def questions_file(request: Request) -> Response:
        return await shown(request, lambda reader: file("questions", sheets.questions(reader, journal)))

    @router.get(f"{PATH}/feedback.csv")
    async def feedback_file(request: Request) -> Response:
        return await shown(request, lambda reader: file("feedback", sheets.feedback(reader, store)))

    return router


def may_maintain(caller: Caller) -> bool:
    """Whether somebody who has logged in has the right to it. Being on this machine is none."""
    return caller.kind == "login" and caller.maintainer


def _turned_away(request: Request, caller: Caller, language: str, any_maintainer: bool) -> Response:
    if any_maintainer and caller.kind != "login":
        query = f"?{request.url.query}" if request.url.query else ""
        target = urlencode({"next": f"{request.url.path}{query}"})
        return RedirectResponse(f"/login?{target}", status_code=303, headers={"cache-control": "no-store"})
    strings = texts(language)
    parts = [strings["maintain_guarded"]]
    if caller.kind == "login":
        parts.append(strings["maintain_no_right"].format(name=caller.name))
    if not any_maintainer:
        parts.append(strings["maintain_none_yet"])
    text = "".join(f"<p>{escape(part)}</p>" for part in parts)
    if not any_maintainer:
        notes = (strings["maintain_private"], strings["maintain_closes"])
        text += command(_ADD) + "".join(f'<p class="note">{escape(note)}</p>' for note in notes)
    return closed(language, caller.name if caller.kind == "login" else "", text, 403)


def _language(request: Request) -> str:
    """That asked for, that chosen on the page before, or that of the browser."""
    for language in (request.query_params.get("language", ""), request.cookies.get(LANGUAGE_COOKIE, "")):
        if language in LANGUAGES:
            return language
    return preferred_language(request.headers.get("accept-language", ""))


def _after(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
