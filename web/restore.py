"""`python -m web restore FILE.tar`: brings back what a backup holds, after all of it was found whole.

An archive is somebody's file: only plain files are taken from it, below a folder of their own, and nothing that was
there is touched before every checksum is right.
"""

import argparse
import hashlib
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from rag.errors import ConfigurationError, LacertaError
from rag.settings import Settings
from web.backup import FORMAT, LISTING, Progress, bar
from web.doctor.machine import served

STAGING = ".restore-"
_PIECE = 1 << 20
_LISTING_BYTES = 200_000_000
_DEEPEST = 32


class NotWhole(LacertaError):
    """The archive is damaged, cut off, or not one of ours."""


def run(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m web restore", description="Brings back what a backup holds.")
    parser.add_argument("file", type=Path, help="an archive that python -m web backup wrote")
    parser.add_argument("--force", action="store_true", help="in place of what is there of the same kind")
    options = parser.parse_args(arguments)
    settings = Settings.from_environment()
    if served(settings):
        raise LacertaError(f"The program is running on port {settings.port}: stop it first, it has these files open.")
    with bar("restore") as progress:
        count = restore(settings.var, options.file, options.force, progress)
    print(f"{count} files are back in {settings.var}. make doctor tells whether all is well.")
    return 0


def restore(var: Path, file: Path, force: bool = False, progress: Progress = lambda _: None) -> int:
    """Brings the files of an archive back below `var`; how many these were.

    Each entry of `var` that the archive holds (`index`, `cache`, ...) takes the place of the one there as a whole, by a
    rename; others stay. Raises ConfigurationError where something is there and `force` is not given, NotWhole for an
    archive that is not whole, LacertaError where nothing can be written; then all is as it was.
    """
    if not force and var.is_dir() and any(not path.name.startswith(".") for path in var.iterdir()):
        raise ConfigurationError(
            f"{var} is not empty: set LACERTA_VAR to an empty folder, or give --force to replace what is there."
        )
    try:
        var.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=STAGING, dir=var) as folder:
            fresh, old = Path(folder) / "fresh", Path(folder) / "old"
            fresh.mkdir()
            old.mkdir()
            with file.expanduser().open("rb") as stream:
                count = _unpack(stream, fresh, progress)
            _exchange(fresh, var, old)
    except tarfile.TarError as error:
        raise NotWhole(f"{file} is no whole backup ({error}): take another one.") from error
    except OSError as error:
        name = error.filename or file
        raise LacertaError(f"{name} cannot be used ({error.strerror}): {var} is as it was.") from error
    return count


def _exchange(fresh: Path, var: Path, old: Path) -> None:
    """Moves each entry of `fresh` to `var`, and what was there to `old`; back again if one of them can't be."""
    moved: list[str] = []
    # The indexes last: without them nothing is served that is half of one state and half of another.
    names = sorted((path.name for path in fresh.iterdir()), key=lambda name: (name == "index", name))
    try:
        for name in names:
            if (var / name).exists():
                os.rename(var / name, old / name)
            moved.append(name)
            os.rename(fresh / name, var / name)
    except OSError:
        for name in moved:
            if (var / name).exists():
                os.rename(var / name, fresh / name)
            if (old / name).exists():
                os.rename(old / name, var / name)
        raise


def _unpack(stream: IO[bytes], folder: Path, progress: Progress) -> int:
    """Writes the files of the archive below `folder` and compares them with its list; how many they are."""
    found: dict[str, tuple[int, str]] = {}
    listing: dict[str, Any] | None = None
    free = shutil.disk_usage(folder).free
    with tarfile.open(fileobj=stream, mode="r:") as archive:
        for member in archive:
            if listing is not None:
                raise NotWhole("Something stands behind the list of files at the archive's end: take another backup.")
            content = archive.extractfile(_checked(member, found))
            assert content is not None
            if member.name == LISTING:
                if member.size > _LISTING_BYTES:
                    raise NotWhole(f"The list of files has {member.size} bytes: this is no backup.")
                listing = _listing(content.read())
                continue
            free -= member.size
            if free < 0:
                raise LacertaError(f"There is too little space for the backup below {folder.parent.parent}: free some.")
            target = folder.joinpath(*member.name.split("/"))
            target.parent.mkdir(parents=True, exist_ok=True)
            found[member.name] = _save(content, target, progress)
    if listing is None:
        raise NotWhole("The list of files at its end is missing: the archive was cut off. Take another backup.")
    wanted = {item["name"]: (item["size"], item["sha256"]) for item in listing["files"]}
    wrong = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    if wrong:
        raise NotWhole(f"{len(wrong)} files of the archive are not what its list says, {wrong[0]!r} for one.")
    return len(found)


def _checked(member: tarfile.TarInfo, found: dict[str, Any]) -> tarfile.TarInfo:
    """The member itself. Raises NotWhole for what a backup never holds: links, devices, names that lead elsewhere."""
    parts = member.name.split("/")
    if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.issparse():
        raise NotWhole(f"{member.name!r} is no plain file: this is no backup.")
    odd = any(part in ("", ".", "..") or "\0" in part or "\\" in part for part in parts)
    if odd or len(parts) > _DEEPEST or parts[0].startswith(".") or ":" in parts[0]:
        raise NotWhole(f"{member.name!r} is no name of a file below var: this is no backup.")
    if member.name in found:
        raise NotWhole(f"{member.name!r} stands there twice: this is no backup.")
    return member


def _listing(content: bytes) -> dict[str, Any]:
    try:
        values = json.loads(content)
        if values["format"] != FORMAT:
            raise NotWhole(f"The backup has format {values['format']!r}, this program reads {FORMAT}.")
        for item in values["files"]:
            if not isinstance(item["name"], str) or not isinstance(item["size"], int):
                raise ValueError(item)
            str(item["sha256"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise NotWhole("The list of files at its end can't be read: take another backup.") from error
    return dict(values)


def _save(content: IO[bytes], target: Path, progress: Progress) -> tuple[int, str]:
    """Writes a file that is not there yet; its bytes and their SHA-256."""
    digest, size = hashlib.sha256(), 0
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        while piece := content.read(_PIECE):
            file.write(piece)
            digest.update(piece)
            size += len(piece)
            progress(len(piece))
        file.flush()
        os.fsync(file.fileno())
    return size, digest.hexdigest()
