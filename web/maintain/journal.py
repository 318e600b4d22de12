"""What became of questions, counted by day in one SQLite file; their texts only where the settings say so.

Counts name no visitor and hold no text. Of questions, those that found no answer or one of low confidence are kept.
"""

import logging
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any

from rag.database import open_database
from rag.errors import LacertaError
from rag.index import current_version
from rag.models import public_name
from rag.settings import Domain, Settings
from rag.text import visible
from rag.types import Answer, Question

WEAK, UNANSWERED = "low", "refused"
"""Why a question is kept: its answer is of low confidence, or there is none."""
COUNT_DAYS, QUESTION_DAYS = 400, 90
MOST_QUESTIONS = 10_000
SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 300)
"""Upper bounds that durations are counted by; longer ones count as the last."""
BINS = 10
"""Confidences are counted in so many parts of [0, 1]."""
_MOST_COUNTS = 200_000
# More names than the code has stages, reasons and codes can only be a fault.
_MOST_NAMES, _NAME_CHARACTERS = 128, 80
_QUESTION_CHARACTERS = 2000
_WAIT_SECONDS = 5.0
_LOG_SECONDS = 60.0
_LOG = logging.getLogger(__name__)
_TABLES = (
    "create table if not exists counts (day text not null, domain text not null, kind text not null,"
    " name text not null, count integer not null, primary key (day, domain, kind, name)) without rowid",
    "create table if not exists questions (id integer primary key, created text not null, domain text not null,"
    " language text not null, why text not null, question text not null, searched text not null,"
    " confidence real not null, model text not null, index_version text not null)",
    "create index if not exists questions_created on questions (created)",
)

Key = tuple[str, str, str, str]
"""Day (UTC, as 2026-01-31), domain, kind and name of a count."""


class JournalUnavailable(LacertaError):
    """What became of questions can't be read."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that is kept. `created` is ISO 8601 UTC; `searched` is what was searched for where that differs."""

    created: str
    domain: str
    language: str
    why: str
    question: str
    searched: str
    confidence: float
    model: str
    index_version: str


_FIELDS = tuple(item.name for item in fields(Asked))


class Journal:
    """The file `asked.sqlite`, made at the first question; several processes may write it. Thread-safe.

    What can't be written is lost and logged: nobody's answer fails for it, nor waits.
    """

    def __init__(self, settings: Settings, domains: Mapping[str, Domain]) -> None:
        self._settings = settings
        self._path = settings.var / "asked.sqlite"
        self._domains = domains
        self._lock = threading.Lock()
        self._counts: Counter[Key] = Counter()
        self._questions: list[Asked] = []
        self._names: set[str] = set()
        self._writing = False
        self._logged = 0.0
        self._writer = ThreadPoolExecutor(1, "journal")

    def note(self, question: Question, answer: Answer | None, outcome: str, code: str = "") -> None:
        """A question that ended; `code` says why it failed. It is in the file a moment later.

        `outcome` is one of `web.metrics.OUTCOMES`.
        """
        domain = self._domains.get(question.domain)
        if domain is None:
            return
        now = datetime.now(UTC)
        found = [("outcome", outcome), *([("code", code)] if code else [])]
        kept = None
        if answer and outcome in ("answered", "refused"):
            found += self._of_answer(answer, outcome)
            # What is asked of a visitor's own documents is kept nowhere.
            if self._settings.keep_questions and not question.attachments:
                kept = self._kept(question, answer, outcome, domain, now)
        with self._lock:
            self._counts.update((f"{now:%Y-%m-%d}", domain.name, kind, self._bounded(name)) for kind, name in found)
            if kept:
                self._questions.append(kept)
            if self._writing:
                return
            self._writing = True
        self._writer.submit(self._write)

    def close(self) -> None:
        """Waits until all is written."""
        self._writer.shutdown()

    def daily(self, domains: Collection[str], since: str, kind: str) -> dict[tuple[str, str], int]:
        """Counts of a kind by day and name, from a day on."""
        query = (
            f"select day, name, sum(count) from counts where kind = ? and day >= ? and domain in ({_marks(domains)})"
            " group by day, name"
        )
        return {(day, name): count for day, name, count in self._read("counts", query, [kind, since, *domains])}

    def counts(self, domains: Collection[str], since: str) -> Iterator[tuple[str, str, str, str, int]]:
        """Day, domain, kind, name and count of all from a day on."""
        query = f"select day, domain, kind, name, count from counts where day >= ? and domain in ({_marks(domains)})"
        yield from self._read("counts", query, [since, *domains])

    def totals(self, domains: Collection[str], since: str) -> dict[str, dict[str, int]]:
        """Counts by kind and name, from a day on."""
        query = (
            f"select kind, name, sum(count) from counts where day >= ? and domain in ({_marks(domains)})"
            " group by kind, name"
        )
        found: dict[str, dict[str, int]] = {}
        for kind, name, count in self._read("counts", query, [since, *domains]):
            found.setdefault(kind, {})[name] = count
        return found

    def questions(
        self, domains: Collection[str], since: str = "", why: str = "", offset: int = 0, limit: int = -1
    ) -> Iterator[Asked]:
        """Those that are kept, newest first, after the first `offset`; at most `limit`, all for -1."""
        query = (
            f"select {', '.join(_FIELDS)} from questions where created >= ? and why in (?, ?)"
            f" and domain in ({_marks(domains)}) order by created desc, id desc limit ? offset ?"
        )
        wanted = (why, why) if why else (WEAK, UNANSWERED)
        for row in self._read("questions", query, [since, *wanted, *domains, limit, offset]):
            yield Asked(*row)

    def _of_answer(self, answer: Answer, outcome: str) -> list[tuple[str, str]]:
        place = min(int(answer.confidence * BINS), BINS - 1)
        found = [("refused" if outcome == "refused" else "sure", str(place))]
        if not answer.cached:
            for stage, seconds in answer.timings.items():
                bound = next((bound for bound in SECONDS if seconds <= bound), SECONDS[-1])
                found.append((f"stage {stage}"[:_NAME_CHARACTERS], str(bound)))
        if answer.model:
            found.append(("model", public_name(answer.model)))
        return found + [("failure", f"{public_name(model)}: {reason}") for model, reason in answer.failures]

    def _kept(self, question: Question, answer: Answer, outcome: str, domain: Domain, now: datetime) -> Asked | None:
        if outcome == "answered" and answer.confidence >= domain.retrieval.hedge_below:
            return None
        asked, searched = (visible(text[:_QUESTION_CHARACTERS]).strip() for text in (question.text, answer.question))
        version = current_version(self._settings, domain.name) or ""
        why = UNANSWERED if outcome == "refused" else WEAK
        return Asked(
            f"{now:%Y-%m-%dT%H:%M:%SZ}", domain.name, answer.language, why, asked,
            "" if searched == asked else searched, round(answer.confidence, 4), public_name(answer.model), version,
        )  # fmt: skip

    def _bounded(self, name: str) -> str:
        name = name[:_NAME_CHARACTERS]
        if name not in self._names and len(self._names) >= _MOST_NAMES:
            return "other"
        self._names.add(name)
        return name

    def _write(self) -> None:
        """Writes until nothing is left: what came meanwhile goes with the next transaction."""
        while True:
            with self._lock:
                counts, questions = self._counts, self._questions
                self._counts, self._questions = Counter(), []
                if not counts:
                    self._writing = False
                    return
            try:
                self._add(counts, questions)
            except (sqlite3.Error, OSError) as error:
                moment = time.monotonic()
                if moment - self._logged >= _LOG_SECONDS:
                    self._logged = moment
                    _LOG.error("What became of questions is not kept: %s: %s", self._path, error)

    def _add(self, counts: Mapping[Key, int], questions: Collection[Asked]) -> None:
        today = datetime.now(UTC).date()
        with closing(open_database(self._path, _WAIT_SECONDS)) as connection:
            connection.execute("pragma synchronous = normal")
            connection.execute("begin immediate")
            for statement in _TABLES:
                connection.execute(statement)
            connection.executemany(
                "insert into counts values (?, ?, ?, ?, ?)"
                " on conflict (day, domain, kind, name) do update set count = count + excluded.count",
                [(*key, count) for key, count in counts.items()],
            )
            connection.executemany(
                f"insert into questions ({', '.join(_FIELDS)}) values ({', '.join('?' * len(_FIELDS))})",
                [astuple(item) for item in questions],
            )
            connection.execute("delete from counts where day < ?", (str(today - timedelta(COUNT_DAYS)),))
            connection.execute(
                "delete from counts where day = (select min(day) from counts) and (select count(*) from counts) > ?",
                (_MOST_COUNTS,),
            )
            connection.execute(
                "delete from questions where created < ? or id <= (select max(id) from questions) - ?",
                (str(today - timedelta(QUESTION_DAYS)), MOST_QUESTIONS),
            )
            connection.execute("commit")

    def _read(self, table: str, query: str, values: list[str | int]) -> Iterator[Any]:
        if not self._path.exists():
            return
        try:
            # Whoever reads may be on one thread after the other, never on two at once.
            address = f"{self._path.absolute().as_uri()}?mode=ro"
            with closing(sqlite3.connect(address, uri=True, check_same_thread=False)) as connection:
                if connection.execute("select 1 from sqlite_master where name = ?", (table,)).fetchone():
                    yield from connection.execute(query, values)
        except sqlite3.Error as error:
            raise JournalUnavailable(f"What became of questions can't be read from {self._path}: {error}.") from error


def _marks(values: Collection[str]) -> str:
    return ", ".join("?" * len(values))
