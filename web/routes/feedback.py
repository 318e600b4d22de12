"""`/feedback`: what visitors of the page say of answers, by the rules of `POST /v1/feedback`."""

from typing import Annotated, Any

from fastapi import FastAPI, Path, Request
from fastapi.responses import JSONResponse
from pydantic import Field
from starlette.routing import Mount

from rag.feedback import CORRECTION_CHARACTERS, REASONS
from rag.settings import Settings
from web.access.caller import caller_of
from web.api.ratings import Ratings
from web.api.schemas import FeedbackRequest
from web.entrance import SEARCH, Entrance
from web.routes import application, mounted

_PATTERN = "^page-[0-9a-f]{32}$"
Identity = Annotated[str, Path(pattern=_PATTERN)]


class PageFeedback(FeedbackRequest):
    """`id` is what the page calls an answer by."""

    id: str = Field(pattern=_PATTERN)


def create(settings: Settings, ratings: Ratings, entrance: Entrance) -> FastAPI:
    """An application to be mounted at `/feedback`."""
    app = application("Lacerta's feedback")

    @app.get("/")
    async def rules() -> JSONResponse:
        """What the page tells a visitor before anything is kept: `texts` are question, answer and passages."""
        told = {
            "feedback": settings.feedback,
            "texts": settings.feedback_texts,
            "reasons": REASONS,
            "correction_characters": CORRECTION_CHARACTERS,
        }
        return JSONResponse(told, headers={"cache-control": "private, no-cache"})

    @app.post("/")
    async def keep(body: PageFeedback, request: Request) -> dict[str, Any]:
        """Rates an answer; a second rating takes the place of the first."""
        caller = caller_of(request)
        async with entrance.enter(SEARCH, caller) as place:
            await ratings.keep(body, caller, place)
        return {"id": body.id, "object": "feedback"}

    @app.delete("/{identity}")
    async def take_back(identity: Identity, request: Request) -> dict[str, Any]:
        """What was said of an answer is forgotten."""
        caller = caller_of(request)
        async with entrance.enter(SEARCH, caller) as place:
            await ratings.take_back(identity, caller, place)
        return {"id": identity, "object": "feedback", "deleted": True}

    return app


def mount(settings: Settings, ratings: Ratings, entrance: Entrance) -> Mount:
    """The application at `/feedback` of another one."""
    return mounted("/feedback", create(settings, ratings, entrance))
