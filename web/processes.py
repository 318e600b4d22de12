"""Several processes behind one port: each is started again when it ends, and all are told together to end.

The one that looks after them serves nothing itself. They get their settings on standard input; when that is closed,
also because nobody looks after them any more, they end as at a SIGTERM.
"""

import gc
import logging
import os
import pickle
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from rag.errors import ConfigurationError
from rag.settings import ROOT, Settings
from web import siblings
from web.logs import configure as configure_log
from web.serving import greeting, serve

if TYPE_CHECKING:
    from web.front import App
    from web.stopping import Flow, GracefulServer

# One that served so long has not failed at its start.
_STEADY_SECONDS = 30.0
_LONGEST_PAUSE_SECONDS = 60.0
# Beside LACERTA_STOP_SECONDS: open pages are cut off after 2 s, and what is open is closed.
_CLOSING_SECONDS = 6.0
_LOOK_SECONDS = 0.1
_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class _Child:
    """`due` and `begun` are times of the monotonic clock, `failures` those at its start, one after the other."""

    number: int
    process: "subprocess.Popen[bytes] | None" = None
    ready: bool = False
    begun: float = 0.0
    due: float = 0.0
    failures: int = 0


class Processes:
    """`settings.processes` processes that serve `sockets`."""

    def __init__(self, settings: Settings, sockets: Sequence[socket.socket]) -> None:
        self._settings = settings
        self._sockets = sockets
        self._children = [_Child(number) for number in range(settings.processes)]
        self._asked_to_stop = 0
        self._greeted = False
        self._result: int | None = None

    def run(self) -> int:
        """Until SIGTERM or SIGINT; 0, or the status of the first process where none could start.

        At the second signal answers end with what there is.
        """
        for wanted in (signal.SIGTERM, signal.SIGINT):
            signal.signal(wanted, self._stop)
        with tempfile.TemporaryDirectory(prefix="lacerta-") as folder:
            self._folder = Path(folder)
            while not self._asked_to_stop and self._result is None:
                for child in self._children:
                    self._look_after(child)
                time.sleep(_LOOK_SECONDS)
            self._end()
        return self._result or 0

    def _stop(self, _: int, __: FrameType | None) -> None:
        self._asked_to_stop += 1

    def _look_after(self, child: _Child) -> None:
        now = time.monotonic()
        if child.process is None:
            if now >= child.due:
                self._start(child)
            return
        code = child.process.poll()
        if code is not None:
            self._ended(child, child.process, code)
        elif not child.ready and siblings.answers(self._folder, child.number):
            child.ready = True
            if not self._greeted:
                self._greeted = True
                print(greeting(self._settings), flush=True)

    def _start(self, child: _Child) -> None:
        descriptors = [listening.fileno() for listening in self._sockets]
        arguments = ["process", str(child.number), str(self._folder), *map(str, descriptors)]
        child.process = subprocess.Popen(
            [sys.executable, str(ROOT / "app.py"), *arguments], stdin=subprocess.PIPE, pass_fds=descriptors,
            env={**os.environ, siblings.FOLDER: str(self._folder)},
            # Ctrl-C on a terminal is for this process alone: it tells the others.
            process_group=0,
        )  # fmt: skip
        child.begun, child.ready = time.monotonic(), False
        assert child.process.stdin is not None
        with suppress(BrokenPipeError):
            pickle.dump(_share(self._settings), child.process.stdin)
            child.process.stdin.flush()

    def _ended(self, child: _Child, process: "subprocess.Popen[bytes]", code: int) -> None:
        from prometheus_client.multiprocess import mark_process_dead

        lived = time.monotonic() - child.begun
        child.process = None
        _forget(process)
        mark_process_dead(process.pid, str(self._folder))
        siblings.leave(self._folder, child.number)
        if code > 0 and not self._greeted:
            # It would fail the same way again, and has said why.
            self._result = code
            return
        steady = lived >= _STEADY_SECONDS or (child.ready and code == 0)
        child.failures = 0 if steady else child.failures + 1
        pause = min(2.0 ** (child.failures - 1), _LONGEST_PAUSE_SECONDS) if child.failures else 0.0
        child.due = time.monotonic() + pause
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with status {code}"
        again = f"in {pause:.0f} s" if pause else "now"
        _LOG.error(
            "Process %d (%d) ended %s after %.0f s. It is started again %s.",
            child.number,
            process.pid,
            how,
            lived,
            again,
        )

    def _end(self) -> None:
        """Answers that are being written end first; what has not ended long after is killed."""
        told = self._asked_to_stop
        living = [child.process for child in self._children if child.process is not None]
        for process in living:
            _forget(process)
        latest = time.monotonic() + self._settings.stop_seconds + _CLOSING_SECONDS
        while any(process.poll() is None for process in living):
            late = time.monotonic() > latest
            for process in living:
                if late:
                    process.kill()
                elif self._asked_to_stop > max(told, 1):
                    process.terminate()
            told = max(told, self._asked_to_stop)
            time.sleep(_LOOK_SECONDS)


def _share(settings: Settings) -> Settings:
    """The settings with a process's part of what is there for all."""
    count = settings.processes

    def part(whole: int) -> int:
        return -(-whole // count)

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return replace(
        settings,
        threads=settings.threads or max(cores // count, 1),
        concurrent_answers=part(settings.concurrent_answers),
        concurrent_searches=part(settings.concurrent_searches),
    )


def _forget(process: "subprocess.Popen[bytes]") -> None:
    """Closes its standard input: that tells it to end."""
    assert process.stdin is not None
    with suppress(BrokenPipeError):
        process.stdin.close()


def run(arguments: Sequence[str]) -> int:
    """What `app.py` does when it is started with these arguments, by itself: it looks after the processes, or is one.

    `processes` and the descriptors of the sockets, or `process`, its number, the folder that all share, and those.
    Raises ConfigurationError for others.
    """
    match arguments:
        case ["processes", *descriptors]:
            settings = Settings.from_environment()
            configure_log(settings)
            gc.enable()
            return Processes(settings, _sockets(descriptors)).run()
        case ["process", number, folder, *descriptors]:
            _serve(int(number), Path(folder), _sockets(descriptors))
            return 0
    raise ConfigurationError(
        f"app.py takes no arguments, not {arguments[0]!r}: settings are in .env (see .env.example)."
    )


def _sockets(descriptors: Sequence[str]) -> list[socket.socket]:
    return [socket.socket(fileno=int(text)) for text in descriptors]


def _serve(number: int, folder: Path, sockets: Sequence[socket.socket]) -> None:
    try:
        settings: Settings = pickle.load(sys.stdin.buffer)
    except EOFError:
        return
    running: list[GracefulServer] = []

    def watch() -> None:
        sys.stdin.buffer.read()
        if running:
            running[0].stop()
        else:
            # Nobody was answered yet.
            os._exit(0)

    threading.Thread(target=watch, name="watch", daemon=True).start()
    from web import server
    from web.relay import Relay

    configure_log(settings)
    sockets = [*sockets, siblings.enter(folder, number)]

    def around(app: "App", flow: "Flow") -> "App":
        return Relay(app, flow, folder, number, settings)

    # Until it is warm the others answer faster.
    serve(settings, server, sockets, running.append, around, warm=True)
