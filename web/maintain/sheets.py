"""The same as CSV for spreadsheets, which take what begins like a formula for one."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from rag.feedback import Store
from web.maintain.frame import Reader
from web.maintain.journal import UNANSWERED, WEAK, Journal
from web.maintain.overview import rated_of

# OWASP, CSV Injection; the full-width forms begin a formula where East Asian text is typed.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_MARK = "\ufeff"
"""By it a spreadsheet knows that the file is UTF-8."""


def safe(value: object) -> str:
    """A cell that no spreadsheet runs: an apostrophe before whatever begins like a formula."""
    text = "" if value is None else str(value)
    risky = text.lstrip(" \u00a0\u3000").startswith(_FORMULA) and not isinstance(value, int | float)
    return f"'{text}" if risky else text


def counts(reader: Reader, journal: Journal) -> Iterator[bytes]:
    """A row a day, domain and count. The first one blocks; raises JournalUnavailable."""
    names = ("day", "domain", "kind", "name", "count")
    return _lines(names, journal.counts(reader.chosen, reader.since))


def questions(reader: Reader, journal: Journal) -> Iterator[bytes]:
    """A row a question, newest first."""
    names = (
        "created", "domain", "language", "why", "question", "searched", "confidence", "model", "index_version",
    )  # fmt: skip
    why = reader.wanted.of if reader.wanted.of in (UNANSWERED, WEAK) else ""
    found = journal.questions(reader.chosen, reader.since, why)
    return _lines(names, ([getattr(item, name) for name in names] for item in found))


def feedback(reader: Reader, store: Store) -> Iterator[bytes]:
    """A row a rating, newest first; passages are a line each."""
    names = (
        "id", "created", "rating", "reason", "comment", "correction", "revision", "domain", "model", "language",
        "answerable", "confidence", "index_version", "question", "searched", "answer", "passages",
    )  # fmt: skip
    rating = reader.wanted.of if reader.wanted.of in ("up", "down") else ""

    def rows() -> Iterator[Sequence[object]]:
        for item in store.latest(rated_of(reader, rating)):
            given, told = item.given, item.given.texts if item.given else None
            passages = [f"{part.document}, {part.page}: {part.quote}" for part in told.passages] if told else []
            yield [
                *(getattr(item, name) for name in names[:7]),
                *(getattr(given, name, "") for name in names[7:13]),
                *(getattr(told, name, "") for name in names[13:16]),
                "\n".join(passages),
            ]

    return _lines(names, rows())


def _lines(names: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[bytes]:
    target = io.StringIO()
    writer = csv.writer(target)
    target.write(_MARK)
    writer.writerow(names)
    for row in rows:
        yield _taken(target)
        writer.writerow([safe(value) for value in row])
    yield _taken(target)


def _taken(target: io.StringIO) -> bytes:
    text = target.getvalue()
    target.seek(0)
    target.truncate()
    return text.encode("utf-8", "replace")
