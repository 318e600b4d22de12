"""Files parsed in processes of their own, so that a parser that crashes or hangs costs one file only.

The other end is `ingest.parser`. Knows nothing of chunks or indexes.
"""

import contextlib
import json
import os
import queue
import select
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, Self

from ingest.blocks import Loaded
from ingest.limits import ANSWER_BYTES, BEATS, FILE_SECONDS
from ingest.loaders.errors import LoadError
from rag import child_process

# What `Workers` parse before it is asked for: files, and bytes of files or, where they are parsed, of their answers.
_AHEAD_FILES = 64
_AHEAD_BYTES = 64_000_000
_PIECE = 1 << 20


class Item(NamedTuple):
    """A file to parse: its path, the name to call it by, and passwords to try; a plain tuple does as well."""

    path: Path
    source: str
    passwords: Sequence[str] = ()


Outcome = tuple[Loaded, str] | LoadError
"""A file's document and the SHA-256 of what was read, or why there is none."""


class Worker:
    """Loads files in a child process, which is started at the first file and again after it died or was stopped.

    `seconds` is what a file may take. Threads take turns; `stop` may be called from any of them.
    """

    def __init__(self, seconds: float = FILE_SECONDS) -> None:
        self._seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._parsed = 0
        self._stops = 0
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def load(self, path: Path, source: str, passwords: Sequence[str] = ()) -> tuple[Loaded, str]:
        """The file's document and the SHA-256 of what was read. Raises LoadError with the reason if there is none."""
        document, digest, _ = self.load_sized(path, source, passwords)
        return document, digest

    def load_sized(self, path: Path, source: str, passwords: Sequence[str] = ()) -> tuple[Loaded, str, int]:
        """As `load`, with the bytes that the document took on its way."""
        request = {"path": str(path), "source": source, "passwords": list(passwords), "seconds": self._seconds}
        line = json.dumps(request).encode() + b"\n"
        with self._lock:
            stops = self._stops
            if self._process is not None and self._process.poll() is not None:
                self._end()
            used = self._parsed
            try:
                return self._ask(line)
            except _Died:
                # What an earlier file left behind, such as a heap that is full or damaged, is not this file's fault.
                if not used or stops != self._stops:
                    raise
            return self._ask(line)

    def stop(self) -> None:
        """Ends the child process at once; a file that another thread loads at that moment fails."""
        self._stops += 1
        process = self._process
        if process is not None:
            child_process.kill(process)
        with self._lock:
            self._end()

    def _ask(self, line: bytes) -> tuple[Loaded, str, int]:
        if self._process is None:
            # The cores are shared out among files already, and each thread would take address space.
            self._process = child_process.start("ingest.parser", child_process.ONE_THREAD)
            self._parsed = 0
        process = self._process
        assert process.stdin is not None
        try:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(line)
                process.stdin.flush()
            raw = self._receive(process)
            answer = json.loads(raw)
            if "error" in answer:
                if answer["tired"]:
                    raise _Died(answer["error"])
                raise LoadError(answer["error"])
            result = Loaded.from_json(answer["document"]), str(answer["sha256"]), len(raw)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            self._end()
            raise LoadError("the parser crashed on it with a strange answer: export the file again") from None
        except (_Stopped, _Died):
            self._end()
            raise
        except LoadError:
            self._parsed += 1
            raise
        except BaseException:
            # What was interrupted must not leave its answer to the next file.
            self._end()
            raise
        self._parsed += 1
        return result

    def _receive(self, process: subprocess.Popen[bytes]) -> bytearray:
        assert process.stdout is not None
        handle = process.stdout.fileno()
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        deadline = time.monotonic() + self._seconds
        answer, beats = bytearray(), 0
        while not answer.endswith(b"\n"):
            if len(answer) > ANSWER_BYTES:
                raise _Stopped(f"what it holds takes more than {ANSWER_BYTES / 1e6:.0f} MB: split it")
            left = deadline - time.monotonic()
            if left <= 0 or not poll.poll(left * 1000):
                raise _Stopped(f"reading it took more than {self._seconds:g} s and was stopped: split or simplify it")
            piece = os.read(handle, _PIECE)
            if not piece:
                raise self._death(process)
            if not answer and piece[:1] == b"\n":
                # Empty lines before the answer: parts of the file are done.
                beats += len(piece)
                piece = piece.lstrip(b"\n")
                beats -= len(piece)
                if beats <= BEATS:
                    deadline = time.monotonic() + self._seconds
            answer += piece
        return answer

    def _death(self, process: subprocess.Popen[bytes]) -> LoadError:
        child_process.kill(process)
        code = process.wait()
        if code == -signal.SIGXCPU:
            return _Stopped(f"reading it took more than {self._seconds:g} s and was stopped: split or simplify it")
        name = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        return _Died(f"the parser crashed on it or ran out of memory ({name}): export the file again or split it")

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            child_process.end(process)


class _Stopped(LoadError):
    """The child process must be ended, because it took too long or says too much."""


class _Died(LoadError):
    """The child process ended, or must be, for a reason that may lie in a file before this one."""


class Workers:
    """Several workers that parse files ahead, while those before them are used; results come in order.

    What is parsed ahead is bounded by number and size. A worker is started when there is a file for it.
    """

    def __init__(self, count: int = 2, seconds: float = FILE_SECONDS) -> None:
        self._workers = [Worker(seconds) for _ in range(count)]
        # Last in, first out: a few small files keep one worker busy and start no other.
        self._idle: queue.LifoQueue[Worker] = queue.LifoQueue()
        for worker in self._workers:
            self._idle.put(worker)
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="worker")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def load_all(self, items: Iterable[Item | tuple[Path, str, Sequence[str]]]) -> Iterator[tuple[Item, Outcome]]:
        """Each item with its outcome, in the order of `items`, which are taken as they are needed."""
        waiting: deque[tuple[Item, Future[tuple[Outcome, int]], int]] = deque()
        supply = map(Item._make, items)
        coming = next(supply, None)
        try:
            while coming or waiting:
                while coming and (not waiting or self._has_room(waiting)):
                    waiting.append((coming, self._threads.submit(self._load, coming), _size(coming.path)))
                    coming = next(supply, None)
                item, future, _ = waiting.popleft()
                yield item, future.result()[0]
        finally:
            for _, future, _ in waiting:
                future.cancel()

    @staticmethod
    def _has_room(waiting: Sequence[tuple[Item, Future[tuple[Outcome, int]], int]]) -> bool:
        held = sum(future.result()[1] if future.done() else size for _, future, size in waiting)
        return len(waiting) < _AHEAD_FILES and held < _AHEAD_BYTES

    def _load(self, item: Item) -> tuple[Outcome, int]:
        worker = self._idle.get()
        try:
            document, digest, size = worker.load_sized(*item)
            return (document, digest), size
        except LoadError as error:
            return error, 0
        finally:
            self._idle.put(worker)

    def stop(self) -> None:
        """Ends all child processes at once; they can't be used again."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for worker in self._workers:
            worker.stop()
        self._threads.shutdown()


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0
