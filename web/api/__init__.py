"""The interface for programs under `/v1`: OpenAI's chat completions, models and embeddings, and search beside them.

Thin converters over the engine's typed events, as the page is. Knows nothing of the page.
"""

import re
from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from starlette.routing import Mount

from rag.answer import Engine
from web.api import chat, domains, embeddings, feedback, search
from web.api.errors import add_handlers
from web.api.page import page
from web.api.schemas import ErrorBody
from web.api.service import Service
from web.entrance import Entrance

_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorBody, "description": text}
    for status, text in (
        (400, "Something about the request is wrong"),
        (401, "A key is needed, or the one sent is not known"),
        (403, "This is not allowed here"),
        (404, "There is no such model or domain"),
        (408, "The body did not arrive in time"),
        (413, "The body is too large"),
        (429, "Too much was asked for; Retry-After says in how many seconds there is room again"),
        (500, "Something went wrong here"),
        (503, "The domain has no index yet, or it can't be read"),
        (504, "It was not done within LACERTA_REQUEST_SECONDS"),
    )
}


def create(engine: Engine, entrance: Entrance | None = None, keep_alive: float = 10.0) -> FastAPI:
    """An application to be mounted. `keep_alive`: seconds after which a stream that waits sends a comment."""
    service = Service(engine, entrance or Entrance(engine.settings), keep_alive)
    app = Api(
        title="Lacerta",
        version="1",
        description="Questions to domains of documents, in the shape of OpenAI's interface. A key, where one is needed,"
        " is sent as Authorization: Bearer KEY.",
        docs_url=None,
        redoc_url=None,
        responses=_ERRORS,
    )
    add_handlers(app)
    for part in (chat, domains, search, embeddings, feedback):
        app.include_router(part.routes(service))

    @app.get("/docs", include_in_schema=False)
    def documentation() -> HTMLResponse:
        return HTMLResponse(page(app.openapi()))

    return app


def mount(engine: Engine, entrance: Entrance | None = None) -> Mount:
    """The application at `/v1` of another one."""
    mounted = Mount("/v1", create(engine, entrance))
    # A path with an encoded line break is ours too, and gets an error in our shape.
    mounted.path_regex = re.compile(mounted.path_regex.pattern, re.DOTALL)
    return mounted


class Api(FastAPI):
    """What is wrong in a request is answered with 400, where FastAPI would have its own 422."""

    def openapi(self) -> dict[str, Any]:
        described = self.openapi_schema is not None
        schema = super().openapi()
        if not described:
            for path in schema["paths"].values():
                for operation in path.values():
                    operation["responses"].pop("422", None)
            for name in ("HTTPValidationError", "ValidationError"):
                schema["components"]["schemas"].pop(name, None)
            schema["servers"] = [{"url": "/v1"}]
            schema["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
            # Where the interface is open to anyone none is needed.
            schema["security"] = [{"key": []}, {}]
        return schema


__all__ = ("Service", "create", "mount")
