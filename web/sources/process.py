"""The child process that opens PDF files to be shown, seen from its parent: started, asked, ended.

The other end is `web.sources.painter`. Knows nothing of documents or requests.
"""

import json
import subprocess
import threading
from collections.abc import Mapping
from typing import Any

from rag import child_process
from web.sources.limits import PAGE_SECONDS, PICTURE_BYTES

_LINE_BYTES = 1_000_000


class PageFailed(Exception):
    """A page can't be shown; `code` is `source_gone`, `source_changed` or `unreadable_page`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class _Died(Exception):
    """The process ended in the midst of its work."""


class Process:
    """One child, started at the first request and again after it died. Threads take turns.

    `seconds` is what a page may take.
    """

    def __init__(self, seconds: float = PAGE_SECONDS) -> None:
        self._seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._answered = 0
        self._lock = threading.Lock()

    @property
    def process_id(self) -> int | None:
        """That of the child, None where there is none."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Starts the child, so that the first page does not wait for that; does nothing where it runs."""
        with self._lock:
            self._running()

    def ask(self, request: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
        """The answer and the bytes that come with it. Raises PageFailed."""
        line = json.dumps({**request, "seconds": self._seconds}).encode() + b"\n"
        with self._lock:
            process, used = self._running(), self._answered
            try:
                return self._asked(process, line)
            except _Died as error:
                # What an earlier file left behind, such as a damaged heap, is not this page's fault.
                if not used:
                    raise PageFailed("unreadable_page") from error
            try:
                return self._asked(self._running(), line)
            except _Died as error:
                raise PageFailed("unreadable_page") from error

    def close(self) -> None:
        """Ends the child at once."""
        process = self._process
        if process is not None:
            child_process.kill(process)
        with self._lock:
            self._end()

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is not None and self._process.poll() is not None:
            self._end()
        if self._process is None:
            self._process = child_process.start("web.sources.painter", child_process.ONE_THREAD)
            self._answered = 0
        return self._process

    def _asked(self, process: "subprocess.Popen[bytes]", line: bytes) -> tuple[dict[str, Any], bytes]:
        assert process.stdin is not None and process.stdout is not None
        late = threading.Event()

        def end() -> None:
            late.set()
            child_process.kill(process)

        timer = threading.Timer(self._seconds + 1, end)
        timer.daemon = True
        timer.start()
        try:
            process.stdin.write(line)
            process.stdin.flush()
            answer = json.loads(process.stdout.readline(_LINE_BYTES))
            size = answer.pop("bytes")
            if not 0 <= size <= PICTURE_BYTES:
                raise ValueError(size)
            content = process.stdout.read(size)
            if len(content) < size:
                raise ValueError(len(content))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            self._end()
            if late.is_set():
                raise PageFailed("unreadable_page") from error
            raise _Died from error
        except BaseException:
            # What was interrupted must not leave its answer to the next page.
            self._end()
            raise
        finally:
            timer.cancel()
        self._answered += 1
        if "error" in answer:
            raise PageFailed(str(answer["error"]))
        return answer, content

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            child_process.end(process)
