"""The bytes of an answer: parts of it joined after a cut, its packing opened within a limit. Knows no connections."""

import zlib
from collections.abc import Mapping

from ingest.connectors.errors import FetchError

_MOST_MEMBERS = 100


class Partial:
    """What of a document has come so far, in the packed form in which it was sent."""

    def __init__(self) -> None:
        self.content = bytearray()
        self.encoding = ""
        self._tag = ""

    def begin(self, headers: Mapping[str, str]) -> None:
        """An answer begins with these headers: what came before is not part of it."""
        self.content.clear()
        self.encoding = headers.get("content-encoding", "").strip().lower()
        tag = headers.get("etag", "")
        # Only a strong tag says that the bytes are the same (RFC 9110, 13.1.5).
        resumable = tag.startswith('"') and headers.get("accept-ranges", "").lower() == "bytes"
        self._tag = tag if resumable else ""

    def range_headers(self) -> dict[str, str]:
        """What to ask for the rest with; empty where the server does not promise to go on with the same bytes."""
        if not self.content or not self._tag:
            return {}
        return {"Range": f"bytes={len(self.content)}-", "If-Range": self._tag}

    def goes_on(self, headers: Mapping[str, str]) -> bool:
        """Whether an answer with these headers is the rest that was asked for."""
        start = headers.get("content-range", "").removeprefix("bytes ").split("-")[0].strip()
        same = headers.get("etag", self._tag) == self._tag
        return bool(self.content) and same and start == str(len(self.content))


def unpacked(url: str, content: bytes, encoding: str, largest: int) -> bytes:
    """The content without its packing. Raises FetchError where it is damaged, or has more than `largest` bytes."""
    if encoding in ("", "identity"):
        return content
    if encoding not in ("gzip", "x-gzip"):
        raise FetchError(url, f"is sent packed as {encoding}, which was not asked for: nothing can be done here.")
    opened = bytearray()
    for _ in range(_MOST_MEMBERS):
        unpacker = zlib.decompressobj(wbits=31)
        try:
            opened += unpacker.decompress(content, largest + 1 - len(opened))
        except zlib.error as error:
            raise FetchError(url, f"its gzip packing is damaged ({error}): run again later.") from error
        if len(opened) > largest:
            raise too_large(url, largest)
        if not unpacker.eof:
            raise FetchError(url, "its gzip packing ends too early: run again later.")
        content = unpacker.unused_data
        # A gzip file may have several members; what follows them otherwise is padding.
        if not content.startswith(b"\x1f\x8b"):
            return bytes(opened)
    raise FetchError(url, f"its gzip packing has more than {_MOST_MEMBERS} members: download it by hand.")


def too_large(url: str, largest: int) -> FetchError:
    return FetchError(url, f"has more than {largest} bytes: raise the limit, or download it by hand.")
