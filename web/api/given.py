"""Answers that were given lately, so that feedback says what it is about: never what was asked or said."""

import logging
import sqlite3
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import astuple, dataclass
from pathlib import Path

_LOG = logging.getLogger(__name__)
_MOST = 10_000
_WAIT_SECONDS = 5.0
_TABLE = """
create table if not exists given (
    id text primary key, domain text not null, model text not null, language text not null,
    answerable integer not null, confidence real not null
)
"""


@dataclass(frozen=True, slots=True)
class Given:
    """What is known of an answer that was given."""

    domain: str
    model: str
    language: str
    answerable: bool
    confidence: float


class GivenAnswers:
    """The last of them, oldest first. Where several processes share the file at `path`, also those of the others.

    Thread-safe.
    """

    def __init__(self, path: Path | None = None, most: int = _MOST) -> None:
        self._path = path
        self._most = most
        self._lock = threading.Lock()
        self._own: OrderedDict[str, Given] = OrderedDict()
        # Nobody's answer waits for the disk.
        self._writer = ThreadPoolExecutor(1, "given")

    def add(self, identity: str, given: Given) -> None:
        """Remembers one; in the file it is a moment later."""
        with self._lock:
            self._own[identity] = given
            if len(self._own) > self._most:
                self._own.popitem(last=False)
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
                    "select domain, model, language, answerable, confidence from given where id = ?", (identity,)
                ).fetchone()
        except sqlite3.Error as error:
            _LOG.warning("Answers of other processes can't be looked up: %s", error)
            return None
        return Given(row[0], row[1], row[2], bool(row[3]), row[4]) if row else None

    def _write(self, path: Path, identity: str, given: Given) -> None:
        try:
            with closing(self._open(path)) as connection, connection:
                connection.execute(
                    "insert or replace into given values (?, ?, ?, ?, ?, ?)", (identity, *astuple(given))
                )
                connection.execute("delete from given where rowid <= (select max(rowid) from given) - ?", (self._most,))
        except (sqlite3.Error, OSError) as error:
            _LOG.warning("Other processes will not know of an answer: %s", error)

    @staticmethod
    def _open(path: Path) -> sqlite3.Connection:
        connection = sqlite3.connect(path, timeout=_WAIT_SECONDS)
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = normal")
        connection.execute(_TABLE)
        return connection
