"""`POST /v1/search`: the passages for a query, with all the evidence behind each."""

import logging
from typing import Annotated, Any

from fastapi import APIRouter

from rag.answer import QuestionFailed
from rag.errors import IndexUnavailable, ModelUnavailable
from rag.index import current_version
from rag.report import search_fields
from rag.types import Question
from web.api.errors import failed
from web.api.schemas import SearchRequest, SearchResult
from web.api.service import CallerOf, Service
from web.entrance import SEARCH, Place

_LOG = logging.getLogger(__name__)


def routes(service: Service) -> APIRouter:
    """The route of the search."""
    router = APIRouter(tags=["search"])

    @router.post("/search", response_model=SearchResult)
    async def search(body: SearchRequest, caller: CallerOf, place: Annotated[Place, service.place(SEARCH)]) -> Any:
        """The same as `python -m rag search DOMAIN QUERY --json`."""
        question = Question(
            body.query, service.domain(body.domain, caller), interface_language=body.language, filters=body.filters
        )
        return await place.run(_search, service, question, body.k)

    return router


def _search(service: Service, question: Question, limit: int) -> dict[str, Any]:
    try:
        return search_fields(service.engine.search(question, limit))
    except QuestionFailed as failure:
        raise failed(failure.code, str(failure), "filters") from failure
    except IndexUnavailable as error:
        # The message may name folders.
        _LOG.warning("%s", error)
        if current_version(service.settings, question.domain) is None:
            raise failed("no_index", f"The domain {question.domain} has no index yet.") from error
        raise failed("bad_index", f"The index of the domain {question.domain} can't be read.") from error
    except ModelUnavailable as error:
        _LOG.error("%s", error)
        raise failed("configuration", "The embedder can't be used.") from error
