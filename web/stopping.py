"""The end of the program: answers that are being written end first, new requests are told to come back.

Knows nothing of what an answer is.
"""

import asyncio
import logging
import signal
import threading
import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

import uvicorn
from starlette.responses import JSONResponse, Response

# Between two answers of one queue there is a moment without any.
_SETTLE_SECONDS = 0.3
_LOOK_SECONDS = 0.05
_RETRY_SECONDS = 5
# What watches the program, and what an answer that was asked for before still comes through.
_OPEN_PATHS = ("/healthz", "/readyz", "/metrics")
_OPEN_ENDS = ("/gradio_api/queue/data", "/gradio_api/cancel")


class Flow:
    """The answers in progress, and whether they may go on. Thread-safe.

    `stopping` is set when no new request is taken any more, `cut` when the answers must end with what there is.
    """

    def __init__(self, seconds: float) -> None:
        self.stopping = threading.Event()
        self.cut = threading.Event()
        self._seconds = seconds
        self._lock = threading.Lock()
        self._active = 0

    @property
    def active(self) -> int:
        """Answers being written."""
        return self._active

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Counts one answer as long as the block runs."""
        with self._lock:
            self._active += 1
        try:
            yield
        finally:
            with self._lock:
                self._active -= 1

    def drain(self) -> bool:
        """Takes no more requests and waits for the answers, up to the limit; whether all ended by themselves."""
        self.stopping.set()
        latest = time.monotonic() + self._seconds
        quiet = time.monotonic()
        while time.monotonic() < latest:
            if self._active:
                quiet = time.monotonic()
            elif time.monotonic() - quiet >= _SETTLE_SECONDS:
                return True
            time.sleep(_LOOK_SECONDS)
        self.cut.set()
        return not self._active

    def refusal(self, scope: MutableMapping[str, Any]) -> Response | None:
        """The answer to a request that comes too late, in the shape of OpenAI's errors; None where it may pass."""
        path = scope["path"]
        if not self.stopping.is_set() or path in _OPEN_PATHS or path.endswith(_OPEN_ENDS):
            return None
        message = "The server is being restarted. Ask again in a few seconds."
        error = {"message": message, "type": "server_error", "param": None, "code": "stopping"}
        # Whoever comes back on a new connection reaches the next process.
        headers = {"Retry-After": str(_RETRY_SECONDS), "Connection": "close"}
        return JSONResponse({"error": error}, status_code=503, headers=headers)


class GracefulServer(uvicorn.Server):
    """Ends as `Flow` says at the first SIGTERM or SIGINT, at once at the second."""

    def __init__(self, config: uvicorn.Config, flow: Flow) -> None:
        super().__init__(config)
        self._flow = flow

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # The signal is not raised again at the end: what follows the server has to run.
        if self._flow.stopping.is_set():
            self._flow.cut.set()
            self.should_exit = True
            self.force_exit = sig == signal.SIGINT
        else:
            self.stop()

    def stop(self) -> None:
        """As the first signal does; no more where it was told already."""
        if not self._flow.stopping.is_set():
            self._flow.stopping.set()
            threading.Thread(target=self._stop, name="stopping", daemon=True).start()

    def _stop(self) -> None:
        self._flow.drain()
        logging.getLogger("uvicorn.error").addFilter(_is_news)
        self.should_exit = True


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a line of the server's end is worth one: that open pages were cut off is not, with all its traces."""
    cut = record.exc_info is not None and isinstance(record.exc_info[1], asyncio.CancelledError)
    return not cut and "graceful shutdown exceeded" not in record.getMessage()
