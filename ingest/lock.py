"""One ingest of a domain at a time. Knows nothing of what is done under the lock."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rag.errors import LacertaError


class Locked(LacertaError):
    """Another process holds the lock."""


@contextmanager
def locked(path: Path, domain: str) -> Iterator[None]:
    """Holds the lock file while the block runs. Raises Locked, naming the holder's process id, if it is taken.

    The system gives the lock back when its holder ends, however it ends.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise Locked(
                f'"{domain}" is being ingested by process {holder}:'
                f" wait until it is done, or stop it with kill {holder}."
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)
