"""`POST /v1/feedback`: what a visitor says of an answer."""

import logging
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter

from rag.feedback import FeedbackUnavailable, Given, store_of
from rag.revision import running
from web.api.errors import ApiError
from web.api.schemas import FeedbackKept, FeedbackRequest
from web.api.service import CallerOf, Service
from web.entrance import SEARCH, Place

_LOG = logging.getLogger(__name__)


def routes(service: Service) -> APIRouter:
    """The route of feedback."""
    router = APIRouter(tags=["feedback"])
    store = store_of(service.settings)

    def keep(body: FeedbackRequest, given: Given | None) -> None:
        if given and not service.settings.feedback_texts:
            given = replace(given, texts=None)
        store.keep(body.id, body.rating, body.comment, given, body.reason, body.correction, running())

    @router.post("/feedback", response_model=FeedbackKept)
    async def give_feedback(
        body: FeedbackRequest, caller: CallerOf, place: Annotated[Place, service.place(SEARCH)]
    ) -> Any:
        """Rates an answer; a second rating takes the place of the first."""
        if not service.settings.feedback:
            raise ApiError(403, "feedback_off", "Feedback is switched off here (LACERTA_FEEDBACK=false).")
        given = await place.run(service.given.get, body.id)
        if given and given.domain not in service.domains(caller):
            raise ApiError(404, "not_found", f"There is no answer {body.id}.", "id")
        try:
            await place.run(keep, body, given)
        except FeedbackUnavailable as error:
            _LOG.error("%s", error)
            raise ApiError(503, "feedback_unavailable", "Feedback can't be kept now.") from error
        return {"id": body.id, "object": "feedback"}

    return router
