"""Brings every domain's index up to date, then serves the page on one port. `python app.py`"""

import ctypes
import gc
import os
import socket
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from types import ModuleType
from typing import NoReturn

from rag.errors import ConfigurationError, LacertaError
from rag.settings import Settings, domain_names
from web import serving
from web.access.policy import check as check_access
from web.logs import configure as configure_log

# Read by gradio and chromadb when they are imported.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["ANONYMIZED_TELEMETRY"] = "False"
# Gradio keeps its last 10,000 questions and sums them up after each, which by then takes 16 ms a question.
os.environ["GRADIO_ANALYTICS_MAX_EVENTS"] = "1"
os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = str(10**9)

# As malloc.h has it.
_M_ARENA_MAX = -8


def main(arguments: Sequence[str] = ()) -> int:
    """0 when stopped by a person, 1 when it can't serve, 2 when a setting is wrong.

    The arguments are those that it gives itself where several processes are to serve.
    """
    share_arenas()
    # A tenth of the start would go into looking for garbage among modules that stay.
    gc.disable()
    try:
        if arguments:
            from web.processes import run

            return run(arguments)
        settings = Settings.from_environment()
        configure_log(settings)
        names = domain_names(settings)
        check_access(settings)
        sockets = serving.bind(settings)
        check_var(settings)
        server = Background("web.server") if settings.processes == 1 else None
        for name in names:
            bring_up_to_date(settings, name)
        if server is None:
            look_after(sockets)
        else:
            serving.serve(settings, server.module(), sockets, lambda _: print(serving.greeting(settings), flush=True))
    except LacertaError as error:
        print(f"lacerta: {error}", file=sys.stderr)
        return 2 if isinstance(error, ConfigurationError) else 1
    except KeyboardInterrupt:
        print(file=sys.stderr)
    return 0


def share_arenas() -> None:
    """Lets threads share two of glibc's arenas: with one each, memory grows with every index that is opened."""
    if sys.platform == "linux":
        # Other C libraries have neither the arenas nor this.
        with suppress(AttributeError):
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)


class Background:
    """A module imported beside other work: gradio takes seconds, the check of the indexes does not need it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._thread = threading.Thread(target=self._load, daemon=True)
        self._thread.start()

    def _load(self) -> None:
        try:
            __import__(self._name)
        except Exception:
            # `module` imports it again and raises what happened where it can be seen.
            return

    def module(self) -> ModuleType:
        self._thread.join()
        __import__(self._name)
        return sys.modules[self._name]


def check_var(settings: Settings) -> None:
    """Raises LacertaError when nothing can be written where the indexes go."""
    try:
        settings.var.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=settings.var):
            pass
    except OSError as error:
        raise LacertaError(
            f"Can't write to {settings.var}: {error.strerror}. Make it writable or set LACERTA_VAR to another folder."
        ) from error


def bring_up_to_date(settings: Settings, name: str) -> None:
    """Indexes what changed in a domain. Where that fails, says so and leaves what there is to serve."""
    from ingest.__main__ import Bars
    from ingest.pipeline import bring_up_to_date as ingest
    from rag.index import current_version

    try:
        with Bars(name) as bars:
            # The page does not wait for other people's servers: what they have is fetched by `make ingest`.
            report = ingest(settings, name, offline=True, progress=bars.show)
    except ConfigurationError:
        raise
    except LacertaError as error:
        version = current_version(settings, name)
        what = f"The index of before ({version}) is served." if version else "It can't answer until that is mended."
        print(f"lacerta: {error} {what}", file=sys.stderr)
    else:
        if report.embedded or report.failures:
            print(report.table(), flush=True)


def look_after(sockets: Sequence[socket.socket]) -> NoReturn:
    """Becomes the program that has other processes serve the sockets, without all that the ingest needed in memory."""
    for bound in sockets:
        bound.set_inheritable(True)
    sys.stdout.flush()
    sys.stderr.flush()
    arguments = ["processes", *(str(bound.fileno()) for bound in sockets)]
    os.execv(sys.executable, [sys.executable, __file__, *arguments])


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # Without the interpreter's own end: it aborts where a library's thread is still busy in native code.
    os._exit(code)
