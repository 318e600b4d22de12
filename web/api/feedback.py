"""`POST /v1/feedback`: what a visitor says of an answer, kept in one SQLite file. Holds no question and no answer."""

import logging
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter

from web.api.errors import ApiError
from web.api.given import Given
from web.api.schemas import FeedbackKept, FeedbackRequest
from web.api.service import CallerOf, Service
from web.entrance import SEARCH, Place

_LOG = logging.getLogger(__name__)
_MOST_ROWS = 100_000
_WAIT_SECONDS = 5.0
_TABLE = """
create table if not exists feedback (
    id text primary key, created text not null, rating text not null, comment text not null,
    domain text, model text, language text, answerable integer, confidence real
)
"""
_COLUMNS = "id, created, rating, comment, domain, model, language, answerable, confidence"


class Store:
    """The file at `path`, made when something is kept first; several processes may write it."""

    def __init__(self, path: Path, most: int = _MOST_ROWS) -> None:
        self._path = path
        self._most = most

    def keep(self, identity: str, rating: str, comment: str, given: Given | None) -> None:
        """Keeps a rating, in place of an earlier one of the same answer; of too many the oldest go."""
        about = (
            (given.domain, given.model, given.language, given.answerable, given.confidence) if given else (None,) * 5
        )
        created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self._path, timeout=_WAIT_SECONDS)) as connection, connection:
            connection.execute("pragma journal_mode = wal")
            connection.execute(_TABLE)
            connection.execute(
                f"insert into feedback ({_COLUMNS}) values (?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (id) do update set"
                " created = excluded.created, rating = excluded.rating, comment = excluded.comment",
                (identity, created, rating, comment, *about),
            )
            connection.execute(
                "delete from feedback where rowid <= (select max(rowid) from feedback) - ?", (self._most,)
            )


def routes(service: Service) -> APIRouter:
    """The route of feedback."""
    router = APIRouter(tags=["feedback"])
    store = Store(service.settings.var / "feedback.sqlite")

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
            await place.run(store.keep, body.id, body.rating, body.comment, given)
        except (sqlite3.Error, OSError) as error:
            _LOG.error("Feedback can't be kept: %s", error)
            raise ApiError(503, "feedback_unavailable", "Feedback can't be kept now.") from error
        return {"id": body.id, "object": "feedback"}

    return router
