"""A document of an index as its viewer is shown it, and the file it was read from. Knows nothing of HTTP."""

import os
import threading
import unicodedata
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ingest.connectors.store import kept
from ingest.passwords import passwords_of
from ingest.sources import hash_file, shown
from rag.errors import LacertaError
from rag.index import DocumentRecord
from rag.settings import Domain, Settings
from web.sources.process import PageFailed

_VERIFIED = 1000
_ADDRESS_CHARACTERS = 2000
_TYPES = {
    "pdf": ("application/pdf", ".pdf"),
    "csv": ("text/csv; charset=utf-8", ".csv"),
    "text": ("text/plain; charset=utf-8", ".txt"),
    "markdown": ("text/markdown; charset=utf-8", ".md"),
    "html": ("text/html", ".html"),
    "eml": ("message/rfc822", ".eml"),
    "record": ("application/json", ".json"),
    "json": ("application/json", ".json"),
    "jsonl": ("application/x-ndjson", ".jsonl"),
    "atom": ("application/atom+xml", ".xml"),
    "rtf": ("application/rtf", ".rtf"),
    "epub": ("application/epub+zip", ".epub"),
    "odt": ("application/vnd.oasis.opendocument.text", ".odt"),
    "ods": ("application/vnd.oasis.opendocument.spreadsheet", ".ods"),
    "xls": ("application/vnd.ms-excel", ".xls"),
    "docx": ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", ".docx"),
    "pptx": ("application/vnd.openxmlformats-officedocument.presentationml.presentation", ".pptx"),
    "xlsx": ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", ".xlsx"),
}
_OTHER = ("application/octet-stream", "")
_SUFFIXES = (
    *(suffix for _, suffix in _TYPES.values()),
    ".tsv",
    ".tab",
    ".htm",
    ".xhtml",
    ".markdown",
    ".mdx",
    ".ndjson",
)
_TABLES = frozenset({"csv", "xlsx", "xls", "ods"})
PDF = "pdf"


def described(record: DocumentRecord, domain: Domain) -> dict[str, Any]:
    """What is known of a document. `url` is where it was published, of http or https alone."""
    about = record.metadata
    return {
        "document": record.id,
        "domain": domain.name,
        "title": record.title,
        "source": record.source,
        "kind": record.kind,
        "language": record.language,
        "date": about.get("published") or about.get("date") or None,
        "authors": about.get("authors") or about.get("author") or None,
        "url": _address(about.get("url", "")),
        "pages": record.pages,
        "bytes": record.size,
        "file": f"/sources/{domain.name}/{record.id}/file" if domain.publish.files else None,
    }


def shape(record: DocumentRecord) -> str:
    """How a document's pages are shown: `picture`, `table` or `text`."""
    return "picture" if record.kind == PDF else "table" if record.kind in _TABLES else "text"


def media_type(record: DocumentRecord) -> str:
    return _TYPES.get(record.kind, _OTHER)[0]


def file_name(record: DocumentRecord) -> str:
    """What to save a document's file as: the last part of its name."""
    name = record.source.rpartition("/")[2].strip(". ") or record.id
    suffix = _TYPES.get(record.kind, _OTHER)[1]
    # Names of what was fetched, such as 2401.01234v2 or example.org, have none of their own.
    return name if not suffix or name.lower().endswith(_SUFFIXES) else name + suffix


def passwords(record: DocumentRecord, domain: Domain) -> tuple[str, ...]:
    """Which may open the file, for a PDF."""
    return passwords_of(domain, record.source)


class Files:
    """Finds the files that documents were read from. Thread-safe.

    A file counts only as it was when it was indexed, and only inside of the folders that documents come from.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._found: OrderedDict[tuple[str, str], Path] = OrderedDict()
        self._verified: OrderedDict[tuple[str, int, int, int], str] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, record: DocumentRecord, domain: Domain) -> Path:
        """The path of a document's file, without links. Raises PageFailed: `source_gone` or `source_changed`."""
        with self._lock:
            known = self._found.get((domain.name, record.sha256))
        if known is not None and self._digest(known) == record.sha256:
            return known
        changed = False
        for path in self._places(record, domain):
            digest = self._digest(path)
            if digest == record.sha256:
                with self._lock:
                    _keep(self._found, (domain.name, record.sha256), path)
                return path
            changed = changed or digest is not None
        raise PageFailed("source_changed" if changed else "source_gone")

    def _places(self, record: DocumentRecord, domain: Domain) -> Iterator[Path]:
        """Where the file may be, inside of the domain's folders."""
        folder = domain.source_folder.resolve()
        for name in dict.fromkeys((record.source, *record.names)):
            for form in ("NFC", "NFD"):
                yield from _inside(folder, folder / unicodedata.normalize(form, name))
        home = (self._settings.var / "fetched" / domain.name).resolve()
        names = {record.source, *record.names}
        for connector in sorted(home.iterdir()) if home.is_dir() else ():
            try:
                items = kept(connector) if connector.is_dir() else []
            except LacertaError:
                continue
            for item in items:
                if shown(item.source) in names:
                    yield from _inside(home, item.path)

    def _digest(self, path: Path) -> str | None:
        """The SHA-256 of a file, read again only where the file is another one than the last time."""
        try:
            state = os.stat(path, follow_symlinks=False)
            key = (str(path), state.st_ino, state.st_size, state.st_mtime_ns)
            with self._lock:
                known = self._verified.get(key)
            if known is None:
                known, _ = hash_file(path)
                with self._lock:
                    _keep(self._verified, key, known)
            return known
        except OSError:
            return None


def _keep(kept: OrderedDict[Any, Any], key: Any, value: Any) -> None:
    kept[key] = value
    while len(kept) > _VERIFIED:
        kept.popitem(last=False)


def _inside(folder: Path, path: Path) -> Iterator[Path]:
    """The path without links, if that is in the folder and there is something."""
    try:
        resolved = path.resolve(strict=True)
    except (OSError, RuntimeError, ValueError):
        return
    if resolved.is_relative_to(folder):
        yield resolved


def _address(url: str) -> str | None:
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    usable = parts.scheme in ("http", "https") and parts.hostname and len(url) <= _ADDRESS_CHARACTERS
    return url if usable and url.isprintable() and " " not in url else None
