"""A visitor's own documents: where those of a conversation are, and their indexes, opened while they are asked about.

`var/visits/<place>/{visit.json,sources,CURRENT,<version>}`. A place is named after the conversation's own name, which
nobody can guess, and after whose it is: without both there is nothing to be found. Knows nothing of how files are read.
"""

import contextlib
import hashlib
import json
import logging
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from rag.embed import embedding_fingerprint
from rag.errors import IndexUnavailable
from rag.index import Index
from rag.settings import Settings
from rag.types import Embedder

IDENTIFIER = re.compile(r"[0-9a-f]{32}")
"""What a visit is called, and its place."""
OWN = "own-"
"""The ids of such documents begin with this, so that none is taken for one of a domain's."""
MOST = 4
"""How many visits a question may be asked of."""
WAITING, READING, EMBEDDING, READY, FAILED = "waiting", "reading", "embedding", "ready", "failed"
"""The states of a file."""
LISTING = "visit.json"
_CURRENT = "CURRENT"
# Visits whose indexes stay open, for so long after the last question.
_OPEN = 16
_IDLE_SECONDS = 120.0
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OwnFile:
    """A file of a visit. `name` is what its visitor calls it, to be shown; `file` what it is called here.

    `share`, in [0, 1], is how much of it is done. `code` and `reason` say why it failed. `document` is the id of what
    was read from it, `sha256` that of its content, `size` is in bytes.
    """

    file: str
    name: str
    size: int
    sha256: str
    state: str = WAITING
    share: float = 0.0
    code: str = ""
    reason: str = ""
    document: str = ""
    pages: int = 0
    chunks: int = 0
    attempts: int = 0

    @property
    def open(self) -> bool:
        """Whether it is still to be read."""
        return self.state not in (READY, FAILED)


@dataclass(frozen=True, slots=True)
class Beside:
    """What is searched beside a domain. `missing`: a visit is not there; `waiting`: a file of one is not read yet."""

    indexes: tuple[Index, ...] = ()
    missing: bool = False
    waiting: bool = False


def new_identifier() -> str:
    """The name of a new visit, of 128 random bits."""
    return secrets.token_hex(16)


def place_of(identifier: str, owner: str = "") -> str:
    """Where a visit of `owner`, empty for whoever knows its name, has its documents."""
    return hashlib.sha256(f"{identifier}\0{owner}".encode()).hexdigest()[:32]


def visits_folder(settings: Settings) -> Path:
    return settings.var / "visits"


def folder_of(settings: Settings, place: str) -> Path:
    """The folder of a place. Raises ValueError for what is none."""
    if not IDENTIFIER.fullmatch(place):
        raise ValueError(f"{place[:50]!r} is no place of documents.")
    return visits_folder(settings) / place


def load_files(folder: Path) -> tuple[OwnFile, ...] | None:
    """The files of a visit in the order in which they came; None where there is no such visit."""
    try:
        return tuple(OwnFile(**values) for values in json.loads((folder / LISTING).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        _LOG.warning("The list of a visitor's documents in %s is damaged.", folder.name[:8])
        return None


def save_files(folder: Path, files: Sequence[OwnFile]) -> None:
    """Writes the list, whole or not at all. Raises FileNotFoundError where the visit has ended."""
    write(folder / LISTING, json.dumps([asdict(file) for file in files], ensure_ascii=False))


def current(folder: Path) -> Path | None:
    """The index version that is searched, None where there is none."""
    try:
        name = (folder / _CURRENT).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    return folder / name if name else None


def make_current(folder: Path, version: str) -> None:
    """From now on this version is searched, none where empty."""
    write(folder / _CURRENT, version)


def touch(folder: Path) -> None:
    """A visit that is made use of does not end yet: that is told by the time of its list."""
    with contextlib.suppress(OSError):
        os.utime(folder / LISTING)


def write(path: Path, text: str) -> None:
    """Writes a file for its owner alone, whole or not at all."""
    aside = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(aside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise


@dataclass(slots=True)
class _Open:
    """An index with how many questions read it now, and when it was last asked for."""

    index: Index
    folder: Path
    readers: int = 0
    used: float = 0.0


class OpenVisits:
    """The indexes of visits that are asked about. Thread-safe; at most some are open beside those being read."""

    def __init__(self, settings: Settings, embedder: Callable[[], Embedder]) -> None:
        self._settings = settings
        self._embedder = embedder
        self._open: dict[str, _Open] = {}
        self._retired: list[_Open] = []
        self._lock = threading.Lock()

    @contextmanager
    def beside(self, places: Sequence[str]) -> Iterator[Beside]:
        """What there is at these places, held open while it is read. Never raises for what is not there."""
        found: list[Index] = []
        missing = len(places) > MOST
        waiting = False
        with ExitStack() as held:
            for place in dict.fromkeys(places[:MOST]):
                files = load_files(folder_of(self._settings, place)) if IDENTIFIER.fullmatch(place) else None
                missing |= files is None
                if files is not None:
                    touch(folder_of(self._settings, place))
                waiting |= any(file.open for file in files or ())
                index = held.enter_context(self.index(place)) if files else None
                found += [index] if index else []
            yield Beside(tuple(found), missing, waiting)

    @contextmanager
    def index(self, place: str) -> Iterator[Index | None]:
        """The index of a place, held open while it is read; None where there is none."""
        held = self._held(place)
        try:
            yield held.index if held else None
        finally:
            if held:
                with self._lock:
                    held.readers -= 1
                    held.used = time.monotonic()
        self.tidy()

    def tidy(self) -> None:
        """Closes what was not asked for lately, what is too many, and what is not there any more."""
        now = time.monotonic()
        with self._lock:
            for place, item in [*self._open.items()]:
                unused = now - item.used > _IDLE_SECONDS and not item.readers
                if unused or current(item.folder.parent) != item.folder:
                    self._retired.append(self._open.pop(place))
            unread = sorted((item.used, place) for place, item in self._open.items() if not item.readers)
            for _, place in unread[: max(0, len(self._open) - _OPEN)]:
                self._retired.append(self._open.pop(place))
            closing = [item for item in self._retired if not item.readers]
            self._retired = [item for item in self._retired if item.readers]
        for item in closing:
            item.index.close()

    def forget(self, place: str) -> None:
        """Closes the index of a place, as soon as nobody reads it."""
        with self._lock:
            if place in self._open:
                self._retired.append(self._open.pop(place))
        self.tidy()

    def close(self) -> None:
        """Closes all indexes."""
        with self._lock:
            closing = [*self._open.values(), *self._retired]
            self._open, self._retired = {}, []
        for item in closing:
            item.index.close()

    def __len__(self) -> int:
        with self._lock:
            return len(self._open)

    def _held(self, place: str) -> _Open | None:
        """The index of the current version with one more reader."""
        folder = folder_of(self._settings, place)
        # Chroma shares what it opens among those who open the same, so it is done one after the other.
        with self._lock:
            for _ in range(2):
                version = current(folder)
                held = self._open.get(place)
                if held and held.folder != version:
                    self._retired.append(self._open.pop(place))
                    held = None
                if version is None:
                    return None
                try:
                    held = held or _Open(Index.open_folder(version, embedding_fingerprint(self._embedder())), version)
                except IndexUnavailable as error:
                    # A newer version may have taken its place meanwhile.
                    if current(folder) == version:
                        _LOG.warning("A visitor's documents can't be searched: %s", error)
                        return None
                    continue
                # The stores pass on whatever a damaged file makes of them.
                except Exception:
                    if current(folder) == version:
                        _LOG.exception("A visitor's documents can't be searched")
                        return None
                    continue
                self._open[place] = held
                held.readers += 1
                held.used = time.monotonic()
                return held
        return None
