"""`POST /v1/feedback`: what a visitor says of an answer."""

from typing import Annotated, Any

from fastapi import APIRouter

from web.api.schemas import FeedbackKept, FeedbackRequest
from web.api.service import CallerOf, Service
from web.entrance import SEARCH, Place


def routes(service: Service) -> APIRouter:
    """The route of feedback."""
    router = APIRouter(tags=["feedback"])

    @router.post("/feedback", response_model=FeedbackKept)
    async def give_feedback(
        body: FeedbackRequest, caller: CallerOf, place: Annotated[Place, service.place(SEARCH)]
    ) -> Any:
        """Rates an answer; a second rating takes the place of the first."""
        await service.ratings.keep(body, caller, place)
        return {"id": body.id, "object": "feedback"}

    return router
