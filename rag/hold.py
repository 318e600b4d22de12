"""Who reads the files of a folder says so by a lock, which the system gives back however the reader ends.

An embedded vector store opens some of its files only when a question comes. Where folders can't be locked, nothing is
held and nothing is in use.
"""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path


def hold(folder: Path) -> Callable[[], None]:
    """Marks a folder as in use; what is returned ends that. Raises OSError where there is no such folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        # It is being removed, which is found out at once, or can't be locked.
        pass
    return _Once(descriptor).end


def in_use(folder: Path) -> bool:
    """Whether somebody, in whichever process, holds the folder now."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False


class _Once:
    """Closes a file descriptor, whose number may be another file's later, once only."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = [descriptor]

    def end(self) -> None:
        while self._descriptor:
            os.close(self._descriptor.pop())
