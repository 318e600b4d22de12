"""One process's server on sockets that are there already: from the engine to the end of the last answer."""

import errno
import gc
import logging
import socket
import threading
import time
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from rag.errors import LacertaError
from rag.settings import Settings

if TYPE_CHECKING:
    from rag.answer import Engine
    from web.front import App
    from web.stopping import Flow, GracefulServer

_LOG = logging.getLogger(__name__)


def bind(settings: Settings) -> list[socket.socket]:
    """Sockets on the address of the settings that do not listen yet, so that it is known early whether they can.

    Raises LacertaError.
    """
    sockets: list[socket.socket] = []
    missing: OSError | None = None
    try:
        for family, kind, protocol, _, address in socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            try:
                sockets.append(_bound(family, kind, protocol, address))
            except OSError as error:
                # A name may stand for an address of a kind that this machine does not speak.
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise
                missing = error
        if missing and not sockets:
            raise missing
    except OSError as error:
        for bound in sockets:
            bound.close()
        raise _unusable(settings, error) from error
    return sockets


def _bound(family: int, kind: int, protocol: int, address: Any) -> socket.socket:
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # What stands for every address of one kind must not take those of the other.
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound


def _unusable(settings: Settings, error: OSError) -> LacertaError:
    other = settings.port + 1 if settings.port < 65535 else 7860
    return LacertaError(
        f"Port {settings.port} on {settings.host} can't be used: {error.strerror}. "
        f"Stop what uses it, or take another one: make run PORT={other}."
    )


def greeting(settings: Settings) -> str:
    """The line that says where the page is."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    count = f", {settings.processes} processes" if settings.processes > 1 else ""
    return f"Lacerta is on http://{host}:{settings.port} (Ctrl-C stops it{count})"


def serve(
    settings: Settings,
    server: ModuleType,
    sockets: Sequence[socket.socket],
    started: Callable[["GracefulServer"], None],
    around: "Callable[[App, Flow], App]" = lambda app, flow: app,
    warm: bool = False,
) -> None:
    """Serves the application of `server` until it is told to stop.

    Models and indexes are opened meanwhile, with `warm` before anything is answered.
    `started` is called on another thread once requests are answered. `around` may put something around the
    application. Raises LacertaError where another program listens on the address meanwhile.
    """
    import uvicorn

    from rag.answer import Engine
    from web.stopping import GracefulServer

    engine = Engine(settings)
    try:
        app = server.create(engine)
        # Open pages hold a connection each; once no answer is being written they must not hold up the end.
        config = uvicorn.Config(
            around(app, app.state.flow), log_config=None, access_log=False, timeout_graceful_shutdown=2,
            server_header=False, proxy_headers=False,
        )  # fmt: skip
        running = GracefulServer(config, app.state.flow)
        if warm:
            _warm_up(engine)
        try:
            for bound in sockets:
                bound.listen(config.backlog)
        except OSError as error:
            raise _unusable(settings, error) from error

        def greet() -> None:
            while not running.started:
                if running.should_exit:
                    return
                time.sleep(0.02)
            started(running)
            # Only then time is taken from the page.
            if not warm:
                _warm_up(engine)
            gc.freeze()
            gc.enable()

        greeter = threading.Thread(target=greet, daemon=True)
        greeter.start()
        try:
            running.run(list(sockets))
        finally:
            running.should_exit = True
            # What is being opened can't be closed yet.
            greeter.join()
    finally:
        engine.close()


def _warm_up(engine: "Engine") -> None:
    """Without what can't be opened now: `/readyz` says what is lacking, and the next question tries again."""
    try:
        engine.warm_up()
    except LacertaError as error:
        _LOG.warning("%s", error)
