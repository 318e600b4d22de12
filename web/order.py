"""What a visitor's browser asks of the page, read from JSON and checked: a question, a kept conversation."""

import json
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from rag.errors import LacertaError
from web.export.conversation import LONGEST

Model = TypeVar("Model", bound=BaseModel)

_MOST_FILTERS = 10
_MOST_ATTACHMENTS = 20
Identifier = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
"""A conversation's name, made in the browser so that nobody can guess it."""
Filter = Annotated[str, StringConstraints(max_length=1000)]


class BadOrder(LacertaError):
    """What was asked has not the shape that the page's own scripts give it."""


class _Order(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Ask(_Order):
    """A question. `at` is the number (from 1) of the exchange that it replaces, with all after it; 0 for none.

    `attachments` name documents of the visitor's own; `count` are the exchanges that the browser shows. The box of the
    question `keeps` what it holds where that is something else.
    """

    text: Annotated[str, StringConstraints(max_length=1_000_000)]
    at: Annotated[int, Field(ge=0, le=10_000)] = 0
    count: Annotated[int, Field(ge=0, le=10_000)] = 0
    fresh: bool = False
    keeps: bool = False
    filters: Annotated[dict[Filter, Filter], Field(max_length=_MOST_FILTERS)] = {}
    attachments: Annotated[tuple[Identifier, ...], Field(max_length=_MOST_ATTACHMENTS)] = ()
    id: Identifier | None = None


class Restore(_Order):
    """A conversation as the browser kept it. `attachments` name documents of the visitor's own that it is about."""

    text: Annotated[str, StringConstraints(max_length=LONGEST), Field(alias="json")]
    attachments: Annotated[tuple[Identifier, ...], Field(max_length=_MOST_ATTACHMENTS)] = ()
    id: Identifier | None = None


class Named(_Order):
    """A conversation by its name alone: the one that is shown, or is to be begun."""

    id: Identifier | None = None


def read_ask(text: str) -> Ask:
    """The question; a text that is no JSON object is the question itself. Raises BadOrder."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        values = None
    return _read(Ask, values) if isinstance(values, dict) else _read(Ask, {"text": text})


def read_restore(text: str) -> Restore:
    """Raises BadOrder."""
    return _read(Restore, _values(text))


def read_named(text: str) -> Named:
    """Raises BadOrder."""
    return _read(Named, _values(text))


def _values(text: str) -> object:
    try:
        return json.loads(text) if text else {}
    except (ValueError, RecursionError) as error:
        raise BadOrder("What the page sent is no JSON.") from error


def _read(kind: type[Model], values: object) -> Model:
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"])) or "all of it"
        raise BadOrder(f"What the page sent can't be read ({where}).") from error
