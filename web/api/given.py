"""Answers that were given lately, so that feedback says what it is about.

What was asked and said is remembered of fewer of them than the rest, and on disk not for long: most are never rated.
"""

import json
import logging
import sqlite3
import threading
import time
from collections import OrderedDict, deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from rag.database import open_database
from rag.feedback import Given, texts_fields, texts_of
from rag.settings import Settings

_LOG = logging.getLogger(__name__)
_MOST = 10_000
_MOST_TEXTS = 1_000
_TEXTS_SECONDS = 86_400.0
_WAIT_SECONDS = 5.0
_FACTS = ("domain", "model", "language", "answerable", "confidence", "index_version")
_TABLES = (
    "create table if not exists given (id text primary key, domain text not null, model text not null,"
    " language text not null, answerable integer not null, confidence real not null, index_version text not null)",
    "create table if not exists texts (id text primary key, created real not null, fields text not null)",
)


def given_answers(settings: Settings) -> "GivenAnswers":
    """Those of an installation; several processes share a file."""
    shared = settings.processes > 1 and settings.feedback
    return GivenAnswers(settings.var / "given.sqlite" if shared else None)


class GivenAnswers:
    """The last `most` of them, oldest first, and the texts of the last `most_texts`.

    Where several processes share the file at `path`, also those of the others; texts that are older than a day go from
    it at the next answer. Thread-safe.
    """

    def __init__(self, path: Path | None = None, most: int = _MOST, most_texts: int = _MOST_TEXTS) -> None:
        self._path = path
        self._most = most
        self._most_texts = most_texts
        self._lock = threading.Lock()
        self._own: OrderedDict[str, Given] = OrderedDict()
        self._told: deque[str] = deque()
        # Nobody's answer waits for the disk.
        self._writer = ThreadPoolExecutor(1, "given")

    def add(self, identity: str, given: Given) -> None:
        """Remembers one; in the file it is a moment later."""
        with self._lock:
            self._own[identity] = given
            if len(self._own) > self._most:
                self._own.popitem(last=False)
            if given.texts:
                self._told.append(identity)
            if len(self._told) > self._most_texts:
                oldest = self._told.popleft()
                if oldest in self._own:
                    self._own[oldest] = replace(self._own[oldest], texts=None)
        if self._path:
            self._writer.submit(self._write, self._path, identity, given)

    def get(self, identity: str) -> Given | None:
        """One of them, None where it was given long ago. May read the file."""
        with self._lock:
            known = self._own.get(identity)
        if known or not self._path or not self._path.exists():
            return known
        try:
            with closing(self._open(self._path)) as connection:
                row = connection.execute(
                    f"select {', '.join(_FACTS)}, fields from given left join texts using (id) where id = ?",
                    (identity,),
                ).fetchone()
        except sqlite3.Error as error:
            _LOG.warning("Answers of other processes can't be looked up: %s", error)
            return None
        if not row:
            return None
        *facts, fields = row
        found = Given(**dict(zip(_FACTS, facts, strict=True)), texts=texts_of(json.loads(fields)) if fields else None)
        return replace(found, answerable=bool(found.answerable))

    def _write(self, path: Path, identity: str, given: Given) -> None:
        now = time.time()
        try:
            with closing(self._open(path)) as connection:
                connection.execute("begin immediate")
                connection.execute(
                    f"insert or replace into given (id, {', '.join(_FACTS)}) values (?, ?, ?, ?, ?, ?, ?)",
                    (identity, *(getattr(given, name) for name in _FACTS)),
                )
                connection.execute("delete from given where rowid <= (select max(rowid) from given) - ?", (self._most,))
                if given.texts:
                    fields = json.dumps(texts_fields(given.texts), ensure_ascii=False)
                    connection.execute("insert or replace into texts values (?, ?, ?)", (identity, now, fields))
                connection.execute(
                    "delete from texts where rowid <= (select max(rowid) from texts) - ? or created < ?",
                    (self._most_texts, now - _TEXTS_SECONDS),
                )
                connection.execute("commit")
        except (sqlite3.Error, OSError) as error:
            _LOG.warning("Other processes will not know of an answer: %s", error)

    @staticmethod
    def _open(path: Path) -> sqlite3.Connection:
        connection = open_database(path, _WAIT_SECONDS)
        connection.execute("pragma synchronous = normal")
        for table in _TABLES:
            connection.execute(table)
        return connection
