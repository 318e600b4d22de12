"""What all routes share: the engine, the places that a request for it takes, and the answers that were given lately."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Depends, Request, Response

from rag.answer import Engine
from rag.models import model_names, public_name
from rag.settings import Domain
from rag.types import Answer, Question
from web.access.caller import Caller, caller_of
from web.api.errors import ApiError
from web.api.given import given_answers
from web.api.ratings import Ratings
from web.entrance import Entrance, Place

CallerOf = Annotated[Caller, Depends(caller_of)]
"""Who sent a request, as a parameter of its route."""


class Service:
    """`keep_alive` are the seconds after which a stream that waits says that it is still there. Thread-safe."""

    def __init__(self, engine: Engine, entrance: Entrance, keep_alive: float) -> None:
        self.engine = engine
        self.settings = engine.settings
        self.entrance = entrance
        self.keep_alive = keep_alive
        # By the names that visitors see: those of files stand without their folders.
        self.models: dict[str, str] = {public_name(name): name for name in reversed(model_names(engine.settings))}
        self.ratings = Ratings(engine, given_answers(self.settings))

    def place(self, kind: str, counted: bool = True) -> Any:
        """What a route depends on that does a kind of work: a place until its response was sent. Raises Refused."""

        async def enter(request: Request, response: Response) -> AsyncIterator[Place]:
            async with self.entrance.enter(kind, caller_of(request), counted) as place:
                response.headers.update(place.headers)
                yield place

        return Depends(enter)

    def domains(self, caller: Caller) -> dict[str, Domain]:
        """Those that are there for a caller."""
        return caller.visible(self.engine.domains)

    def named(self, model: str, caller: Caller) -> tuple[str, str]:
        """`domain` or `domain@model` as the domain and the settings' name of the model, empty for any of them.

        Raises ApiError, also for a domain that the caller does not see.
        """
        domains = self.domains(caller)
        if model in domains:
            return model, ""
        domain, sign, name = model.partition("@")
        if domain in domains and sign and name in self.models:
            return domain, self.models[name]
        raise ApiError(
            404, "model_not_found", f"The model {model[:100]!r} does not exist. GET /v1/models lists them.", "model"
        )

    def domain(self, name: str, caller: Caller, parameter: str | None = "domain") -> str:
        """The name of a domain. Raises ApiError for another one, also for one that the caller does not see."""
        domains = self.domains(caller)
        if name not in domains:
            known = ", ".join(domains) or "none"
            raise ApiError(404, "unknown_domain", f"There is no domain {name[:100]!r}. Domains: {known}.", parameter)
        return name

    def remember(self, identity: str, question: Question, answer: Answer) -> None:
        """So that feedback on an answer says what it is about."""
        self.ratings.remember(identity, question.domain, question.text, answer)
