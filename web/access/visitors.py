"""The people who use the page: logged in here, or named by a trusted proxy.

A visitor who logged in here holds a signed cookie; nothing about it is kept. It ends when the login's line changes.
"""

import hashlib
import hmac
import os
import secrets
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from starlette.requests import HTTPConnection

from rag.errors import ConfigurationError, LacertaError
from rag.settings import Settings
from web.access.address import Proxies
from web.access.caller import Caller
from web.access.lines import FILE, Line, Named, format, parse, usual_limits
from web.access.passwords import NOBODY, is_password
from web.front import Scope

COOKIE = "lacerta_visitor"
COOKIE_SECONDS = 30 * 24 * 3600
KIND = "scrypt:"
_SECRET_BYTES = 32


def parse_login(variable: str, text: str) -> Line:
    """A login's line. Raises ConfigurationError."""
    line = parse(variable, text)
    if not line.check.reveal().startswith(KIND) or line.check.reveal().count(":") != 5:
        raise ConfigurationError(f"{variable} should begin with scrypt: and be made by python -m web login add NAME.")
    return line


class Visitors:
    """Who a visitor of the page is. Thread-safe. Raises ConfigurationError for a login that is wrong."""

    def __init__(self, settings: Settings, proxies: Proxies, file: Path = FILE) -> None:
        self._settings = settings
        self._proxies = proxies
        self._logins = Named("LOGIN", settings.logins, parse_login, file)
        self._key = settings.var / "session.key"
        self._secret = b""
        self._lock = threading.Lock()

    @property
    def has_logins(self) -> bool:
        return bool(self._logins.current())

    @property
    def any_maintainer(self) -> bool:
        """Whether a login has the right to see what visitors asked and said."""
        return any(line.maintainer for line in self._logins.current().values())

    @property
    def needed(self) -> bool:
        """Whether anything tells one visitor from another."""
        return self.has_logins or bool(self._settings.user_header)

    def caller(self, scope: Scope) -> Caller | None:
        """The visitor that a trusted proxy or a cookie of ours names."""
        logins, address = self._logins.current(), self._proxies.address(scope)
        user = self._proxies.user(scope)
        if user is not None:
            # A login of the same name says what the visitor may see.
            return self._known(user, logins.get(user.lower()), address)
        name = self._named(HTTPConnection(scope).cookies.get(COOKIE, ""), logins)
        return self._known(name, logins[name], address) if name else None

    def check(self, name: str, password: str) -> bool:
        """Whether somebody may log in. Takes a tenth of a second and 32 MiB, also where there is no such login."""
        line = self._logins.current().get(name)
        kept = line.check.reveal().removeprefix(KIND) if line else NOBODY
        return is_password(password, kept) and line is not None

    def cookie(self, name: str) -> str:
        """What proves a login from now on. Raises LacertaError where the secret behind it can't be kept."""
        expires = str(int(time.time()) + COOKIE_SECONDS)
        return f"{name}.{expires}.{self._signature(name, expires, self._logins.current()[name])}"

    def _known(self, name: str, line: Line | None, address: str) -> Caller:
        if line is None:
            return Caller("login", name, address, None, usual_limits(self._settings))
        return Caller("login", name, address, line.domains, line.limits(self._settings), line.maintainer)

    def _named(self, cookie: str, logins: Mapping[str, Line]) -> str:
        name, _, rest = cookie.partition(".")
        expires, _, signature = rest.partition(".")
        if name not in logins or not (expires.isascii() and expires.isdecimal() and len(expires) < 12):
            return ""
        expected = self._signature(name, expires, logins[name])
        if not hmac.compare_digest(expected.encode(), signature.encode()) or int(expires) < time.time():
            return ""
        return name

    def _signature(self, name: str, expires: str, line: Line) -> str:
        signed = "\n".join((name, expires, format(line)))
        return hmac.new(self._session_secret(), signed.encode(), hashlib.sha256).hexdigest()

    def _session_secret(self) -> bytes:
        with self._lock:
            self._secret = self._secret or _shared_secret(self._key)
        return self._secret


def _shared_secret(file: Path) -> bytes:
    """The secret in a file, made where there is none; of several processes that make one at once, one wins."""
    try:
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            # Readable by its owner alone, and whole before it has its name.
            descriptor, made = tempfile.mkstemp(dir=file.parent, prefix=".session.")
            try:
                with os.fdopen(descriptor, "wb") as written:
                    written.write(secrets.token_bytes(_SECRET_BYTES))
                os.link(made, file)
            except FileExistsError:
                pass
            finally:
                os.unlink(made)
        found = file.read_bytes()
    except OSError as error:
        raise LacertaError(f"The secret of the logins can't be kept in {file}: {error.strerror}.") from error
    if len(found) != _SECRET_BYTES:
        raise LacertaError(f"{file} should hold {_SECRET_BYTES} bytes: delete it, and everyone logs in anew.")
    return found
