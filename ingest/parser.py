"""The process that parses files: reads a JSON line a file from standard input and answers each with one.

Started by `ingest.worker` and expected to die: it limits its own memory and processor time before it looks at a file.
Knows nothing of chunks or indexes.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import resource
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ingest.limits import ANSWER_BYTES, MEMORY_BYTES, PAGES, TEXT_CHARACTERS
from ingest.loaders import LoadError, load
from ingest.pulse import listen
from ingest.sources import open_file, shown, unreadable

_REASON_CHARACTERS = 400


def main() -> None:
    """Answers requests until standard input ends, which it does when the ingest ends, however it ended."""
    _limit(resource.RLIMIT_AS, MEMORY_BYTES)
    _limit(resource.RLIMIT_CORE, 0)
    # Parsers that print or read must not disturb requests and answers.
    requests, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    fcntl.fcntl(requests, fcntl.F_SETOWN, os.getpid())
    with os.fdopen(requests, "rb") as lines, os.fdopen(answers, "wb") as target:
        seconds = 0.0

        def begin_anew() -> None:
            used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
            _limit(resource.RLIMIT_CPU, int(used + seconds) + 2)

        def beat() -> None:
            begin_anew()
            target.write(b"\n")
            target.flush()

        listen(beat)
        for line in lines:
            request = json.loads(line)
            seconds = request["seconds"]
            begin_anew()
            _end_with_ingest(requests, True)
            answer = _answered(Path(request["path"]), request["source"], request["passwords"])
            _end_with_ingest(requests, False)
            target.write(answer)
            target.flush()


def _limit(what: int, most: int) -> None:
    # macOS knows no limit on address space; a lower limit may have been set from outside. The hard limit stays, because
    # the limit on processor time is raised at each file.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(what, (most, resource.getrlimit(what)[1]))


def _end_with_ingest(requests: int, on: bool) -> None:
    """While a file is parsed nobody reads `requests`: the kernel says with SIGIO that its other end was closed.

    By default that signal ends a process on Linux, even one that is deep in a C library, and does nothing on macOS.
    A signal at the death of the parent (PR_SET_PDEATHSIG) would come when the thread ends that started this process.
    """
    flags = fcntl.fcntl(requests, fcntl.F_GETFL)
    fcntl.fcntl(requests, fcntl.F_SETFL, flags | os.O_ASYNC if on else flags & ~os.O_ASYNC)


def _answered(path: Path, source: str, passwords: Sequence[str]) -> bytes:
    try:
        answer = json.dumps(_document(path, source, passwords)).encode() + b"\n"
        if len(answer) > ANSWER_BYTES:
            raise LoadError(f"what it holds takes more than {ANSWER_BYTES / 1e6:.0f} MB: split it")
        return answer
    except LoadError as error:
        reason, tired = str(error), False
    except OSError as error:
        reason, tired = unreadable(error), False
    except MemoryError:
        reason, tired = f"reading it takes more than {MEMORY_BYTES / 1e9:.0f} GB of memory: split it", True
    except RecursionError:
        reason, tired = "it is nested too deeply: export it again in a simpler form", False
    except Exception as error:
        # Whatever a parser makes of a strange file is that file's failure, not the run's.
        reason, tired = f"it is not understood ({type(error).__name__}: {error}): export it again", False
    # Reasons quote what is in the file.
    return json.dumps({"error": shown(reason[:_REASON_CHARACTERS]), "tired": tired}).encode() + b"\n"


def _document(path: Path, source: str, passwords: Sequence[str]) -> dict[str, Any]:
    content = _read(path)
    document = load(content, source, tuple(passwords))
    if len(document.pages) > PAGES:
        raise LoadError(f"it has {len(document.pages):,} pages, at most {PAGES:,} are read: split it")
    if sum(len(block.text) for page in document.pages for block in page) > TEXT_CHARACTERS:
        raise LoadError(f"its text has more than {TEXT_CHARACTERS / 1e6:.0f} million characters: split it")
    return {"document": document.to_json(), "sha256": hashlib.sha256(content).hexdigest()}


def _read(path: Path) -> bytes:
    with open_file(path) as stream:
        before = os.fstat(stream.fileno())
        # A byte more than there are shows a file that grows, and a file that never ends is not read to its end.
        content = stream.read(before.st_size + 1)
        after = os.fstat(stream.fileno())
    if (len(content), before.st_mtime_ns, before.st_size) != (before.st_size, after.st_mtime_ns, after.st_size):
        raise LoadError("it changed while it was read: run the ingest again")
    return content


if __name__ == "__main__":
    # An ingest that was stopped says so itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    main()
