"""Files parsed in a process of their own, so that a parser that crashes or hangs costs one file only.

`python -m ingest.worker` reads a JSON line a file from standard input and answers each with one. Knows nothing of
chunks or indexes.
"""

import contextlib
import hashlib
import json
import os
import queue
import resource
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Self

from ingest.blocks import Loaded
from ingest.loaders.errors import LoadError
from rag.settings import ROOT

FILE_BYTES = 300_000_000
FILE_SECONDS = 120.0
_MEMORY_BYTES = 3_000_000_000


class Worker:
    """Loads files in a child process, which is started at the first file and again after it died or was stopped."""

    def __init__(self, seconds: float = FILE_SECONDS) -> None:
        self._seconds = seconds
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.Queue[str | None] = queue.Queue()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def load(self, path: Path, source: str) -> tuple[Loaded, str]:
        """The file's document and the SHA-256 of what was read. Raises LoadError with the reason if there is none."""
        if self._process is None or self._process.poll() is not None:
            self._start()
        assert self._process is not None and self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"path": str(path), "source": source}) + "\n")
            self._process.stdin.flush()
            line = self._lines.get(timeout=self._seconds)
        except queue.Empty:
            self.stop()
            raise LoadError(
                f"reading it took more than {self._seconds:g} s and was stopped: split or simplify it"
            ) from None
        except OSError:
            line = None
        if line is None:
            self.stop()
            raise LoadError("the parser crashed on it or ran out of memory: export the file again or split it")
        answer = json.loads(line)
        if "error" in answer:
            raise LoadError(answer["error"])
        return Loaded.from_json(answer["document"]), answer["sha256"]

    def _start(self) -> None:
        self.stop()
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ingest.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            env={**os.environ, "PYTHONPATH": path},
            # Ctrl-C goes to the ingest, which then stops the worker.
            start_new_session=True,
        )
        self._lines = queue.Queue()
        threading.Thread(target=_forward, args=(self._process.stdout, self._lines), daemon=True).start()

    def stop(self) -> None:
        """Ends the child process at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    # A request that was not read any more.
                    with contextlib.suppress(BrokenPipeError):
                        stream.close()
            self._process = None


def _forward(lines: Any, to: "queue.Queue[str | None]") -> None:
    # ValueError: the stream was closed while it was read, because the worker was stopped.
    with contextlib.suppress(ValueError):
        for line in lines:
            to.put(line)
    to.put(None)


def _answer(path: Path, source: str) -> dict[str, Any]:
    from ingest.loaders import load

    try:
        size = path.stat().st_size
        if size > FILE_BYTES:
            return {"error": f"it has {size / 1e6:.0f} MB, at most {FILE_BYTES / 1e6:.0f} are read: split it"}
        content = path.read_bytes()
        document = load(content, source)
    except LoadError as error:
        return {"error": str(error)}
    except OSError as error:
        return {"error": f"it cannot be read ({error.strerror}): check its permissions"}
    except MemoryError:
        return {"error": "reading it needs too much memory: split it"}
    except Exception as error:
        # Whatever a parser makes of a strange file is that file's failure, not the run's.
        return {"error": f"it is not understood ({type(error).__name__}: {error}): export it again"}
    return {"document": document.to_json(), "sha256": hashlib.sha256(content).hexdigest()}


def main() -> None:
    for limit, value in ((resource.RLIMIT_AS, _MEMORY_BYTES), (resource.RLIMIT_CORE, 0)):
        # macOS knows no limit on address space; a lower limit may have been set from outside.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(limit, (value, value))
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # Parsers that print must not disturb the answers.
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        answers.write(json.dumps(_answer(Path(request["path"]), request["source"])) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
