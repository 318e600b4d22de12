"""`/search`: the passages for what is being typed, and what can be filtered by. Nothing of it is kept or counted.

A domain that a caller does not see is not there, as in the search of the interface for programs.
"""

import logging
import time
from typing import Annotated, Any

from fastapi import FastAPI, Path, Query, Request
from fastapi.responses import JSONResponse
from starlette.routing import Mount

from rag.answer import Engine, QuestionFailed
from rag.errors import IndexUnavailable, ModelUnavailable
from rag.index import current_version
from rag.settings import Domain
from rag.text import visible
from rag.types import Hit, Question
from web.access.caller import Caller, caller_of
from web.api.errors import ApiError, failed
from web.entrance import SEARCH, Entrance
from web.routes import application, mounted
from web.routes.catalogue import Catalogue, Catalogues, date_of
from web.routes.newest import Newest, Superseded
from web.routes.snippet import Words, snippet

MOST = 50
"""Passages of one search."""
_PAGED = "pdf"
_LOG = logging.getLogger(__name__)

Name = Annotated[str, Path(max_length=100)]
Filter = Annotated[str, Query(max_length=1000)]
Visit = Annotated[str, Query(pattern=r"^[0-9a-f]{0,32}$", description="Of one open page; made by its scripts.")]


class Searching:
    """What both routes share. `search` and `filters` block; they raise ApiError."""

    def __init__(self, engine: Engine, entrance: Entrance) -> None:
        self.engine = engine
        self.entrance = entrance
        self.newest = Newest()
        self._catalogues = Catalogues()

    def domain(self, caller: Caller, name: str) -> Domain:
        """A domain that is there for whoever asks."""
        found = caller.visible(self.engine.domains).get(name)
        if found is None:
            raise ApiError(404, "unknown_domain", f"There is no domain {name[:100]!r}.")
        return found

    async def run(self, caller: Caller, function: Any, *arguments: object) -> Any:
        """What the function returns or raises. Looking is no request of a budget."""
        async with self.entrance.enter(SEARCH, caller, counted=False) as place:
            return await place.run(function, *arguments)

    def search(self, domain: Domain, question: Question, limit: int) -> dict[str, Any]:
        """At most `limit` passages, best first, as the route gives them. Raises what the route answers with."""
        started = time.perf_counter()
        try:
            found = self.engine.search(question, limit)
            catalogue = self._catalogue(domain)
        except QuestionFailed as failure:
            raise failed(failure.code, str(failure), "filters") from failure
        except IndexUnavailable as error:
            raise self._unavailable(domain, error) from error
        except ModelUnavailable as error:
            _LOG.error("%s", error)
            raise failed("configuration", "The embedder can't be used.") from error
        words = Words.of(question.text, found)
        return {
            "domain": domain.name,
            "version": catalogue.version,
            "language": found.language,
            # As an answer would be refused.
            "weak": found.confidence < domain.retrieval.refuse_below,
            "results": [_result(hit, words, catalogue) for hit in found.hits],
            "seconds": round(time.perf_counter() - started, 4),
        }

    def filters(self, domain: Domain, title: str) -> dict[str, Any]:
        """What can be chosen, with counts of documents; `title` narrows the listed ones. Raises as `search`."""
        try:
            catalogue = self._catalogue(domain)
        except IndexUnavailable as error:
            raise self._unavailable(domain, error) from error
        found, count = catalogue.titled(visible(title))
        listed = [
            {"document": record.id, "title": visible(record.title), "kind": record.kind, "date": date_of(record)}
            for record in found
        ]
        return {"domain": domain.name, "version": catalogue.version, **catalogue.facets} | {
            "titled": {"count": count, "documents": listed}
        }

    def _catalogue(self, domain: Domain) -> Catalogue:
        with self.engine.index(domain.name) as index:
            return self._catalogues.of(index.manifest)

    def _unavailable(self, domain: Domain, error: IndexUnavailable) -> ApiError:
        # The message may name folders.
        _LOG.warning("%s", error)
        if current_version(self.engine.settings, domain.name) is None:
            return failed("no_index", f"The domain {domain.name} has no index yet.")
        return failed("bad_index", f"The index of the domain {domain.name} can't be read.")


def create(engine: Engine, entrance: Entrance) -> FastAPI:
    """An application to be mounted at `/search`."""
    app = application("Lacerta's search tab")
    searching = Searching(engine, entrance)

    @app.exception_handler(Superseded)
    async def superseded(request: Request, error: Superseded) -> JSONResponse:
        return JSONResponse(ApiError(409, "superseded", "Something else was asked for since.").body(), 409)

    @app.get("/{domain}")
    async def search(
        request: Request,
        domain: Name,
        q: Annotated[str, Query(max_length=10_000)] = "",
        kind: Filter = "",
        language: Filter = "",
        years: Filter = "",
        document: Filter = "",
        interface: Annotated[str, Query(max_length=20)] = "",
        limit: Annotated[int, Query(ge=1, le=MOST)] = 20,
        visit: Visit = "",
    ) -> JSONResponse:
        """The passages for `q`, best first; filters as of `rag.filters`.

        `interface` is the visitor's language, for a text that has none yet. Of the searches of one `visit` only the
        newest is worked on: those before it end with 409.
        """
        caller = caller_of(request)
        there = searching.domain(caller, domain)
        filters = {"kind": kind, "language": language, "years": years, "document": document}
        question = Question(
            q, there.name, language=interface, interface_language=interface,
            filters={name: value for name, value in filters.items() if value},
        )  # fmt: skip
        work = searching.run(caller, searching.search, there, question, limit)
        answer = await (searching.newest.run(f"{caller.account} {visit}", work) if visit else work)
        return _json(answer)

    @app.get("/{domain}/filters")
    async def filters(
        request: Request, domain: Name, title: Annotated[str, Query(max_length=200)] = ""
    ) -> JSONResponse:
        """How many documents there are of what they can be filtered by, and those with such a title."""
        caller = caller_of(request)
        there = searching.domain(caller, domain)
        return _json(await searching.run(caller, searching.filters, there, title))

    return app


def mount(engine: Engine, entrance: Entrance) -> Mount:
    """The application at `/search` of another one."""
    return mounted("/search", create(engine, entrance))


def _result(hit: Hit, words: Words, catalogue: Catalogue) -> dict[str, Any]:
    chunk = hit.chunk
    shown = snippet(chunk, words)
    # A version that was published between search and look-up may not have it.
    record = catalogue.records.get(chunk.document_id)
    return {
        "document": chunk.document_id,
        "chunk": chunk.id,
        "title": visible(chunk.title),
        "headings": [visible(heading) for heading in chunk.headings],
        "kind": record.kind if record else "",
        "language": chunk.language,
        "date": date_of(record) if record else "",
        "page": shown.page,
        "paged": record is not None and record.kind == _PAGED,
        "text": shown.text,
        "marks": [list(mark) for mark in shown.marks],
        "quotes": f"{shown.quote[0]}-{shown.quote[1]}" if shown.quote else "",
        "cut": {"before": not shown.whole[0], "after": not shown.whole[1]},
        "also": len(hit.also),
        "score": round(hit.score, 4),
    }


def _json(content: dict[str, Any]) -> JSONResponse:
    return JSONResponse(content, headers={"cache-control": "no-store"})
