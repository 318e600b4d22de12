"""The files of visitors' own documents on the disk: names, locks, and why one is not taken in."""

import errno
import fcntl
import logging
import os
import shutil
import sqlite3
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from ingest.sources import shown
from rag.errors import LacertaError
from rag.visits import LISTING

_LOG = logging.getLogger(__name__)

SOURCES = "sources"
PART = ".part"
"""Ends the name of a file that is still arriving."""
SPARE_BYTES = 200_000_000
"""What must stay free on the disk: indexes are written beside what they replace."""
_NAME_CHARACTERS = 150


class VisitFailed(LacertaError):
    """A document is not taken in, or not there. `code` is for programs."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def shown_name(name: str) -> str:
    """The last part of a file's name as it can be shown anywhere; it is never a path to open."""
    last = PurePosixPath(name.replace("\\", "/")).name
    plain = " ".join(shown(unicodedata.normalize("NFC", last)).split())
    suffix = PurePosixPath(plain).suffix[:20]
    if len(plain) > _NAME_CHARACTERS:
        plain = plain[: _NAME_CHARACTERS - len(suffix) - 1] + "…" + suffix
    return plain or "document"


@contextmanager
def locked(folder: Path, wait: bool = True) -> Iterator[None]:
    """Holds a visit's lock. Raises FileNotFoundError where there is no such visit, OSError where it is not waited for.

    Where folders can't be locked, threads and processes that change one visit at once are not kept apart.
    """
    descriptor = os.open(folder / "LOCK", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise
        except OSError:
            pass
        yield
    finally:
        os.close(descriptor)


def claimed(path: Path) -> int | None:
    """What keeps others from a file until it is closed; None where another process has it, or it is gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        pass
    return descriptor


def drop_if_empty(folder: Path) -> None:
    """Removes the folder of a visit that came to nothing."""
    if (folder / LISTING).exists():
        return
    with suppress(OSError):
        (folder / SOURCES).rmdir()
        (folder / "LOCK").unlink(missing_ok=True)
        folder.rmdir()


def size_of(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def is_full(error: BaseException, folder: Path) -> bool:
    """Whether an error came of a disk, or a quota, without room."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    # Chroma, tantivy and SQLite wrap what the system said in errors of their own.
    wrapped = isinstance(error, sqlite3.Error) or type(error).__module__.startswith(("chromadb", "tantivy"))
    return wrapped and shutil.disk_usage(folder).free < SPARE_BYTES


def explained(error: OSError) -> VisitFailed:
    """What a visitor is told of it; what else there is to know stands in the log."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return disk_full()
    _LOG.error("A visitor's document can't be kept: %s", error)
    return VisitFailed("internal", "The document can't be kept here. The log of the program says why.")


def too_many(limit: int) -> VisitFailed:
    return VisitFailed("too_many_files", f"A conversation may have {limit} documents of your own.")


def too_large(limit: int) -> VisitFailed:
    message = f"A document may have {limit / 1e6:g} MB."
    return VisitFailed("too_large", message)


def no_room(limit: int) -> VisitFailed:
    message = f"The {limit / 1e6:g} MB for documents of all visitors are used up. Try again later."
    return VisitFailed("no_room", message)


def disk_full() -> VisitFailed:
    return VisitFailed("disk_full", "There is no room for more documents on the disk. Try again later.")


def unknown_visit() -> VisitFailed:
    return VisitFailed("unknown_visit", "There are no documents here, or no longer.")
