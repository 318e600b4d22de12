"""The processes behind one port, as they find each other: a socket and a process id for each, in a folder of their own.

The folder is gone with the process that looks after them, so nothing in it is of an earlier start.
"""

import os
import socket
from pathlib import Path

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names the folder, as prometheus_client has it: what each of them counts is there too."""


def folder() -> Path | None:
    """The folder, None where there is one process alone."""
    named = os.environ.get(FOLDER)
    return Path(named) if named else None


def address(folder: Path, number: int) -> Path:
    """Of the Unix socket of a process."""
    return folder / f"{number}.socket"


def answers(folder: Path, number: int) -> bool:
    """Whether a process takes requests."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(address(folder, number)))
        except OSError:
            return False
    return True


def enter(folder: Path, number: int) -> socket.socket:
    """Makes this process the one with that number; the socket that it is to listen on."""
    _process(folder, number).write_text(str(os.getpid()), encoding="ascii")
    own = socket.socket(socket.AF_UNIX)
    own.bind(str(address(folder, number)))
    return own


def leave(folder: Path, number: int) -> None:
    """Takes away what is left of a process that has ended."""
    for left in (address(folder, number), _process(folder, number)):
        left.unlink(missing_ok=True)


def processes(folder: Path) -> dict[int, int]:
    """The ids of the processes by number."""
    return {int(path.stem): int(path.read_text(encoding="ascii") or 0) for path in sorted(folder.glob("*.process"))}


def _process(folder: Path, number: int) -> Path:
    return folder / f"{number}.process"
