"""Keys for programs: random, so that a plain hash of one is enough to know it again (NIST SP 800-63B, 5.1.2)."""

import hashlib
import hmac
import re
import secrets
from pathlib import Path

from rag.errors import ConfigurationError
from rag.settings import Secret, Settings
from web.access.caller import Caller
from web.access.lines import FILE, Line, Named, parse

PREFIX = "lac_"
"""So that tools which look for secrets in code and logs find a key."""
_BYTES = 32
_KIND = "sha256:"
_CHECK = re.compile(rf"{_KIND}[0-9a-f]{{64}}")


def new_key() -> str:
    """A key with 256 random bits."""
    return PREFIX + secrets.token_urlsafe(_BYTES)


def check_of(key: str) -> Secret:
    """What a line holds of a key."""
    return Secret(_KIND + hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest())


def parse_key(variable: str, text: str) -> Line:
    """The line of a key. Raises ConfigurationError."""
    line = parse(variable, text)
    if not _CHECK.fullmatch(line.check.reveal()):
        name = variable.removeprefix("LACERTA_KEY_").lower()
        raise ConfigurationError(
            f"{variable} should begin with {_KIND} and 64 hexadecimal digits: python -m web key add {name} makes such a"
            " line."
        )
    if line.maintainer:
        raise ConfigurationError(f"{variable} says maintainer=true: only a login can have that right, no key.")
    return line


class Keys:
    """The keys of the settings. What is added or removed in the file counts within a second. Thread-safe."""

    def __init__(self, settings: Settings, file: Path = FILE) -> None:
        """Raises ConfigurationError for a line that is wrong."""
        self._settings = settings
        self._lines = Named("KEY", settings.keys, parse_key, file)

    @property
    def any(self) -> bool:
        """Whether there is one."""
        return bool(self._lines.current())

    def caller(self, key: str, address: str) -> Caller | None:
        """Whoever a key belongs to; None where it is nobody's."""
        offered = check_of(key).reveal()
        found = None
        # All of them are compared, so that the time tells nothing of which there are.
        for name, line in self._lines.current().items():
            if hmac.compare_digest(line.check.reveal(), offered):
                found = Caller("key", name, address, line.domains, line.limits(self._settings))
        return found
