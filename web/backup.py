"""`python -m web backup FILE.tar`: what the program keeps in `var/`, in one file, while it goes on running.

Index versions never change once they are complete, so the current one of each domain is taken as it lies there; SQLite
files are copied by SQLite itself. The archive ends with a list of all files and their SHA-256: without that list it is
not whole. Fetched models are left out unless asked for; what is left out always can be made again.
"""

import argparse
import hashlib
import io
import json
import os
import shutil
import sqlite3
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from rag.errors import ConfigurationError, LacertaError
from rag.index import current_version, domain_index_folder, versions
from rag.settings import Settings
from rag.vectors_server import INSTALLATION

FORMAT = 1
LISTING = "backup.json"
STAGING = ".backup-"
_SQLITE = b"SQLite format 3\x00"
_BESIDE_SQLITE = ("-wal", "-shm", "-journal")
_NOT_KEPT = (*_BESIDE_SQLITE, ".tmp", ".part")
# Measurements, what visitors added for a day, and what logins are signed with: whoever has an archive must not be able
# to make one.
_LEFT_OUT = ("bench", "session.key", "given.sqlite", "visits")
_WAIT_SECONDS = 600.0
_LOOK_SECONDS = 0.5

Progress = Callable[[int], None]


def run(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m web backup", description="Indexes, caches, fetched documents and feedback in one tar file."
    )
    parser.add_argument("file", type=Path, help="the archive to write")
    parser.add_argument("--models", action="store_true", help="fetched models too")
    parser.add_argument("--force", action="store_true", help="in place of a file that is there")
    options = parser.parse_args(arguments)
    settings = Settings.from_environment()
    with bar("backup") as progress:
        count, size = backup(settings, options.file, options.models, options.force, progress)
    print(
        f"{options.file}: {count} files, {size / 1e6:.1f} MB. To bring them back: python -m web restore {options.file}"
    )
    return 0


def backup(
    settings: Settings, file: Path, models: bool = False, force: bool = False, progress: Progress = lambda _: None
) -> tuple[int, int]:
    """Writes the archive, whole or not at all; the number of files in it and their bytes.

    Raises ConfigurationError where it can't stand at `file`, LacertaError where something can't be read or written.
    """
    var, target = settings.var, file.expanduser().resolve()
    if target.is_relative_to(var):
        raise ConfigurationError(f"{file} is inside of {var}, which it is to hold: name a place elsewhere.")
    if target.exists() and not force:
        raise ConfigurationError(f"{file} is there already: name another file, or give --force.")
    if not var.is_dir():
        raise LacertaError(f"There is nothing to keep: {var} is not there. Run make ingest, or set LACERTA_VAR.")
    partial = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        with tempfile.TemporaryDirectory(prefix=STAGING, dir=var) as folder:
            staging = Path(folder)
            stage(settings, staging, models)
            # It may hold what visitors wrote: for its owner alone.
            with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
                written = _write(staging, stream, progress)
                stream.flush()
                os.fsync(stream.fileno())
        os.replace(partial, target)
    except (OSError, sqlite3.Error) as error:
        raise LacertaError(f"The backup could not be made ({error}): check the space and permissions there.") from error
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()
    return written


def stage(settings: Settings, staging: Path, models: bool = False) -> None:
    """Puts what is to be kept into `staging`, in the layout of `var/`: as links where files never change."""
    var = settings.var
    domains = {path.name for top in ("index", "fetched") for path in _folders(var / top)}
    for name in sorted(domains):
        if current_version(settings, name) is not None:
            _stage_version(settings, name, staging / "index" / name)
        if (var / "fetched" / name).is_dir():
            _stage_steady(var / "fetched" / name, staging / "fetched" / name)
    # Restored elsewhere, an ingest there would otherwise delete the vectors of this installation from a common server.
    skipped = {"index", "fetched", INSTALLATION, LISTING, *_LEFT_OUT, *(() if models else ("models",))}
    for path in sorted(var.iterdir()):
        if path.name not in skipped and not path.name.startswith("."):
            _copy(path, staging / path.name)


@contextmanager
def bar(name: str) -> Iterator[Progress]:
    """A progress bar of bytes on standard error, on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from tqdm import tqdm

    with tqdm(desc=name, unit="B", unit_scale=True, delay=1, leave=False) as shown:

        def show(count: int) -> None:
            shown.update(count)

        yield show


def _folders(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []


def _stage_version(settings: Settings, name: str, target: Path) -> None:
    """The current version of a domain's index; begins anew where an ingest removed it meanwhile.

    No lock is taken: an ingest that met it would give up.
    """
    for _ in _attempts(name):
        version = current_version(settings, name) or ""
        # Without a manifest it is none.
        if version not in versions(settings, name):
            return
        source = domain_index_folder(settings, name) / version
        before = _listing(source).keys()
        with suppress(FileNotFoundError):
            _copy(source, target / version)
            if before == _listing(source).keys() == _listing(target / version).keys():
                (target / "CURRENT").write_text(f"{version}\n", encoding="utf-8")
                return
        shutil.rmtree(target, ignore_errors=True)


def _stage_steady(source: Path, target: Path) -> None:
    """A folder whose files belong together; begins anew where one changed meanwhile."""
    for _ in _attempts(source.name):
        before = _listing(source)
        with suppress(FileNotFoundError):
            _copy(source, target)
            if before == _listing(source):
                return
        shutil.rmtree(target, ignore_errors=True)


def _attempts(name: str) -> Iterator[None]:
    """One after the other. Raises LacertaError after minutes."""
    latest = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < latest:
        yield
        time.sleep(_LOOK_SECONDS)
    raise LacertaError(
        f'"{name}" has been changing for {_WAIT_SECONDS:.0f} s: make the backup when its ingest is done.'
    )


def _listing(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of each file but SQLite's journals, which come and go."""
    found = {}
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            if path.is_file() and not path.is_symlink() and not path.name.endswith(_NOT_KEPT):
                state = path.stat()
                found[path.relative_to(folder).as_posix()] = (state.st_size, state.st_mtime_ns)
    return found


def _copy(source: Path, target: Path) -> None:
    """A file or folder: SQLite files by SQLite, others as links or, across disks, copies. Links lead nowhere here."""
    if source.is_symlink():
        return
    if source.is_dir():
        for path in sorted(source.iterdir()):
            if not path.name.endswith((".tmp", ".part")):
                _copy(path, target / path.name)
        return
    if not source.is_file() or (source.name.endswith(_BESIDE_SQLITE) and _is_sqlite(_owner(source))):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if _is_sqlite(source):
        # A connection that may only read leaves journals behind.
        address = f"{source.resolve().as_uri()}?mode=rw"
        with closing(sqlite3.connect(address, uri=True)) as held, closing(sqlite3.connect(target)) as copy:
            held.backup(copy)
        return
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _owner(path: Path) -> Path:
    """The SQLite file that a journal of this name would belong to."""
    return path.with_name(path.name.rpartition("-")[0])


def _is_sqlite(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_SQLITE)) == _SQLITE
    except OSError:
        return False


class _Counted:
    """Reads a file, hashing what is read."""

    def __init__(self, file: BinaryIO, progress: Progress) -> None:
        self._file = file
        self._progress = progress
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(size)
        self.digest.update(piece)
        self._progress(len(piece))
        return piece


def _write(staging: Path, stream: BinaryIO, progress: Progress) -> tuple[int, int]:
    listed = []
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(path for path in staging.rglob("*") if path.is_file()):
            name = path.relative_to(staging).as_posix()
            with path.open("rb") as file:
                counted = _Counted(file, progress)
                member = _member(name, os.fstat(file.fileno()).st_size)
                archive.addfile(member, counted)
            listed.append({"name": name, "size": member.size, "sha256": counted.digest.hexdigest()})
        values = {"format": FORMAT, "created": datetime.now(UTC).isoformat(timespec="seconds"), "files": listed}
        content = json.dumps(values, ensure_ascii=False, indent=1).encode()
        archive.addfile(_member(LISTING, len(content)), io.BytesIO(content))
    return len(listed), sum(int(str(item["size"])) for item in listed)


def _member(name: str, size: int) -> tarfile.TarInfo:
    """Without names or ids of users: they are not the same elsewhere."""
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = size, 0o600, int(time.time())
    return member
