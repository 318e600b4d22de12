"""Downloads from GitHub at pinned commits: resumed, checked, never unpacked to disk. Knows no format."""

import hashlib
import io
import json
import re
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

HOSTS = frozenset({"codeload.github.com", "raw.githubusercontent.com"})
LARGEST_DOWNLOAD = 3 * 2**30
LARGEST_FILE = 64 * 2**20
"""Bytes. The second is for one file after unpacking."""
_ATTEMPTS = 5
_USER_AGENT = "lacerta-training-data/1 (fetches pinned commits once; respects Retry-After)"


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
        self._client = httpx.Client(headers={"User-Agent": _USER_AGENT, "Accept-Encoding": "identity"}, timeout=60)

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
        part = target.with_name(target.name + ".part")
        self._download(f"{self._server}/{parts.hostname}{parts.path}" if self._server else url, part)
        found = _sha256(part)
        if expected and found != expected:
            part.unlink()
            raise FetchError(
                f"{url}: SHA-256 should be {expected}, is now {found}: if the change is expected, remove the entry from"
                f" {self._lock} and run again"
            )
        part.replace(target)
        self.record(url, sha256=found, bytes=target.stat().st_size)
        return target

    def _download(self, address: str, part: Path) -> None:
        """Continues where an attempt ended, if the server says that it is still the same file."""
        stamp = part.with_name(part.name + ".etag")
        wait = self._pause
        for attempt in range(1, _ATTEMPTS + 1):
            etag = stamp.read_text() if stamp.exists() and part.exists() else ""
            start = part.stat().st_size if etag else 0
            headers = {"Range": f"bytes={start}-", "If-Range": etag} if start else {}
            try:
                with self._client.stream("GET", address, headers=headers) as response:
                    if response.status_code == 416:
                        stamp.unlink(missing_ok=True)
                    elif response.status_code in (200, 206):
                        continues = response.headers.get("content-range", "").startswith(f"bytes {start}-")
                        if response.status_code == 206 and not continues:
                            raise FetchError(f"{address}: answered with another range than bytes {start}-")
                        self._write(response, part, stamp, start if response.status_code == 206 else 0)
                        stamp.unlink(missing_ok=True)
                        return
                    elif response.status_code == 429 or response.status_code >= 500:
                        asked = response.headers.get("retry-after", "")
                        wait = max(wait, min(float(asked), 120.0) if asked.isdigit() else 0.0)
                    else:
                        hint = "; put the full commit into sources.tsv" if response.status_code == 404 else ""
                        raise FetchError(f"{address}: status {response.status_code}{hint}")
                    problem = f"status {response.status_code}"
            except httpx.TransportError as error:
                problem = str(error) or type(error).__name__
            if attempt < _ATTEMPTS:
                time.sleep(wait)
                wait *= 2
        raise FetchError(f"{address}: {problem}, after {_ATTEMPTS} attempts: run again to continue")

    def _write(self, response: httpx.Response, part: Path, stamp: Path, start: int) -> None:
        etag = response.headers.get("etag", "")
        # A weak tag does not promise the same bytes.
        if etag and not etag.startswith("W/"):
            stamp.write_text(etag)
        else:
            stamp.unlink(missing_ok=True)
        with part.open("r+b" if start else "wb") as file:
            file.seek(start)
            for piece in response.iter_raw():
                if file.tell() + len(piece) > self._limit:
                    part.unlink()
                    stamp.unlink(missing_ok=True)
                    raise FetchError(f"{response.url}: larger than {self._limit:,} bytes")
                file.write(piece)


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
