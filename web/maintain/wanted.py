"""What a maintainer wants to see, read from the address; anything that is none of the choices is the first of them."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlencode

from rag.settings import LANGUAGES

PERIODS = (30, 7, 90, 365)
"""Days that are looked back; the first is what is shown unless another one is chosen."""
ROWS = 30
"""Of a list, on a page of it."""
_MOST_PAGES = 100_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """`domain` is empty for all that the maintainer sees; `of` chooses a rating or an outcome, empty for all.

    `page` counts from 1; `language` is empty where the browser's counts.
    """

    domain: str = ""
    days: int = PERIODS[0]
    of: str = ""
    page: int = 1
    language: str = ""

    @property
    def first_day(self) -> date:
        """The first day of the period, UTC."""
        return today() - timedelta(self.days - 1)

    @property
    def offset(self) -> int:
        return (self.page - 1) * ROWS

    def query(self, **changes: str | int) -> str:
        """The part of an address behind `?` that wants the same but for the changes; what is usual is left out."""
        wanted, usual = replace(self, **changes), Wanted()  # type: ignore[arg-type]
        values = {item.name: getattr(wanted, item.name) for item in fields(Wanted)}
        return urlencode({name: value for name, value in values.items() if value != getattr(usual, name)})


def read(sent: Mapping[str, str], domains: Mapping[str, object]) -> Wanted:
    """What the query of an address asks for; `domains` are those that the maintainer sees."""
    days, page = _number(sent.get("days", "")), _number(sent.get("page", ""))
    domain, of, language = (sent.get(name, "") for name in ("domain", "of", "language"))
    return Wanted(
        domain if domain in domains else "",
        days if days in PERIODS else PERIODS[0],
        of if of in ("up", "down", "refused", "low") else "",
        min(max(page, 1), _MOST_PAGES),
        language if language in LANGUAGES else "",
    )


def today() -> date:
    """The day, UTC."""
    return datetime.now(UTC).date()


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
