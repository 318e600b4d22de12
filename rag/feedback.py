"""What visitors say of answers, kept in one SQLite file with what it is about. Knows nothing of how it is asked for.

All texts are bounded and without control characters, whoever wrote them.
"""

import json
import sqlite3
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rag.database import open_database
from rag.errors import LacertaError
from rag.settings import Settings
from rag.text import visible
from rag.types import PAGE_BREAK, Answer
from rag.visits import OWN

RATINGS = ("up", "down")
REASONS = ("wrong", "incomplete", "source", "refused", "outdated", "language", "other")
"""Why: it is not right, something is missing, the passage cited does not say so, it should have been answered, it is no
longer so, it is in another language or badly written, something else."""
COMMENT_CHARACTERS = 2000
CORRECTION_CHARACTERS = 2000
_QUESTION_CHARACTERS, _ANSWER_CHARACTERS, _QUOTE_CHARACTERS = 4000, 20_000, 1000
_MOST_PASSAGES = 12
_MOST_ROWS = 100_000
_WAIT_SECONDS = 5.0
# The columns behind those that every layout had: files of before get them when they are written next.
_FIRST = {
    "id": "text primary key", "created": "text not null", "rating": "text not null", "comment": "text not null",
    "domain": "text", "model": "text", "language": "text", "answerable": "integer", "confidence": "real",
}  # fmt: skip
_ADDED = dict.fromkeys(
    ("reason", "correction", "question", "searched", "answer", "passages", "index_version", "revision"), "text"
)
_COLUMNS = (*_FIRST, *_ADDED)
# What a second rating replaces; the rest is known from the first one, where that was known.
_SAID = ("created", "rating", "comment", "reason", "correction")


class FeedbackUnavailable(LacertaError):
    """Feedback can't be kept or read."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage that an answer could be made of: `cited` with its exact words, else the beginning of it.

    `document` is its source, `page` 1-based.
    """

    document: str
    page: int
    quote: str
    cited: bool = True


@dataclass(frozen=True, slots=True)
class Texts:
    """A question as it was asked, what was searched for where that is another text, the answer, and its passages."""

    question: str
    answer: str
    passages: tuple[Passage, ...] = ()
    searched: str = ""


@dataclass(frozen=True, slots=True)
class Given:
    """What is known of an answer that was given; `texts` is None where texts are not to be kept."""

    domain: str
    model: str
    language: str
    answerable: bool
    confidence: float
    index_version: str = ""
    texts: Texts | None = None


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a visitor said of the answer `id`. `created` is ISO 8601 UTC, `rating` one of `RATINGS`, `reason` one of
    `REASONS` or empty, `revision` that of the program. `given` is None where the answer was no longer known."""

    id: str
    created: str
    rating: str
    comment: str = ""
    reason: str = ""
    correction: str = ""
    revision: str = ""
    given: Given | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which feedback: on answers of these `domains`, or of any and also where that is not known any more; with a
    rating; from a time on, which is ISO 8601 UTC or its beginning."""

    domains: Collection[str] | None = None
    rating: str = ""
    since: str = ""

    def condition(self) -> tuple[str, list[str]]:
        """What stands behind `select ... from feedback`, and the values of its parameters."""
        parts, values = [], []
        if self.domains is not None:
            parts.append(f"domain in ({', '.join('?' * len(self.domains))})")
            values += sorted(self.domains)
        for condition, value in (("rating = ?", self.rating), ("created >= ?", self.since)):
            if value:
                parts.append(condition)
                values.append(value)
        return (f" where {' and '.join(parts)}" if parts else ""), values


def store_of(settings: Settings, most: int = _MOST_ROWS) -> "Store":
    """The store of an installation."""
    return Store(settings.var / "feedback.sqlite", most)


def given_of(domain: str, question: str, answer: Answer, index_version: str = "", texts: bool = True) -> Given:
    """What is to be known of an answer, without what was asked and said where `texts` is false.

    Where documents of the visitor's own were found for it, neither, because these are not kept.
    """
    about = Given(domain, answer.model, answer.language, answer.answerable, round(answer.confidence, 4), index_version)
    if not texts or any(hit.chunk.document_id.startswith(OWN) for hit in answer.hits):
        return about
    passages = [Passage(item.chunk.source, item.page, item.quote) for item in answer.citations]
    cited = {(passage.document, passage.page) for passage in passages}
    for hit in answer.hits:
        if (hit.chunk.source, hit.chunk.first_page) not in cited:
            text = hit.chunk.text.partition(PAGE_BREAK)[0]
            passages.append(Passage(hit.chunk.source, hit.chunk.first_page, text, cited=False))
    bounded = tuple(
        replace(passage, quote=_bounded(passage.quote, _QUOTE_CHARACTERS)) for passage in passages[:_MOST_PASSAGES]
    )
    said = Texts(
        _bounded(question, _QUESTION_CHARACTERS),
        _bounded(answer.text, _ANSWER_CHARACTERS),
        bounded,
        _bounded(answer.question, _QUESTION_CHARACTERS),
    )
    return replace(about, texts=said)


class Store:
    """The file at `path`, made when something is kept first; several processes may write it.

    Methods raise FeedbackUnavailable where the file can't be used.
    """

    def __init__(self, path: Path, most: int = _MOST_ROWS) -> None:
        self._path = path
        self._most = most

    def keep(
        self,
        identity: str,
        rating: str,
        comment: str = "",
        given: Given | None = None,
        reason: str = "",
        correction: str = "",
        revision: str = "",
    ) -> None:
        """Keeps what was said of an answer, in place of what was said of it earlier; of too many the oldest go.

        Raises ValueError for a rating or reason that is none.
        """
        if rating not in RATINGS or reason not in ("", *REASONS):
            known = f"one of {', '.join(RATINGS)}, a reason one of {', '.join(REASONS)}"
            raise ValueError(f"A rating should be {known} or empty, they are {rating!r} and {reason!r}.")
        values: dict[str, Any] = dict.fromkeys(_COLUMNS)
        values |= {
            "id": identity,
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "rating": rating,
            "comment": _bounded(comment, COMMENT_CHARACTERS),
            "reason": reason,
            "correction": _bounded(correction, CORRECTION_CHARACTERS),
            "revision": revision,
        }
        if given:
            values |= {name: getattr(given, name) for name in Given.__slots__ if name != "texts"}
            if given.texts:
                values |= texts_fields(given.texts)
        updates = [
            f"{name} = excluded.{name}" if name in _SAID else f"{name} = coalesce({name}, excluded.{name})"
            for name in _COLUMNS[1:]
        ]
        query = (
            f"insert into feedback ({', '.join(_COLUMNS)}) values ({', '.join('?' * len(_COLUMNS))})"
            f" on conflict (id) do update set {', '.join(updates)}"
        )
        try:
            with closing(open_database(self._path, _WAIT_SECONDS)) as connection:
                # At once, so that two of them never find the same columns missing.
                connection.execute("begin immediate")
                _bring_up_to_date(connection)
                connection.execute(query, [values[name] for name in _COLUMNS])
                connection.execute(
                    "delete from feedback where rowid <= (select max(rowid) from feedback) - ?", (self._most,)
                )
                connection.execute("commit")
        except (sqlite3.Error, OSError) as error:
            raise FeedbackUnavailable(
                f"Feedback can't be kept in {self._path}: {error}. Make room or mend the file, or set"
                " LACERTA_FEEDBACK=false."
            ) from error

    def forget(self, identity: str) -> None:
        """What was said of an answer is gone from the file, if there was anything."""
        if not self._path.exists():
            return
        try:
            with closing(open_database(self._path, _WAIT_SECONDS)) as connection:
                if _has_table(connection):
                    connection.execute("delete from feedback where id = ?", (identity,))
        except (sqlite3.Error, OSError) as error:
            raise FeedbackUnavailable(f"Feedback in {self._path} can't be taken back: {error}.") from error

    def read(self, domain: str = "", rating: str = "", since: str = "") -> Iterator[Feedback]:
        """What was kept, oldest first: of a domain, with a rating, from a time on (ISO 8601 UTC, or its beginning)."""
        where, values = Wanted({domain} if domain else None, rating, since).condition()
        yield from map(_of_row, self._rows(f"select * from feedback{where} order by created, rowid", values))

    def latest(self, wanted: Wanted, offset: int = 0, limit: int = -1) -> Iterator[Feedback]:
        """What was kept, newest first, after the first `offset`; at most `limit`, all for -1."""
        where, values = wanted.condition()
        query = f"select * from feedback{where} order by created desc, rowid desc limit ? offset ?"
        yield from map(_of_row, self._rows(query, [*values, limit, offset]))

    def daily(self, wanted: Wanted) -> dict[tuple[str, str], int]:
        """How often each day (UTC, as 2026-01-31) got each rating."""
        where, values = wanted.condition()
        query = f"select substr(created, 1, 10) as day, rating, count(*) as n from feedback{where} group by 1, 2"
        return {(row["day"], row["rating"]): row["n"] for row in self._rows(query, values)}

    def _rows(self, query: str, values: Sequence[str | int]) -> Iterator[sqlite3.Row]:
        if not self._path.exists():
            return
        try:
            # Whoever reads may be on one thread after the other, never on two at once.
            address = f"{self._path.absolute().as_uri()}?mode=ro"
            with closing(sqlite3.connect(address, uri=True, check_same_thread=False)) as connection:
                connection.row_factory = sqlite3.Row
                if _has_table(connection):
                    yield from connection.execute(query, values)
        except (sqlite3.Error, ValueError, TypeError, KeyError) as error:
            raise FeedbackUnavailable(f"Feedback in {self._path} can't be read: {error!r}") from error


def texts_fields(texts: Texts) -> dict[str, str]:
    """Texts as columns."""
    passages = json.dumps([asdict(passage) for passage in texts.passages], ensure_ascii=False)
    return {"question": texts.question, "searched": texts.searched, "answer": texts.answer, "passages": passages}


def texts_of(fields: dict[str, Any]) -> Texts | None:
    """What `texts_fields` made columns of; None where these hold no question."""
    if not fields.get("question"):
        return None
    passages = tuple(Passage(**item) for item in json.loads(fields.get("passages") or "[]"))
    return Texts(fields["question"], fields.get("answer", ""), passages, fields.get("searched", ""))


def _has_table(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("select 1 from sqlite_master where name = 'feedback'").fetchone())


def _of_row(row: sqlite3.Row) -> Feedback:
    try:
        return _feedback({name: row[name] for name in row.keys() if row[name] is not None})
    except (ValueError, TypeError, KeyError) as error:
        raise FeedbackUnavailable(f"What was kept of the answer {row['id']!r} can't be read: {error!r}") from error


def _feedback(row: dict[str, Any]) -> Feedback:
    given = None
    if "domain" in row:
        given = Given(
            row["domain"],
            row.get("model", ""),
            row.get("language", ""),
            bool(row.get("answerable")),
            float(row.get("confidence", 0.0)),
            row.get("index_version", ""),
            texts_of(row),
        )
    names = ("id", "created", "rating", "comment", "reason", "correction", "revision")
    return Feedback(**{name: row.get(name, "") for name in names}, given=given)


def _bring_up_to_date(connection: sqlite3.Connection) -> None:
    columns = ", ".join(f"{name} {kind}" for name, kind in (_FIRST | _ADDED).items())
    connection.execute(f"create table if not exists feedback ({columns})")
    there = {row[1] for row in connection.execute("pragma table_info(feedback)")}
    for name, kind in _ADDED.items():
        if name not in there:
            connection.execute(f"alter table feedback add column {name} {kind}")


def _bounded(text: str, characters: int) -> str:
    return visible(text[: 2 * characters]).strip()[:characters]
