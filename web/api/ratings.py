"""What visitors say of answers, whoever hands it in: programs or the page. Knows nothing of routes."""

import logging
from collections.abc import Callable
from dataclasses import replace

from rag.answer import Engine
from rag.feedback import FeedbackUnavailable, Given, given_of, store_of
from rag.index import current_version
from rag.revision import running
from rag.types import Answer
from web.access.caller import Caller
from web.api.errors import ApiError
from web.api.given import GivenAnswers
from web.api.schemas import FeedbackRequest
from web.entrance import Place

_LOG = logging.getLogger(__name__)


class Ratings:
    """Remembers answers for whoever rates them later, and keeps what is said of them. Thread-safe."""

    def __init__(self, engine: Engine, given: GivenAnswers) -> None:
        self._engine = engine
        self._settings = engine.settings
        self._given = given
        self._store = store_of(engine.settings)

    def remember(self, identity: str, domain: str, question: str, answer: Answer) -> None:
        """So that feedback on an answer says what it is about."""
        if self._settings.feedback:
            version = current_version(self._settings, domain) or ""
            self._given.add(identity, given_of(domain, question, answer, version, self._settings.feedback_texts))

    async def keep(self, body: FeedbackRequest, caller: Caller, place: Place) -> None:
        """A second rating takes the place of the first. Raises ApiError."""
        given = await self._about(body.id, caller, place)
        await self._change(place, self._keep, body, given)

    async def take_back(self, identity: str, caller: Caller, place: Place) -> None:
        """As if nothing had been said of the answer. Raises ApiError."""
        await self._about(identity, caller, place)
        await self._change(place, self._store.forget, identity)

    async def _about(self, identity: str, caller: Caller, place: Place) -> Given | None:
        if not self._settings.feedback:
            raise ApiError(403, "feedback_off", "Feedback is switched off here (LACERTA_FEEDBACK=false).")
        given = await place.run(self._given.get, identity)
        if given and given.domain not in caller.visible(self._engine.domains):
            raise ApiError(404, "not_found", f"There is no answer {identity}.", "id")
        return given

    async def _change(self, place: Place, change: Callable[..., None], *arguments: object) -> None:
        try:
            await place.run(change, *arguments)
        except FeedbackUnavailable as error:
            _LOG.error("%s", error)
            raise ApiError(503, "feedback_unavailable", "Feedback can't be kept now.") from error

    def _keep(self, body: FeedbackRequest, given: Given | None) -> None:
        if given and not self._settings.feedback_texts:
            given = replace(given, texts=None)
        self._store.keep(body.id, body.rating, body.comment, given, body.reason, body.correction, running())
