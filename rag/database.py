"""SQLite files that several processes write."""

import sqlite3
import time
from pathlib import Path

_PAUSE_SECONDS = 0.01


def open_database(path: Path, wait_seconds: float, *, check_same_thread: bool = True) -> sqlite3.Connection:
    """A connection in autocommit mode with a write-ahead log, waiting `wait_seconds` for other writers.

    A new file is for its owner's eyes alone, as what people ask is in these files.

    Raises
    ------
    sqlite3.Error, OSError
        The file can't be made, read or written, or others write for longer than that.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    connection = sqlite3.connect(path, wait_seconds, isolation_level=None, check_same_thread=check_same_thread)
    try:
        latest = time.monotonic() + wait_seconds
        # SQLite does not wait here: of two that begin the log of a new file, one is told "locked" at once.
        while not _begins_log(connection, latest):
            time.sleep(_PAUSE_SECONDS)
        connection.execute("pragma secure_delete = on")
    except BaseException:
        connection.close()
        raise
    return connection


def _begins_log(connection: sqlite3.Connection, latest: float) -> bool:
    try:
        connection.execute("pragma journal_mode = wal")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= latest:
            raise
        return False
    return True
