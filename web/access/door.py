"""ASGI middleware: who a request comes from is found out here, and whoever may not pass is turned away.

Knows no domain: what a caller sees of them is decided where they are looked up.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from starlette.responses import JSONResponse, RedirectResponse, Response

from rag.settings import LANGUAGES, Settings
from web.access.address import Proxies
from web.access.caller import Caller
from web.access.keys import Keys
from web.access.lines import usual_limits
from web.access.policy import open_parts
from web.access.visitors import Visitors
from web.api.errors import ApiError
from web.front import App, Receive, Scope, Send
from web.texts import texts

OPEN_PATHS = (
    "/", "/healthz", "/readyz", "/favicon.ico", "/manifest.json", "/login", "/logout", "/v1/docs", "/v1/openapi.json",
)  # fmt: skip
"""Open to anyone whatever the settings are, and so is all below /static."""
_OPEN_FOLDER = "static"
_PARTS = {"v1": "api", "mcp": "api", "metrics": "metrics"}
_SCHEME = "bearer"
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="lacerta"'}


class Door:
    """Everything behind it finds the caller in the state of its scope.

    Programs show a key, people have logged in; neither opens what is the other's. Whatever path is not known to be a
    program's or open belongs to the page.
    """

    def __init__(self, app: App, settings: Settings, keys: Keys, visitors: Visitors, proxies: Proxies) -> None:
        self.app = app
        self._settings = settings
        self._keys = keys
        self._visitors = visitors
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            # Nothing here speaks it.
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        found = self._found(scope, part_of(scope["path"]))
        if isinstance(found, Caller):
            scope.setdefault("state", {})["caller"] = found
            await self.app(scope, receive, send)
        else:
            await found(scope, receive, send)

    def _found(self, scope: Scope, part: str) -> Caller | Response:
        """The caller, or the answer to one that may not pass."""
        is_open = not part or part in open_parts(self._settings, self._keys.any, self._visitors.has_logins)
        anonymous = Caller(address=self._proxies.address(scope), limits=usual_limits(self._settings))
        if part in ("api", "metrics"):
            return self._program(scope, part, anonymous, is_open)
        visitor = self._visitors.caller(scope) if part else None
        return visitor or (anonymous if is_open else _to_login(scope))

    def _program(self, scope: Scope, part: str, anonymous: Caller, is_open: bool) -> Caller | Response:
        key = _key(scope)
        # Without any key in the settings none can be wrong: clients that insist on one send what they like.
        if key and self._keys.any:
            caller = self._keys.caller(key, anonymous.address)
            if caller is None:
                return _refused(401, "invalid_api_key", "The API key is not known here.", _CHALLENGE)
            if part == "metrics" and caller.domains is not None:
                return _refused(403, "permission_denied", "The metrics are those of all domains, this key is not.")
            return caller
        if is_open:
            return anonymous
        message = "An API key is needed: send it in the header Authorization: Bearer KEY."
        return _refused(401, "invalid_api_key", message, _CHALLENGE)


def part_of(path: str) -> str:
    """The part that a path belongs to; empty where it is always open."""
    # The router takes a path with a line break at its end for the one without.
    first = path.removeprefix("/").partition("/")[0].strip()
    if path in OPEN_PATHS or first == _OPEN_FOLDER:
        return ""
    return _PARTS.get(first, "page")


def _key(scope: Scope) -> str:
    """The key that is sent, empty where there is none."""
    sent = ", ".join(value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization")
    scheme, _, key = sent.partition(" ")
    return key.strip() if scheme.lower() == _SCHEME else ""


def _refused(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse(ApiError(status, code, message).body(), status, headers)


def _to_login(scope: Scope) -> Response:
    """A person is shown the way to the login, a script of the page is told that it has ended."""
    if not _opens_a_page(scope):
        # The form in which Gradio shows a visitor what went wrong.
        language = scope["path"].removeprefix("/").partition("/")[0]
        said = texts(language if language in LANGUAGES else "en")["login_ended"]
        return JSONResponse({"detail": said}, 401, {"Cache-Control": "no-store"})
    query = scope.get("query_string", b"").decode("latin-1")
    wanted = quote(scope["path"] + (f"?{query}" if query else ""), safe="/")
    return RedirectResponse(f"/login?next={wanted}", status_code=303, headers={"Cache-Control": "no-store"})


def _opens_a_page(scope: Scope) -> bool:
    accepted: Any = dict(scope["headers"]).get(b"accept", b"")
    return scope["method"] in ("GET", "HEAD") and b"text/html" in accepted
