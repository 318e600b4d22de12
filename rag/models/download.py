"""One large file from the network: resumed, checked, and at its place only when it is whole. Knows no model.

What has come so far is kept in `NAME.part`, beside it `NAME.part.json` with the address, the entity tag, the size and
the checksum that it is a part of.
"""

import errno
import fcntl
import hashlib
import ipaddress
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import NoReturn

import httpx
from tqdm import tqdm

from rag.errors import LacertaError

LARGEST = 64 * 10**9
"""Bytes of a file whose size nobody stated."""
_ATTEMPTS = 5
_MOST_REDIRECTS = 5
_LONGEST_WAIT = 120.0
_WAIT_AND_RETRY = (408, 425, 429, 500, 502, 503, 504)
_BLOCK = 1 << 20
# Other programs need some room too, and a file system that is full to the brim gets slow.
_SPARE_BYTES = 64 << 20


class DownloadFailed(LacertaError):
    """A file could not be had; `status` is the server's answer where that is the reason, else 0."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class WrongChecksum(DownloadFailed):
    """The file is not the one that was asked for; `found` is its SHA-256."""

    def __init__(self, message: str, found: str) -> None:
        super().__init__(message)
        self.found = found


class _Retry(Exception):
    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


def download(
    url: str,
    target: Path,
    *,
    sha256: str = "",
    size: int = 0,
    largest: int = LARGEST,
    follow: bool = True,
    pause: float = 1.0,
    patience: float = 60.0,
) -> str:
    """Brings the file at `url` to `target`, continuing where an earlier call ended; its SHA-256.

    Nothing is fetched where `target` has the given `sha256` already. `size` is in bytes, 0 if not known; then at most
    `largest` are taken. `follow`: redirects are followed, to https alone. Between attempts it waits `pause` seconds,
    doubled each time; an attempt ends when nothing came for `patience` seconds.

    Raises DownloadFailed, with what to do: the partial file stays where it can be continued, and is removed where its
    content is wrong. A KeyboardInterrupt leaves it too.
    """
    _refuse_unsafe(url)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with (
            _exclusive(_part(target)) as file,
            tqdm(desc=target.name, unit="B", unit_scale=True, disable=None, miniters=1) as bar,
        ):
            if sha256 and target.is_file() and _sha256_of(target, bar) == sha256:
                _forget(target)
                return sha256
            return _Transfer(url, target, file, bar, sha256, size, largest, follow, pause, patience).run()
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DownloadFailed(
                f"{target}: the disk is full. What came so far is kept: make room and run again to continue."
            ) from error
        raise DownloadFailed(
            f"{target} cannot be written ({error.strerror or error}): see to the folder and run again."
        ) from error


class _Transfer:
    """One call of `download`; `file` is the partial file, locked, written at its end."""

    def __init__(
        self,
        url: str,
        target: Path,
        file: FileIO,
        bar: "tqdm[NoReturn]",
        sha256: str,
        size: int,
        largest: int,
        follow: bool,
        pause: float,
        patience: float,
    ) -> None:
        self._url, self._target, self._file, self._bar = url, target, file, bar
        self._sha256, self._size, self._largest, self._pause = sha256, size, largest, pause
        self._client = httpx.Client(
            headers={"User-Agent": "Lacerta/1.0", "Accept-Encoding": "identity"},
            timeout=httpx.Timeout(patience, connect=min(patience, 15.0)),
            follow_redirects=follow,
            max_redirects=_MOST_REDIRECTS,
            event_hooks={"request": [lambda request: _refuse_unsafe(str(request.url))]},
        )
        self._hash = hashlib.sha256()
        self._hashed = 0

    def run(self) -> str:
        furthest, failures, wait = 0, 0, self._pause
        with self._client:
            while True:
                try:
                    self._attempt()
                    return self._finish()
                except _Retry as problem:
                    position = self._position()
                    # A server that always begins anew and breaks off gets no further, so this ends.
                    if position > furthest:
                        furthest, failures, wait = position, 0, self._pause
                    failures += 1
                    if failures == _ATTEMPTS:
                        raise DownloadFailed(
                            f"{self._url}: {problem}, after {_ATTEMPTS} attempts. {position:,} bytes of it are here:"
                            " run again to continue, or check the connection."
                        ) from problem
                    self._bar.set_postfix_str(f"{problem}, trying again")
                    time.sleep(min(max(problem.wait, wait), _LONGEST_WAIT))
                    wait *= 2

    def _attempt(self) -> None:
        start, tag, size = self._continued()
        if start and start == (self._size or size):
            return
        headers = {"Range": f"bytes={start}-"} if start else {}
        if start and tag:
            headers["If-Range"] = tag
        try:
            with self._client.stream("GET", self._url, headers=headers) as response:
                if response.status_code == 416:
                    self._file.truncate(0)
                    raise _Retry("the server no longer has the rest")
                if response.status_code not in (200, 206):
                    self._fail(response)
                self._receive(response, start if response.status_code == 206 else 0)
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise _Retry(str(error) or type(error).__name__) from error
        except (httpx.RequestError, httpx.InvalidURL) as error:
            raise DownloadFailed(f"{self._url}: {error}. Correct the address.") from error

    def _fail(self, response: httpx.Response) -> None:
        status = response.status_code
        if status in _WAIT_AND_RETRY:
            asked = response.headers.get("retry-after", "")
            raise _Retry(f"status {status}", float(asked) if re.fullmatch(r"\d{1,6}", asked) else 0.0)
        raise DownloadFailed(
            f"{self._url}: status {status}. Check the address, and HF_ENDPOINT if you use a mirror.", status
        )

    def _receive(self, response: httpx.Response, start: int) -> None:
        begin, total = _extent(response)
        if begin != start:
            raise DownloadFailed(f"{self._url}: answered with bytes from {begin} instead of bytes {start}-.")
        if self._size and total and total != self._size:
            _forget(self._target)
            raise DownloadFailed(
                f"{self._url}: the server has {total:,} bytes, it should be {self._size:,}: it is another file."
                " Bring the program up to date, or choose another model or mirror."
            )
        expected = self._size or total
        limit = expected or self._largest
        self._refuse_too_large(max(expected, start), self._largest)
        self._refuse_without_room(expected - start)
        self._file.truncate(start)
        self._remember(response.headers.get("etag", ""), total)
        self._bar.total = expected or None
        self._hash_up_to(start)
        self._bar.set_postfix_str("")
        self._show(start)
        for piece in response.iter_raw():
            self._refuse_too_large(self._hashed + len(piece), limit)
            rest = memoryview(piece)
            while rest:
                rest = rest[self._file.write(rest) :]
            self._hash.update(piece)
            self._hashed += len(piece)
            self._bar.update(len(piece))
        if self._hashed < expected:
            raise _Retry(f"the connection ended after {self._hashed:,} of {expected:,} bytes")

    def _finish(self) -> str:
        self._hash_up_to(self._position())
        found = self._hash.hexdigest()
        if self._sha256 and found != self._sha256:
            _forget(self._target)
            raise WrongChecksum(
                f"{self._url}: SHA-256 should be {self._sha256}, is {found}: what came is removed. Run again; if it"
                " stays so, the file there is another one: bring the program up to date, or choose another model or"
                " mirror.",
                found,
            )
        os.fsync(self._file.fileno())
        _part(self._target).replace(self._target)
        _state(self._target).unlink(missing_ok=True)
        folder = os.open(self._target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return found

    def _continued(self) -> tuple[int, str, int]:
        """How many bytes of the partial file can be continued, their entity tag, and the size of the whole, or 0."""
        try:
            state = json.loads(_state(self._target).read_text(encoding="utf-8"))
            url, tag, size, sha256 = state["url"], str(state["etag"]), int(state["size"]), state["sha256"]
        except (OSError, ValueError, LookupError, TypeError):
            return 0, "", 0
        if url != self._url or not tag.startswith('"'):
            # Another address' tag, or a weak one, does not promise the same bytes.
            tag = ""
        # Without a tag the checksum tells in the end whether it was the same file.
        if sha256 != self._sha256 or not (tag or sha256):
            return 0, "", 0
        return self._position(), tag, size

    def _remember(self, tag: str, size: int) -> None:
        state = _state(self._target)
        text = json.dumps({"url": self._url, "etag": tag, "size": size, "sha256": self._sha256})
        new = state.with_suffix(".new")
        new.write_text(text + "\n", encoding="utf-8")
        new.replace(state)

    def _refuse_too_large(self, bytes: int, limit: int) -> None:
        if bytes > limit:
            _forget(self._target)
            raise DownloadFailed(f"{self._url}: larger than {limit:,} bytes, so it is another file. It was removed.")

    def _refuse_without_room(self, needed: int) -> None:
        free = shutil.disk_usage(self._target.parent).free
        if needed + _SPARE_BYTES > free:
            raise DownloadFailed(
                f"{self._target}: {needed:,} bytes more are needed, {free:,} are free there. Make room, or let"
                " LACERTA_VAR name a folder on another disk, and run again."
            )

    def _position(self) -> int:
        return os.fstat(self._file.fileno()).st_size

    def _hash_up_to(self, end: int) -> None:
        """Takes the first `end` bytes of the partial file into the checksum, if they are not there already."""
        if self._hashed == end:
            return
        self._hash, self._hashed = hashlib.sha256(), 0
        self._show(0)
        self._file.seek(0)
        while self._hashed < end:
            block = self._file.read(min(_BLOCK, end - self._hashed))
            if not block:
                raise OSError(errno.EIO, "the partial file got shorter while it was read")
            self._hash.update(block)
            self._hashed += len(block)
            self._bar.update(len(block))

    def _show(self, position: int) -> None:
        self._bar.n = self._bar.initial = position
        self._bar.refresh()


@contextmanager
def _exclusive(part: Path) -> Iterator[FileIO]:
    """The partial file, open and locked. The system gives the lock back when its holder ends, however it ends."""
    while True:
        with open(part, "a+b", buffering=0) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DownloadFailed(f"{part} is being fetched by another process: wait until that is done.") from None
            # Between opening and locking the other one may have finished, and given the file its final name.
            if part.exists() and os.path.samestat(os.fstat(file.fileno()), part.stat()):
                try:
                    yield file
                finally:
                    if not os.fstat(file.fileno()).st_size:
                        _forget(part.with_suffix(""))
                return


def _extent(response: httpx.Response) -> tuple[int, int]:
    """First byte and size of the whole file, 0 where it isn't told, as an answer 200 or 206 states them."""
    if response.status_code == 206:
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("content-range", ""))
        return (int(match[1]), 0 if match[2] == "*" else int(match[2])) if match else (-1, 0)
    length = response.headers.get("content-length", "")
    return 0, int(length) if length.isdigit() else 0


def _refuse_unsafe(url: str) -> None:
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise DownloadFailed(f"{url!r} is not an address ({error}): correct it.") from error
    if parts.scheme == "https" and parts.host or parts.scheme == "http" and _is_loopback(parts.host):
        return
    raise DownloadFailed(f"{url}: only https is fetched from. Correct the address, or HF_ENDPOINT if it is set.")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _sha256_of(path: Path, bar: "tqdm[NoReturn]") -> str:
    digest = hashlib.sha256()
    bar.total = path.stat().st_size
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            bar.update(len(block))
    return digest.hexdigest()


def _part(target: Path) -> Path:
    return target.with_name(target.name + ".part")


def _state(target: Path) -> Path:
    return target.with_name(target.name + ".part.json")


def _forget(target: Path) -> None:
    _part(target).unlink(missing_ok=True)
    _state(target).unlink(missing_ok=True)
