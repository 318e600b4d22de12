"""Which files a domain's documents come from. Knows nothing of what is in them."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from rag.errors import LacertaError
from rag.settings import Domain

READ_KINDS = "PDF, CSV, Markdown or text files"
_SKIPPED_NAMES = frozenset({"thumbs.db", "desktop.ini"})
_SKIPPED_SUFFIXES = (".tmp", ".part", ".crdownload", "~")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to ingest; `source` is its path relative to the folder it was found under, with slashes."""

    path: Path
    source: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that must not be read, and why."""

    source: str
    reason: str


def find_files(domain: Domain, paths: Sequence[Path] = ()) -> tuple[list[SourceFile], list[Refused]]:
    """The files of a domain, sorted by `source`, and those refused because they lead out of their folder.

    `paths`, files or folders, take the place of the domain's `sources/`; its include and exclude patterns then do not
    apply. Hidden and temporary files are passed over. Raises LacertaError where a folder is missing.
    """
    found: dict[str, SourceFile] = {}
    refused: list[Refused] = []
    if paths:
        for path in paths:
            if path.is_file():
                _add(found, SourceFile(path, path.name))
            elif path.is_dir():
                for item in _walk(path, refused):
                    _add(found, item)
            else:
                raise LacertaError(f"There is no file or folder {path}: check the path given as a source.")
    else:
        folder = domain.source_folder
        if not folder.is_dir():
            raise LacertaError(f"There is no folder {folder}: create it and put {READ_KINDS} there.")
        files = list(_walk(folder, refused))
        for source in domain.sources:
            for item in files:
                if _matches(item.source, source.include) and not _matches(item.source, source.exclude):
                    found[item.source] = item
    return [found[name] for name in sorted(found)], refused


def _add(found: dict[str, SourceFile], item: SourceFile) -> None:
    # Two folders may hold files of one name; both are documents.
    source, number = item.source, 2
    while source in found and found[source].path != item.path:
        source, number = f"{number}/{item.source}", number + 1
    found[source] = SourceFile(item.path, source)


def _walk(folder: Path, refused: list[Refused]) -> Iterator[SourceFile]:
    inside = folder.resolve()
    for parent, folders, names in os.walk(folder):
        # os.walk does not follow links to folders, so a loop of links ends here.
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted((*names, *(name for name in folders if Path(parent, name).is_symlink()))):
            path = Path(parent, name)
            source = path.relative_to(folder).as_posix()
            if (
                name.startswith((".", "~$"))
                or name.lower() in _SKIPPED_NAMES
                or name.lower().endswith(_SKIPPED_SUFFIXES)
            ):
                continue
            try:
                source.encode()
            except UnicodeEncodeError:
                refused.append(Refused(ascii(source), "its name is not valid UTF-8: rename it"))
                continue
            if path.is_symlink() and not path.resolve().is_relative_to(inside):
                refused.append(Refused(source, "it is a link that leads out of the folder: put the file itself there"))
            elif path.is_file():
                yield SourceFile(path, source)
            elif not path.is_dir():
                refused.append(Refused(source, "it is no regular file: remove it"))


def _matches(source: str, patterns: Sequence[str]) -> bool:
    return any(_match(PurePosixPath(source).parts, PurePosixPath(pattern).parts) for pattern in patterns)


def _match(parts: tuple[str, ...], patterns: tuple[str, ...]) -> bool:
    """Glob with `**` for any number of folders; `PurePath.full_match` does this from Python 3.13 on."""
    if not patterns:
        return not parts
    if patterns[0] == "**":
        return any(_match(parts[count:], patterns[1:]) for count in range(len(parts) + 1))
    return bool(parts) and PurePosixPath(parts[0]).match(patterns[0]) and _match(parts[1:], patterns[1:])
