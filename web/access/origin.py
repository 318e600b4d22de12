"""ASGI middleware: which names the program answers to, and which web sites may have a browser send it something.

Other web sites reach a visitor's browser, and with it this program: by a name of theirs that they let point here (DNS
rebinding), or by a form or script that sends what their page chose. Behind this, headers of proxies can be believed.
"""

from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse, PlainTextResponse, Response

from rag.settings import Settings
from web.access.address import LOOPBACK, Proxies, is_local
from web.api.errors import ApiError
from web.front import App, Receive, Scope, Send

_SAFE = ("GET", "HEAD", "OPTIONS")
_PROGRAMS = ("v1", "mcp")
_SHARED = "v1"
_SHOWN_HEADERS = (
    "x-request-id", "retry-after", "x-ratelimit-limit-requests", "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
)  # fmt: skip
_SHOWN_CHARACTERS = 100
_UNKNOWN_PROXY = "A proxy passed this on that the settings don't name: set LACERTA_TRUSTED_PROXIES to its address."


class Origin:
    """Refuses requests to a name of somebody else's, and those that a page of somebody else's sent."""

    def __init__(self, app: App, settings: Settings, proxies: Proxies) -> None:
        self.app = app
        self._proxies = proxies
        self._allowed = {name.lower() for name in settings.allowed_hosts}
        self._local = is_local(settings)
        self._checks_host = bool(self._allowed) or self._local
        self._names = {*LOOPBACK, settings.host.lower(), *self._allowed}
        self._origins = {origin.lower().rstrip("/") for origin in settings.cors_origins}
        self._cors = CORSMiddleware(
            app, allow_origins=list(self._origins), allow_methods=["GET", "POST"], allow_headers=["*"],
            expose_headers=_SHOWN_HEADERS,
        )  # fmt: skip

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        folder = scope["path"].removeprefix("/").partition("/")[0]
        host = self._proxies.host(scope)
        origin = next((value.decode("latin-1").lower() for name, value in scope["headers"] if name == b"origin"), "")
        shared = folder == _SHARED and bool(self._origins & {origin, "*"})
        if self._checks_host and not self._is_ours(host):
            app: App = _refused(folder, 421, "wrong_host", f"There is no {host[:_SHOWN_CHARACTERS]!r} here.")
        elif self._local and self._proxies.passed_on(scope):
            # Whoever stands behind it would be taken for this machine.
            app = _refused(folder, 403, "unknown_proxy", _UNKNOWN_PROXY)
        elif origin and scope["method"] not in _SAFE and not shared and not self._is_own(origin, host):
            message = f"Pages of {origin[:_SHOWN_CHARACTERS]!r} may not send this."
            app = _refused(folder, 403, "wrong_origin", message)
        else:
            app = self._cors if origin and shared else self.app
        if self._proxies.secure(scope):
            scope["scheme"] = "https"
        self._proxies.clean(scope)
        await app(scope, receive, send)

    def _is_ours(self, host: str) -> bool:
        name = _name(host)
        if host in self._names or name in self._names or not host:
            return True
        try:
            # Only names can be made to point elsewhere.
            ip_address(name)
        except ValueError:
            return False
        return True

    def _is_own(self, origin: str, host: str) -> bool:
        try:
            found = urlsplit(origin)
        except ValueError:
            return False
        own = _usual(found.netloc)
        return found.scheme in ("http", "https") and bool(own) and (own == _usual(host) or own in self._allowed)


def _name(host: str) -> str:
    """A host without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].rstrip(".")


def _usual(host: str) -> str:
    """A host without the port that a browser leaves out."""
    return host.removesuffix(":80").removesuffix(":443")


def _refused(folder: str, status: int, code: str, message: str) -> Response:
    if folder in _PROGRAMS:
        return JSONResponse(ApiError(status, code, message).body(), status)
    return PlainTextResponse(message, status)
