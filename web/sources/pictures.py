"""Pages of PDF files as pictures and the marks on them, made in a child process one at a time, and kept for a while."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from web.entrance import Refused
from web.sources.limits import CACHE_BYTES, WAIT_SECONDS, WAITING
from web.sources.process import PageFailed, Process
from web.work import Pool

_SMALL = 200


@dataclass(frozen=True, slots=True)
class PdfFile:
    """A file whose content was found to have that SHA-256."""

    path: Path
    sha256: str
    passwords: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Laid:
    """A page as it is shown: its size in points, and `[left, top, width, height]` of marks as fractions of it."""

    width: float
    height: float
    marks: list[list[float]]


class Pictures:
    """Of all files together, one page is opened at a time. Methods raise PageFailed, or Refused where too many wait."""

    def __init__(self, process: Process | None = None, most_bytes: int = CACHE_BYTES) -> None:
        self._process = process or Process()
        self._pool = Pool(1, "pictures")
        self._cache = _Cache(most_bytes)
        self._waiting = 0

    async def warm_up(self) -> None:
        """Starts the process, as far as nobody waits for it."""
        await self._pool.run(self._process.start)

    async def lay(self, file: PdfFile, page: int, text: str, spans: Sequence[tuple[int, int]]) -> Laid:
        """The size of a page (from 1), with the parts of `text`, which was read of it, marked."""
        request = _request(file, page) | {"text": text, "spans": list(spans)}
        answer, _ = await self._run(lambda: self._asked(file, page, request))
        return Laid(answer["width"], answer["height"], answer["marks"])

    async def picture(self, file: PdfFile, page: int, width: int) -> bytes:
        """The page (from 1) as WebP."""
        known = self._cache.get((file.sha256, page, width))
        return known if known is not None else await self._run(lambda: self._made(file, page, width))

    def close(self) -> None:
        self._process.close()

    def _made(self, file: PdfFile, page: int, width: int) -> bytes:
        # Another visitor may have asked for it meanwhile.
        known = self._cache.get((file.sha256, page, width))
        if known is None:
            _, known = self._asked(file, page, _request(file, page) | {"pixels": width})
            self._cache.put((file.sha256, page, width), known)
        return known

    def _asked(self, file: PdfFile, page: int, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        bad = (file.sha256, page, 0)
        self._cache.get(bad)
        try:
            return self._process.ask(request)
        except PageFailed as failure:
            if failure.code == "unreadable_page":
                # A page that takes all of its time takes it once.
                self._cache.put(bad, failure)
            raise

    async def _run(self, work: Callable[[], Any]) -> Any:
        latest = time.monotonic() + WAIT_SECONDS

        def begun() -> Any:
            if time.monotonic() > latest:
                raise _busy()
            return work()

        if self._waiting >= WAITING:
            raise _busy()
        # Counted on the event loop alone.
        self._waiting += 1
        try:
            return await self._pool.run(begun)
        finally:
            self._waiting -= 1


def _busy() -> Refused:
    return Refused("overloaded", "Too many pages are being drawn. Ask again in a few seconds.", 5)


class _Cache:
    """Pictures, and failures in place of them, that were asked for last. Thread-safe."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._kept: OrderedDict[tuple[str, int, int], bytes | PageFailed] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: tuple[str, int, int]) -> bytes | None:
        """None where it is not kept. Raises PageFailed where that is what is kept."""
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
        if isinstance(found, PageFailed):
            raise PageFailed(found.code)
        return found

    def put(self, key: tuple[str, int, int], value: bytes | PageFailed) -> None:
        with self._lock:
            self._bytes += _size(value) - _size(self._kept.pop(key, None))
            self._kept[key] = value
            while self._bytes > self._most:
                self._bytes -= _size(self._kept.popitem(last=False)[1])


def _size(value: bytes | PageFailed | None) -> int:
    return 0 if value is None else _SMALL + (len(value) if isinstance(value, bytes) else 0)


def _request(file: PdfFile, page: int) -> dict[str, Any]:
    return {"path": str(file.path), "sha256": file.sha256, "passwords": list(file.passwords), "page": page}
