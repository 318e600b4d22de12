"""Which files a domain's documents come from, and how they are opened. Knows nothing of what is in them."""

import errno
import hashlib
import os
import stat
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from ingest.limits import FILE_BYTES
from rag.errors import LacertaError
from rag.settings import Domain

READ_KINDS = "PDF, office, web, table or text files"
_SKIPPED_NAMES = frozenset({"thumbs.db", "desktop.ini"})
_SKIPPED_SUFFIXES = (".tmp", ".part", ".crdownload", "~")
# Characters that turn the text around them, on a terminal as on a page.
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_PIECE = 1 << 20
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to ingest; `source` is its path relative to the folder it was found under, in NFC, with slashes.

    `path` is no symbolic link. `source` holds nothing that could disturb a terminal or a page; it is a name to show,
    never a path to open. `title` and `metadata` are what a connector knows of it.
    """

    path: Path
    source: str
    title: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that must not be read, and why; `source` is escaped where it could disturb a terminal or a page."""

    source: str
    reason: str


def find_files(domain: Domain, paths: Sequence[Path] = ()) -> tuple[list[SourceFile], list[Refused]]:
    """The files of a domain, sorted by `source`, and those refused: links out of their folder, no files, bad names.

    `paths`, files or folders, take the place of the domain's `sources/`; its include and exclude patterns then do not
    apply. Hidden and temporary files are passed over. Raises LacertaError where a folder is missing.
    """
    found: dict[str, SourceFile] = {}
    refused: list[Refused] = []
    if paths:
        for path in paths:
            if path.is_file():
                if reason := _bad_name(path.name):
                    refused.append(Refused(shown(path.name), reason))
                else:
                    _add(found, SourceFile(path.resolve(), unicodedata.normalize("NFC", path.name)))
            elif path.is_dir():
                for item in _walk(path, refused):
                    _add(found, item)
            else:
                raise LacertaError(f"There is no file or folder {shown(str(path))}: check the path given as a source.")
    else:
        folder = domain.source_folder
        wanted = [source for source in domain.sources if source.kind == "files"]
        if wanted and not folder.is_dir():
            raise LacertaError(f"There is no folder {folder}: create it and put {READ_KINDS} there.")
        for item in _walk(folder, refused) if wanted else ():
            if any(matches(item.source, s.include) and not matches(item.source, s.exclude) for s in wanted):
                _add(found, item)
    return [found[name] for name in sorted(found)], refused


def open_file(path: Path) -> BinaryIO:
    """The file at `path`, for reading, never waiting for a pipe or following a link that took its place meanwhile.

    Raises OSError, also for what is no regular file (EINVAL) or has more than `FILE_BYTES` (EFBIG).
    """
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        state = os.fstat(handle)
        if not stat.S_ISREG(state.st_mode):
            raise OSError(errno.EINVAL, "no regular file", str(path))
        if state.st_size > FILE_BYTES:
            raise OSError(errno.EFBIG, f"{state.st_size / 1e6:.0f} MB", str(path))
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def hash_file(path: Path) -> tuple[str, int]:
    """The SHA-256 and the size of a file as it was when it was opened. Raises OSError as `open_file` does."""
    digest = hashlib.sha256()
    with open_file(path) as stream:
        size = left = os.fstat(stream.fileno()).st_size
        # A file that grows is not followed.
        while left and (piece := stream.read(min(left, _PIECE))):
            digest.update(piece)
            left -= len(piece)
    return digest.hexdigest(), size - left


def unreadable(error: OSError) -> str:
    """Why a file could not be opened or read, and what to do."""
    if error.errno == errno.EFBIG:
        return f"it has {error.strerror}, at most {FILE_BYTES / 1e6:.0f} are read: split it"
    if error.errno in (errno.EINVAL, errno.ELOOP, errno.ENXIO):
        return "it is no regular file: put the file itself there"
    return f"it cannot be read ({error.strerror or error}): check it and its permissions"


def shown(name: str) -> str:
    """The name with what is invisible, turns the text around it or is not valid Unicode as `\\u202e`."""
    return "".join(ascii(letter)[1:-1] if unicodedata.category(letter) in _UNSEEN else letter for letter in name)


def _bad_name(name: str) -> str:
    """Why a file of this name is not read; empty where it is."""
    if name.isascii() and name.isprintable():
        return ""
    kinds = {unicodedata.category(letter) for letter in name}
    if "Cs" in kinds:
        return "its name is not valid UTF-8: rename it"
    if kinds & {"Cc", "Zl", "Zp"} or _TURNING & set(name):
        return "its name holds line breaks or other control characters: rename it"
    return ""


def _add(found: dict[str, SourceFile], item: SourceFile) -> None:
    # Two folders may hold files of one name; both are documents.
    source, number = item.source, 2
    while source in found and found[source].path != item.path:
        source, number = f"{number}/{item.source}", number + 1
    found[source] = SourceFile(item.path, source)


def _walk(folder: Path, refused: list[Refused]) -> Iterator[SourceFile]:
    """The files below a folder. Links to files inside of it are those files under another name."""
    inside = os.path.realpath(folder)
    waiting = [(os.fspath(folder), "")]
    while waiting:
        parent, above = waiting.pop()
        try:
            with os.scandir(parent) as listing:
                entries = list(listing)
        except OSError as error:
            reason = f"this folder cannot be listed ({error.strerror}): check its permissions"
            refused.append(Refused(shown(above.rstrip("/")) or ".", reason))
            continue
        for entry in entries:
            if entry.name.startswith("."):
                continue
            source = above + entry.name
            if entry.is_dir(follow_symlinks=False):
                waiting.append((entry.path, source + "/"))
                continue
            if passed_over(entry.name):
                continue
            reason = _bad_name(source) or _bad_file(entry, inside)
            if reason:
                refused.append(Refused(shown(source), reason))
            else:
                path = os.path.realpath(entry.path) if entry.is_symlink() else entry.path
                yield SourceFile(Path(path), unicodedata.normalize("NFC", source))


def _bad_file(entry: os.DirEntry[str], inside: str) -> str:
    """Why this is not read, whatever its name; empty where it is."""
    if not entry.is_symlink():
        return "" if entry.is_file(follow_symlinks=False) else "it is no regular file: remove it"
    try:
        kind = entry.stat().st_mode
    except OSError as error:
        return f"it is a link that leads nowhere ({error.strerror}): remove it"
    if not Path(os.path.realpath(entry.path)).is_relative_to(inside):
        return "it is a link that leads out of the folder: put the file itself there"
    if stat.S_ISDIR(kind):
        return "it is a link to a folder, which is not followed: remove it, the folder itself is read"
    return "" if stat.S_ISREG(kind) else "it is no regular file: remove it"


def passed_over(name: str) -> bool:
    """Whether a file of this name is hidden, temporary or the system's own: such files are no documents."""
    name = name.lower()
    return name.startswith((".", "~$")) or name in _SKIPPED_NAMES or name.endswith(_SKIPPED_SUFFIXES)


def matches(source: str, patterns: Sequence[str]) -> bool:
    """Whether the name of a source fits one of the glob patterns; `**` stands for any number of folders."""
    parts = tuple(source.split("/"))
    return any(_match(parts, PurePosixPath(pattern).parts) for pattern in patterns)


def _match(parts: tuple[str, ...], patterns: tuple[str, ...]) -> bool:
    """Glob with `**` for any number of folders; `PurePath.full_match` does this from Python 3.13 on."""
    if not patterns:
        return not parts
    if patterns[0] == "**":
        return any(_match(parts[count:], patterns[1:]) for count in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], patterns[0]) and _match(parts[1:], patterns[1:])
