"""The lines of keys and logins among the settings: `LACERTA_KEY_ALICE=sha256:...; domains=space, internship; day=100`.

Knows nothing of what stands before the first semicolon.
"""

import logging
import os
import re
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from dotenv import dotenv_values

from rag.errors import ConfigurationError, LacertaError
from rag.settings import ROOT, Secret, Settings
from web.access.caller import Limits

FILE = ROOT / ".env"
_LOG = logging.getLogger(__name__)
_NAME = re.compile(r"[A-Za-z0-9_]{1,40}")
_LOOK_SECONDS = 1.0
_DIGITS = 15
_LIMITS = tuple(item.name for item in fields(Limits))
_MAINTAINER = "maintainer"


@dataclass(frozen=True, slots=True)
class Line:
    """`check` is what a key or a password is checked by. Limits that are None are those of the settings.

    A `maintainer` may see what visitors asked and said of answers, in the domains that the line names.
    """

    check: Secret
    domains: frozenset[str] | None = None
    minute: int | None = None
    day: int | None = None
    tokens: int | None = None
    maintainer: bool = False

    def limits(self, settings: Settings) -> Limits:
        """Its own limits, and those of the settings where it has none."""
        usual = usual_limits(settings)
        own = {name: getattr(self, name) for name in _LIMITS}
        return Limits(**{name: getattr(usual, name) if value is None else value for name, value in own.items()})


def usual_limits(settings: Settings) -> Limits:
    """What the settings allow whoever has no limits of their own."""
    return Limits(settings.requests_minute, settings.requests_day, settings.tokens_day)


def parse(variable: str, text: str) -> Line:
    """A line as it is written. Raises ConfigurationError, which never shows the line: it may hold a secret."""
    # Some readers of such files leave the quotes around a value.
    check, *parts = (part.strip() for part in text.strip().strip("'\"").split(";"))
    values: dict[str, int] = {}
    domains: frozenset[str] | None = None
    maintainer = False
    for part in filter(None, parts):
        name, _, value = (side.strip() for side in part.partition("="))
        if name == "domains":
            domains = frozenset(filter(None, (domain.strip() for domain in value.split(","))))
        elif (name, value) == (_MAINTAINER, "true"):
            maintainer = True
        elif name in _LIMITS and value.isascii() and value.isdecimal() and len(value) <= _DIGITS:
            values[name] = int(value)
        else:
            raise ConfigurationError(
                f"{variable}: what follows the first semicolon should be domains=NAME,..., maintainer=true, or a whole"
                f" number for one of {', '.join(_LIMITS)}."
            )
    return Line(Secret(check), domains, **values, maintainer=maintainer)


def format(line: Line) -> str:
    """The line as `parse` reads it."""
    parts = [line.check.reveal()]
    if line.domains is not None:
        parts.append(f"domains={','.join(sorted(line.domains))}")
    parts += [f"{name}={getattr(line, name)}" for name in _LIMITS if getattr(line, name) is not None]
    parts += [f"{_MAINTAINER}=true"] if line.maintainer else []
    return "; ".join(parts)


def variable(kind: str, name: str) -> str:
    """`LACERTA_KEY_ALICE` of `KEY` and `alice`. Raises ConfigurationError for a name that can't be part of one."""
    if not _NAME.fullmatch(name):
        raise ConfigurationError(f"A name should be 1 to 40 letters, digits and _, is now {name[:60]!r}.")
    return f"LACERTA_{kind}_{name.upper()}"


def read_lines(kind: str, file: Path = FILE, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The lines of a kind, `KEY` or `LOGIN`, by name in lower case; the environment comes before the file."""
    before = f"LACERTA_{kind}_"
    both = {**dotenv_values(file, encoding="utf-8"), **environment}
    found = {name.removeprefix(before).lower(): text for name, text in both.items() if name.startswith(before)}
    return {name: text for name, text in found.items() if text and text.strip()}


def assignment(variable: str, line: Line) -> str:
    """The line as files of settings hold it: in quotes that shells, systemd and compose take alike."""
    return f"{variable}='{format(line)}'"


def write_line(variable: str, line: Line, file: Path = FILE) -> None:
    """Sets a line of a file, or adds it at the end. A reader sees the file as it was or as it is, never half of it."""
    lines = _without(variable, file)
    _replace(file, [*lines, assignment(variable, line)])


def remove_line(variable: str, file: Path = FILE) -> bool:
    """Whether the line was there."""
    before = _content(file)
    lines = _without(variable, file)
    if lines == before:
        return False
    _replace(file, lines)
    return True


def _content(file: Path) -> list[str]:
    try:
        text = file.read_text(encoding="utf-8")
        return text.removesuffix("\n").split("\n") if text else []
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise LacertaError(f"Can't read {file}: {error}.") from error


def _without(variable: str, file: Path) -> list[str]:
    assigned = re.compile(rf"\s*(?:export\s+)?{re.escape(variable)}\s*=")
    return [line for line in _content(file) if not assigned.match(line)]


def _replace(file: Path, lines: list[str]) -> None:
    # A link stays one, its target is replaced.
    target = file.resolve()
    try:
        kept = target.stat() if target.exists() else None
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=".env.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as written:
                written.write("".join(f"{line}\n" for line in lines))
                if kept:
                    os.fchmod(descriptor, stat.S_IMODE(kept.st_mode))
                    if (kept.st_uid, kept.st_gid) != (os.geteuid(), os.getegid()):
                        os.fchown(descriptor, kept.st_uid, kept.st_gid)
                written.flush()
                os.fsync(descriptor)
            os.replace(name, target)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        raise LacertaError(
            f"Can't write {file}: {error.strerror}. Use --print and put the line where the settings are."
        ) from error


class Named:
    """The lines of a kind, by name. What is written to the file is known within a second. Thread-safe.

    At first they are those of the settings. A file that is wrong later changes nothing and is logged.
    """

    def __init__(
        self, kind: str, lines: Mapping[str, Secret], parse: Callable[[str, str], Line], file: Path = FILE
    ) -> None:
        """Raises ConfigurationError for a line that is wrong."""
        self._kind = kind
        self._parse = parse
        self._file = file
        self._lines = self._read({name: text.reveal() for name, text in lines.items()})
        self._lock = threading.Lock()
        self._seen = self._stamp()
        self._looked = time.monotonic()

    def current(self) -> Mapping[str, Line]:
        """The lines as they are now."""
        if time.monotonic() - self._looked >= _LOOK_SECONDS:
            with self._lock:
                self._looked = time.monotonic()
                stamp = self._stamp()
                if stamp != self._seen:
                    self._seen = stamp
                    try:
                        self._lines = self._read(read_lines(self._kind, self._file))
                    except (ConfigurationError, OSError, UnicodeDecodeError) as error:
                        _LOG.error("%s is not read anew: %s", self._file.name, error)
        return self._lines

    def _read(self, texts: Mapping[str, str]) -> dict[str, Line]:
        return {name: self._parse(variable(self._kind, name), text) for name, text in texts.items()}

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            found = self._file.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino, found.st_size
