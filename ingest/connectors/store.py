"""The documents that a connector keeps in its folder and how far it came. Knows no format, no server and no network."""

import hashlib
import json
import re
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from ingest.connectors import Fetched, file_name, write_atomically
from rag.errors import LacertaError

_DATABASE = "state.sqlite3"
# The hash that `file_name` makes; with more behind it while it is written.
_OWN_NAME = re.compile(r"[0-9a-f]{40}\.")
# A description that a power cut takes back is made again; so the log of the database need not reach the disk each time.
_TABLES = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS documents (
    identifier TEXT PRIMARY KEY, version TEXT NOT NULL, file TEXT NOT NULL, source TEXT NOT NULL,
    title TEXT NOT NULL, metadata TEXT NOT NULL, listing INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS progress (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a document's text; the title of the document has level 1. Heading or text may be empty."""

    heading: str
    text: str
    level: int = 2


@dataclass(frozen=True, slots=True)
class Entry:
    """A document as a server lists it.

    `identifier` stays the same over all of its versions; `download` is the address of the full text as a PDF, empty
    where there is none.
    """

    identifier: str
    version: str
    source: str
    title: str
    url: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    sections: tuple[Section, ...] = ()
    language: str = ""
    download: str = ""

    def record(self) -> bytes:
        """The entry as a JSON record file, the same bytes for the same entry."""
        values = {
            "lacerta": "record",
            "title": self.title,
            "url": self.url,
            **({"language": self.language} if self.language else {}),
            "metadata": dict(sorted(self.metadata.items())),
            "sections": [asdict(section) for section in self.sections],
        }
        return (json.dumps(values, ensure_ascii=False, indent=1) + "\n").encode()


class Store:
    """Files and their descriptions in one folder, which belongs to one connector.

    A file is complete before its description names it, and the description names it before the file that it replaces
    goes: a stop at any moment loses at most the document in flight. File names are hashes.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._database = self._open()
        self._clean()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def version(self, identifier: str) -> str | None:
        """The version that is kept of a document, None where there is none."""
        row = self._database.execute("SELECT version FROM documents WHERE identifier = ?", (identifier,)).fetchone()
        return row[0] if row else None

    def keep(self, entry: Entry, version: str, content: bytes, suffix: str, listing: int) -> None:
        """Keeps `content` as the document, in place of what was kept of it. Raises LacertaError on a full disk."""
        try:
            self._keep(entry, version, content, suffix, listing)
        except (OSError, sqlite3.OperationalError) as error:
            raise LacertaError(
                f"{entry.source} could not be written to {self._folder} ({error}): make room on the disk, then run"
                " make ingest again."
            ) from error

    def _keep(self, entry: Entry, version: str, content: bytes, suffix: str, listing: int) -> None:
        digest = hashlib.sha256(content).hexdigest()
        path = self._folder / file_name(f"{entry.identifier}\0{version}\0{digest}", suffix)
        if not path.exists():
            write_atomically(path, content)
        before = self._file(entry.identifier)
        self._database.execute(
            "INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?, ?, ?, ?)",
            (entry.identifier, version, path.name, entry.source, entry.title, _described(entry), listing),
        )
        if before and before != path.name:
            (self._folder / before).unlink(missing_ok=True)

    def describe(self, entry: Entry, listing: int) -> None:
        """The document is still listed, and its file as it was; its description may be new."""
        self._database.execute(
            "UPDATE documents SET source = ?, title = ?, metadata = ?, listing = ? WHERE identifier = ?",
            (entry.source, entry.title, _described(entry), listing, entry.identifier),
        )

    def seen(self, identifier: str, listing: int) -> None:
        """The document is still listed, and everything about it as it was."""
        self._database.execute("UPDATE documents SET listing = ? WHERE identifier = ?", (listing, identifier))

    def drop(self, identifier: str) -> None:
        """Forgets a document, if it is there, and removes its file."""
        name = self._file(identifier)
        self._database.execute("DELETE FROM documents WHERE identifier = ?", (identifier,))
        if name:
            (self._folder / name).unlink(missing_ok=True)

    def drop_unlisted(self, listing: int) -> None:
        """Forgets every document that the listing of this number did not name."""
        rows = self._database.execute("SELECT identifier FROM documents WHERE listing != ?", (listing,)).fetchall()
        for (identifier,) in rows:
            self.drop(identifier)

    def documents(self) -> list[Fetched]:
        """What is kept, in the order of the sources' names."""
        return _documents(self._folder, self._database)

    def __len__(self) -> int:
        return int(self._database.execute("SELECT COUNT(*) FROM documents").fetchone()[0])

    def load(self, name: str) -> dict[str, object]:
        """What was saved under a name, empty where nothing was."""
        row = self._database.execute("SELECT value FROM progress WHERE name = ?", (name,)).fetchone()
        values = json.loads(row[0]) if row else {}
        return values if isinstance(values, dict) else {}

    def save(self, name: str, values: Mapping[str, object]) -> None:
        self._database.execute("INSERT OR REPLACE INTO progress VALUES (?, ?)", (name, json.dumps(values)))

    def _open(self) -> sqlite3.Connection:
        path = self._folder / _DATABASE
        try:
            return _connect(path)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise LacertaError(
                    f"{path} could not be opened ({error}): let the other run end, or make room on the disk."
                ) from error
            # Not a database any more: what it described is fetched again.
            for suffix in ("", "-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            return _connect(path)

    def _file(self, identifier: str) -> str:
        row = self._database.execute("SELECT file FROM documents WHERE identifier = ?", (identifier,)).fetchone()
        return row[0] if row else ""

    def _clean(self) -> None:
        """Removes files that no description names, and descriptions whose file is gone."""
        named = dict(self._database.execute("SELECT file, identifier FROM documents").fetchall())
        present = {path.name for path in self._folder.iterdir() if path.is_file()}
        for name in present - named.keys():
            if _OWN_NAME.match(name):
                (self._folder / name).unlink(missing_ok=True)
        for name in named.keys() - present:
            self._database.execute("DELETE FROM documents WHERE identifier = ?", (named[name],))


def kept(folder: Path) -> list[Fetched]:
    """What is kept in a connector's folder, in the order of the sources' names; changes nothing there.

    Raises LacertaError where it cannot be read.
    """
    path = folder / _DATABASE
    if not path.exists():
        return []
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10.0)) as database:
            return [item for item in _documents(folder, database) if item.path.is_file()]
    except sqlite3.Error as error:
        raise LacertaError(f"{path} could not be read ({error}): run make ingest, which mends or renews it.") from error


def _documents(folder: Path, database: sqlite3.Connection) -> list[Fetched]:
    rows = database.execute("SELECT file, source, title, metadata FROM documents ORDER BY source, identifier")
    return [Fetched(folder / name, source, title, json.loads(metadata)) for name, source, title, metadata in rows]


def _connect(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None, timeout=10.0)
    try:
        database.executescript(_TABLES)
    except sqlite3.Error:
        database.close()
        raise
    return database


def _described(entry: Entry) -> str:
    values = {**entry.metadata, "url": entry.url}
    if entry.language:
        values["language"] = entry.language
    return json.dumps(values, ensure_ascii=False)
