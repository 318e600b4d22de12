"""Answers kept on disk, a file each. Damage to a file is found by its hash and only costs a request."""

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from ingest.connectors import file_name, write_atomically

_KEPT_SECONDS = 60 * 86_400
"""An answer that no run has used for two months goes."""
_HEADERS = frozenset("content-type content-language content-disposition etag last-modified link x-robots-tag".split())


@dataclass(frozen=True, slots=True)
class Entry:
    """An answer; `confirmed` is the Unix time when the server last said that it holds."""

    url: str
    accept: str
    status: int
    headers: Mapping[str, str]
    content: bytes
    confirmed: float = 0.0

    def conditions(self) -> dict[str, str]:
        """The request headers that ask for the document only if it has changed."""
        pairs = (("If-None-Match", "etag"), ("If-Modified-Since", "last-modified"))
        return {ask: self.headers[name] for ask, name in pairs if self.headers.get(name)}


class Cache:
    """The answers in a folder, by URL and Accept header."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, url: str, accept: str) -> Entry | None:
        """The answer kept, or None; a damaged one counts as none."""
        path = self._path(url, accept)
        try:
            confirmed = path.stat().st_mtime
            head, _, content = path.read_bytes().partition(b"\n")
            values = json.loads(head)
            if values["sha256"] != _digest(values, content) or values["url"] != url or values["accept"] != accept:
                return None
            return Entry(url, accept, values["status"], values["headers"], content, confirmed)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep(self, entry: Entry) -> None:
        """Writes an answer. Raises OSError where the disk does not take it."""
        headers = {name: value for name, value in entry.headers.items() if name in _HEADERS}
        values = {"url": entry.url, "accept": entry.accept, "status": entry.status, "headers": headers}
        head = json.dumps({**values, "sha256": _digest(values, entry.content)}).encode("ascii")
        write_atomically(self._path(entry.url, entry.accept), head + b"\n" + entry.content, durable=False)

    def confirm(self, entry: Entry) -> None:
        """Notes that the answer still holds."""
        with suppress(FileNotFoundError):
            os.utime(self._path(entry.url, entry.accept))

    def forget(self, url: str, accept: str) -> None:
        """Removes an answer, if there is one."""
        self._path(url, accept).unlink(missing_ok=True)

    def prune(self) -> None:
        """Removes answers that were not used for long, and what killed writers left."""
        oldest = time.time() - _KEPT_SECONDS
        for path in self._folder.glob("??/*"):
            try:
                age = path.stat().st_mtime
                if age < oldest or (path.suffix == ".tmp" and age < time.time() - 3600):
                    path.unlink()
            except FileNotFoundError:
                continue

    def _path(self, url: str, accept: str) -> Path:
        name = file_name(f"{accept} {url}")
        return self._folder / name[:2] / name


def _digest(values: Mapping[str, object], content: bytes) -> str:
    head = json.dumps([values["url"], values["accept"], values["status"], values["headers"]], sort_keys=True)
    return sha256(head.encode("ascii") + b"\n" + content).hexdigest()
