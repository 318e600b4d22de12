"""The process that opens PDF files to be shown: reads a JSON line a request, answers with a line and a picture's bytes.

Started by `web.sources.process` and expected to die: files are hostile, so it limits its own memory and processor time
before it looks at one.
"""

import contextlib
import hashlib
import io
import json
import math
import os
import resource
import signal
import sys
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest.sources import open_file
from web.sources.limits import LONGEST, MEMORY_BYTES, OPEN_BYTES, OPEN_FILES, PIXELS, QUALITY, TIRED_BYTES

if TYPE_CHECKING:
    from PIL.Image import Image


class Unreadable(Exception):
    """The file or the page can't be shown; the message is a code of `web.sources.process.PageFailed`."""


class Painter:
    """Keeps the last files open, by the SHA-256 of their content."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, tuple[Any, int]] = OrderedDict()

    def answer(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """What was asked for, and the bytes of a picture where that is one. Raises Unreadable."""
        import pypdfium2

        document = self._document(request)
        number = request["page"]
        if not 1 <= number <= len(document):
            raise Unreadable("unreadable_page")
        try:
            page = document[number - 1]
        except pypdfium2.PdfiumError as error:
            raise Unreadable("unreadable_page") from error
        try:
            width, height = page.get_size()
            if not (math.isfinite(width) and math.isfinite(height) and width > 0 and height > 0):
                raise Unreadable("unreadable_page")
            if "pixels" in request:
                return {}, _picture(page, width, height, request["pixels"])
            found: list[list[float]] = []
            if request["spans"]:
                from web.sources.marks import marks

                found = marks(page, request["text"], [(start, end) for start, end in request["spans"]])
            return {"width": round(width, 2), "height": round(height, 2), "marks": found}, b""
        finally:
            page.close()

    def _document(self, request: dict[str, Any]) -> Any:
        digest = request["sha256"]
        if digest not in self._open:
            with open_file(Path(request["path"])) as stream:
                content = stream.read()
            if hashlib.sha256(content).hexdigest() != digest:
                raise Unreadable("source_changed")
            self._open[digest] = _opened(content, request["passwords"]), len(content)
        self._open.move_to_end(digest)
        while len(self._open) > 1 and (
            len(self._open) > OPEN_FILES or sum(size for _, size in self._open.values()) > OPEN_BYTES
        ):
            self._open.popitem(last=False)[1][0].close()
        return self._open[digest][0]


def _opened(content: bytes, passwords: list[str]) -> Any:
    import pypdfium2

    for password in (None, *passwords):
        with contextlib.suppress(pypdfium2.PdfiumError):
            return pypdfium2.PdfDocument(content, password=password)
    raise Unreadable("unreadable_page")


def _picture(page: Any, width: float, height: float, pixels: int) -> bytes:
    """The page as WebP, so many pixels wide, fewer where it would be too large."""
    scale = min(pixels / width, LONGEST / width, LONGEST / height, math.sqrt(PIXELS / (width * height)))
    # PDFium rounds up, and so a little above a whole number too.
    return _encoded(page.render(scale=scale * (1 - 1e-6)).to_pil().convert("RGB"))


def _encoded(picture: "Image") -> bytes:
    target = io.BytesIO()
    # The slower methods make it hardly smaller.
    picture.save(target, "WEBP", quality=QUALITY, method=0)
    return target.getvalue()


def main() -> None:
    """Answers requests until standard input ends, which it does when the server ends, however it ended."""
    _limit(resource.RLIMIT_AS, MEMORY_BYTES)
    _limit(resource.RLIMIT_CORE, 0)
    requests, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    # What a library prints must not disturb requests and answers.
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    painter = Painter()
    with os.fdopen(requests, "rb") as lines, os.fdopen(answers, "wb") as target:
        for line in lines:
            request = json.loads(line)
            used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
            _limit(resource.RLIMIT_CPU, int(used + request["seconds"]) + 2)
            answer, content, tired = _answered(painter, request)
            target.write(json.dumps({**answer, "bytes": len(content)}).encode() + b"\n" + content)
            target.flush()
            if tired or _used_bytes() > TIRED_BYTES:
                # What a large file leaves behind serves nobody else.
                sys.exit(1)


def _answered(painter: Painter, request: dict[str, Any]) -> tuple[dict[str, Any], bytes, bool]:
    try:
        return *painter.answer(request), False
    except Unreadable as error:
        return {"error": str(error)}, b"", False
    except OSError:
        return {"error": "source_gone"}, b"", False
    except MemoryError:
        return {"error": "unreadable_page"}, b"", True
    # Whatever a library makes of a strange page is that page's failure.
    except Exception:
        return {"error": "unreadable_page"}, b"", False


def _used_bytes() -> int:
    """The most memory that was in use so far, by this program: the system's own count begins with that of the program
    that started it, which may have far more.
    """
    # https://man7.org/linux/man-pages/man5/proc_pid_status.5.html, in kB.
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    # macOS counts bytes, and begins anew with each program.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _warm_up() -> None:
    """All of it is loaded before the first page is asked for."""
    import pypdfium2

    import web.sources.marks  # noqa: F401

    document = pypdfium2.PdfDocument.new()
    _picture(document.new_page(10, 10), 10, 10, 10)
    document.close()


def _limit(what: int, most: int) -> None:
    # macOS knows no limit on address space; a lower limit may have been set from outside.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(what, (most, resource.getrlimit(what)[1]))


if __name__ == "__main__":
    # A server that was stopped says so itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _warm_up()
    main()
