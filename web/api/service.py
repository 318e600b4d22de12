"""What all routes share: the engine, the threads that work for it, and the answers that were given lately."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends

from rag.answer import Engine
from rag.models import model_names, public_name
from rag.settings import Domain
from rag.types import Answer
from web.access.caller import Caller, caller_of
from web.api.errors import ApiError
from web.api.work import Pool

# An answer mostly waits for its model, all else computes.
_ANSWERS = 32
_COMPUTATIONS = 4
_REMEMBERED = 10_000
CallerOf = Annotated[Caller, Depends(caller_of)]
"""Who sent a request, as a parameter of its route."""


@dataclass(frozen=True, slots=True)
class Given:
    """What is known of an answer that was given: never what was asked or said."""

    domain: str
    model: str
    language: str
    answerable: bool
    confidence: float


class Service:
    """`keep_alive` are the seconds after which a stream that waits says that it is still there. Thread-safe."""

    def __init__(self, engine: Engine, keep_alive: float) -> None:
        self.engine = engine
        self.settings = engine.settings
        self.keep_alive = keep_alive
        self.answers = Pool(_ANSWERS, "answer")
        self.computations = Pool(_COMPUTATIONS, "compute")
        # By the names that visitors see: those of files stand without their folders.
        self.models: dict[str, str] = {public_name(name): name for name in reversed(model_names(engine.settings))}
        self._lock = threading.Lock()
        self._given: OrderedDict[str, Given] = OrderedDict()

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

    def remember(self, identity: str, domain: str, answer: Answer) -> None:
        """So that feedback on an answer says what it is about."""
        given = Given(domain, answer.model, answer.language, answer.answerable, round(answer.confidence, 4))
        with self._lock:
            self._given[identity] = given
            if len(self._given) > _REMEMBERED:
                self._given.popitem(last=False)

    def given(self, identity: str) -> Given | None:
        """What is known of an answer, None where it was given long ago or by another process."""
        with self._lock:
            return self._given.get(identity)
