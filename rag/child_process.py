"""Child processes of this program: started without its secrets, ended with all that they started.

Knows nothing of what they compute.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping

from rag.settings import ROOT

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
"""Variables for a child that shares the cores with others, or whose address space is limited."""
_SECRETS = ("KEY", "TOKEN", "SECRET", "PASSWORD")


def start(
    module: str, variables: Mapping[str, str] | None = None, stderr: int = subprocess.DEVNULL
) -> "subprocess.Popen[bytes]":
    """Runs a module of this program; requests go to its `stdin`, answers come from its `stdout`. Raises OSError."""
    environment = {name: value for name, value in os.environ.items() if not any(sign in name for sign in _SECRETS)}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
    return subprocess.Popen(
        # Without -P, modules would be looked for in the folder that the program was called from.
        [sys.executable, "-P", "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        env={**environment, **(variables or {})},
        # Ctrl-C goes to the parent, which then ends the child.
        start_new_session=True,
    )


def kill(process: "subprocess.Popen[bytes]") -> None:
    """Ends it and all that it started, such as the program for OCR, and waits for nothing."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def end(process: "subprocess.Popen[bytes]") -> None:
    """As `kill`, but waits until it is gone, and closes its pipes."""
    kill(process)
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            # A request that was not read any more.
            with contextlib.suppress(BrokenPipeError):
                stream.close()
