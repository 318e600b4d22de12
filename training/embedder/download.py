"""Downloads from GitHub at pinned commits: resumed, checked, never unpacked to disk. Knows no format."""

import hashlib
import io
import json
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, urlsplit

from rag.models.download import DownloadFailed, WrongChecksum, download

HOSTS = frozenset({"codeload.github.com", "raw.githubusercontent.com"})
LARGEST_DOWNLOAD = 3 * 2**30
LARGEST_FILE = 64 * 2**20
"""Bytes. The second is for one file after unpacking."""


class FetchError(Exception):
    """A source could not be had as it is pinned; the message says what to do."""


class Downloads:
    """Files below `folder/downloads`, their checksums in `folder/fetched.json`.

    server: an address that stands in front of every path instead of the host, for tests
    """

    def __init__(self, folder: Path, server: str = "", limit: int = LARGEST_DOWNLOAD, pause: float = 2.0) -> None:
        self._folder = folder / "downloads"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock = folder / "fetched.json"
        self._server, self._limit, self._pause = server, limit, pause

    def recorded(self) -> dict[str, dict[str, Any]]:
        return json.loads(self._lock.read_text(encoding="utf-8")) if self._lock.exists() else {}

    def record(self, url: str, **facts: Any) -> None:
        known = self.recorded()
        known[url] = known.get(url, {}) | facts
        part = self._lock.with_suffix(".part")
        part.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        part.replace(self._lock)

    def get(self, url: str) -> Path:
        """The file at the address, from the disk if it is there. Raises `FetchError`."""
        parts = urlsplit(url)
        if parts.scheme != "https" or parts.hostname not in HOSTS or parts.netloc != parts.hostname:
            raise FetchError(f"{url}: should be https on {' or '.join(sorted(HOSTS))}")
        target = self._folder / re.sub(r"[^\w.-]", "_", f"{parts.hostname}{parts.path}")
        expected = self.recorded().get(url, {}).get("sha256")
        if target.exists() and expected == _sha256(target):
            return target
        target.unlink(missing_ok=True)
        address = f"{self._server}/{parts.hostname}{parts.path}" if self._server else url
        try:
            found = download(
                address, target, sha256=expected or "", largest=self._limit, follow=False, pause=self._pause
            )
        except WrongChecksum as error:
            raise FetchError(
                f"{url}: SHA-256 should be {expected}, is now {error.found}: if the change is expected, remove the"
                f" entry from {self._lock} and run again"
            ) from error
        except DownloadFailed as error:
            hint = "; put the full commit into sources.tsv" if error.status == 404 else ""
            raise FetchError(f"{error}{hint}") from error
        self.record(url, sha256=found, bytes=target.stat().st_size)
        return target


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def repository_files(
    downloads: Downloads, repository: str, commit: str, paths: Sequence[str], wanted: Callable[[str], bool]
) -> Iterator[tuple[str, bytes]]:
    """Path and content of the files of a repository at a commit. Raises `FetchError`.

    paths: the files, fetched one by one, of a .zip the texts in it; none to read the whole archive for those that
    are `wanted`
    """
    if not paths:
        yield from _archive_files(downloads, repository, commit, wanted)
    for path in paths:
        url = f"https://raw.githubusercontent.com/{repository}/{commit}/{quote(path)}"
        data = downloads.get(url).read_bytes()
        if not path.endswith(".zip"):
            yield path, data
            continue
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                for info in archive.infolist():
                    if info.filename.endswith(".txt") and "README" not in info.filename:
                        _bounded(url, info.filename, info.file_size)
                        yield path, archive.read(info)
        except (zipfile.BadZipFile, zlib.error) as error:
            raise FetchError(f"{url}: not a whole archive ({error})") from error


def _archive_files(
    downloads: Downloads, repository: str, commit: str, wanted: Callable[[str], bool]
) -> Iterator[tuple[str, bytes]]:
    url = f"https://codeload.github.com/{repository}/tar.gz/{commit}"
    path = downloads.get(url)
    try:
        with tarfile.open(path, "r|gz") as archive:
            full = ""
            for member in archive:
                full = full or archive.pax_headers.get("comment", "")
                if not full.startswith(commit):
                    raise FetchError(f"{url}: is of commit {full or 'unknown'}, not of {commit}: remove {path}")
                parts = PurePosixPath(member.name).parts
                if ".." in parts or member.name.startswith("/"):
                    raise FetchError(f"{url}: names a path outside itself: {member.name}")
                inner = "/".join(parts[1:])
                content = archive.extractfile(member) if member.isfile() and wanted(inner) else None
                if content:
                    _bounded(url, inner, member.size)
                    yield inner, content.read()
        downloads.record(url, commit=full)
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise FetchError(f"{url}: not a whole archive ({error}): remove {path} and run again") from error


def _bounded(url: str, name: str, size: int) -> None:
    if size > LARGEST_FILE:
        raise FetchError(f"{url}: {name} should be at most {LARGEST_FILE:,} bytes, is {size:,}")
