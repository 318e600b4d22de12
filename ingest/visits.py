"""Documents that visitors add to a conversation: taken in, had read, and deleted again.

Several processes may serve the same visits: what is known of them is on disk, and a lock is held where it is changed.
"""

import hashlib
import itertools
import logging
import os
import secrets
import shutil
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ingest.visit_files import (
    PART,
    SOURCES,
    SPARE_BYTES,
    VisitFailed,
    disk_full,
    drop_if_empty,
    explained,
    locked,
    no_room,
    shown_name,
    size_of,
    too_large,
    too_many,
    unknown_visit,
)
from ingest.visit_index import publish, remove_old_versions
from ingest.visit_reader import Reader
from rag.answer import Engine
from rag.embed import embedding_fingerprint
from rag.errors import IndexUnavailable
from rag.index import Manifest
from rag.visits import (
    FAILED,
    IDENTIFIER,
    LISTING,
    READY,
    WAITING,
    OwnFile,
    current,
    folder_of,
    load_files,
    make_current,
    save_files,
    touch,
    visits_folder,
)

_LOG = logging.getLogger(__name__)

_GONE = ".gone-"
# How old the sum of what all visits take may be.
_COUNTED_SECONDS = 5.0
_SWEEP_SECONDS = 60.0
_UNFINISHED_SECONDS = 3600.0


class Visits:
    """The visits of an installation, as one process works on them. Thread-safe; all methods block."""

    def __init__(self, engine: Engine) -> None:
        self.settings = engine.settings
        self._engine = engine
        self._reader = Reader(engine)
        self._sweeper: threading.Thread | None = None
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._arriving = 0
        self._counted = (0.0, 0)

    def start(self) -> None:
        """From now on what is out of date is deleted, on a thread of its own that ends with `close`."""
        self._sweeper = threading.Thread(target=self._look_after, name="visits", daemon=True)
        self._sweeper.start()

    def close(self) -> None:
        """Ends what is being read; whoever is asked for it next goes on."""
        self._closed.set()
        self._reader.close()
        if self._sweeper:
            self._sweeper.join()

    def receive(self, place: str, name: str, size: int | None = None) -> "Incoming":
        """Begins to take in a file of so many bytes, as far as that is known. Raises VisitFailed, OSError."""
        settings = self.settings
        if not settings.visit_uploads:
            raise VisitFailed("uploads_off", "Documents of one's own are not taken in here: LACERTA_VISIT_UPLOADS.")
        folder = folder_of(settings, place)
        if len(load_files(folder) or ()) >= settings.visit_files:
            raise too_many(settings.visit_files)
        if size is not None and size > settings.visit_file_bytes:
            raise too_large(settings.visit_file_bytes)
        if self._reader.is_full:
            raise VisitFailed("busy", "Too many documents are being read. Try again in a minute.")
        if self._used() + (size or 0) > settings.visit_bytes:
            raise no_room(settings.visit_bytes)
        settings.var.mkdir(parents=True, exist_ok=True)
        for path in (visits_folder(settings), folder, folder / SOURCES):
            path.mkdir(mode=0o700, exist_ok=True)
        if shutil.disk_usage(folder).free < (size or 0) + SPARE_BYTES:
            drop_if_empty(folder)
            raise disk_full()
        return Incoming(self, place, folder, shown_name(name))

    def files(self, place: str) -> tuple[OwnFile, ...]:
        """The files of a visit in the order in which they came. Raises VisitFailed where there is none."""
        folder = folder_of(self.settings, place)
        files = load_files(folder)
        if files is None:
            raise unknown_visit()
        touch(folder)
        with suppress(OSError):
            if self._outdated(folder):
                self._begin_anew(folder)
                files = load_files(folder) or ()
            for file in files:
                if file.open:
                    self._reader.enqueue(place, file.file)
        return files

    def remove(self, place: str, file: str = "") -> tuple[OwnFile, ...]:
        """Deletes a file of a visit, or all of it; the files that are left. Raises VisitFailed where it is not there.

        Nothing of it is left on the disk afterwards, or where another process is just reading it a few minutes later.
        """
        folder = folder_of(self.settings, place)
        if not file:
            self._delete(place)
            return ()
        try:
            with locked(folder):
                files = load_files(folder) or ()
                found = next((item for item in files if item.file == file), None)
                if found is None:
                    raise VisitFailed("unknown_file", "There is no such document here any more.")
                self._reader.stop(place, file)
                if found.document:
                    embedder = self._engine.embedder
                    self._engine.visits.forget(place)
                    publish(folder, embedding_fingerprint(embedder), embedder.dimension, {found.document})
                (folder / SOURCES / found.file).unlink(missing_ok=True)
                left = tuple(item for item in files if item.file != file)
                save_files(folder, left)
        except FileNotFoundError:
            raise unknown_visit() from None
        self._engine.visits.forget(place)
        return left

    def sweep(self) -> None:
        """Deletes visits that were not used for as long as they are kept, and what was left of others."""
        home = visits_folder(self.settings)
        for path in sorted(home.iterdir()) if home.is_dir() else ():
            if path.name.startswith(_GONE):
                shutil.rmtree(path, ignore_errors=True)
            elif IDENTIFIER.fullmatch(path.name):
                with suppress(OSError, VisitFailed):
                    self._sweep(path)

    def _sweep(self, folder: Path) -> None:
        listing = folder / LISTING
        is_listed = listing.exists()
        kept = self.settings.visit_hours * 3600 if is_listed else _UNFINISHED_SECONDS
        if time.time() - (listing if is_listed else folder).stat().st_mtime > kept:
            self._delete(folder.name)
            return
        for path in (folder / SOURCES).glob(f"*{PART}"):
            if time.time() - path.stat().st_mtime > _UNFINISHED_SECONDS:
                path.unlink(missing_ok=True)
        with locked(folder, wait=False):
            remove_old_versions(folder)

    def _delete(self, place: str) -> None:
        folder = folder_of(self.settings, place)
        gone = folder.with_name(_GONE + secrets.token_hex(8))
        try:
            # At once, whatever is still done in it.
            folder.rename(gone)
        except FileNotFoundError:
            raise unknown_visit() from None
        self._reader.stop(place)
        self._engine.visits.forget(place)
        shutil.rmtree(gone, ignore_errors=True)

    def arriving(self, size: int) -> None:
        """So many bytes more, or fewer, are arriving. Raises VisitFailed where there is no room for them."""
        with self._lock:
            self._arriving += size
        if size > 0 and self._used() > self.settings.visit_bytes:
            raise no_room(self.settings.visit_bytes)

    def _used(self) -> int:
        """Bytes that all visits take on the disk, with those that are arriving."""
        then, size = self._counted
        if time.monotonic() - then > _COUNTED_SECONDS or not then:
            # What is deleted meanwhile is passed over.
            walked = os.walk(visits_folder(self.settings))
            size = sum(size_of(Path(folder, name)) for folder, *within in walked for name in itertools.chain(*within))
            self._counted = (time.monotonic(), size)
        return size + self._arriving

    def arrived(self, place: str, folder: Path, file: OwnFile) -> OwnFile:
        """A file that is there as a whole is listed; another one with the same content is that one."""
        try:
            with locked(folder):
                files = load_files(folder) or ()
                same = next((item for item in files if item.sha256 == file.sha256), None)
                if same and same.state != FAILED:
                    (folder / SOURCES / file.file).unlink()
                    return same
                left = tuple(item for item in files if item is not same)
                if len(left) >= self.settings.visit_files:
                    raise too_many(self.settings.visit_files)
                save_files(folder, (*left, file))
                if same:
                    (folder / SOURCES / same.file).unlink(missing_ok=True)
        except FileNotFoundError:
            raise unknown_visit() from None
        self._counted = (0.0, 0)
        self._reader.enqueue(place, file.file)
        return file

    def _outdated(self, folder: Path) -> bool:
        """Whether the index was made by another embedder, or is damaged."""
        version = current(folder)
        if version is None:
            return False
        try:
            return Manifest.load(version).embedder != embedding_fingerprint(self._engine.embedder)
        except IndexUnavailable:
            return current(folder) == version

    def _begin_anew(self, folder: Path) -> None:
        with locked(folder):
            if self._outdated(folder):
                make_current(folder, "")
                ready = load_files(folder) or ()
                save_files(folder, [_waiting(file) if file.state == READY else file for file in ready])

    def _look_after(self) -> None:
        while True:
            try:
                self.sweep()
                self._engine.visits.tidy()
            # Whatever it is, it must not be the last time.
            except Exception:
                _LOG.exception("Old documents of visitors could not be deleted")
            if self._closed.wait(_SWEEP_SECONDS):
                return


class Incoming:
    """A file on its way here. `finish` or `abandon` must be called."""

    def __init__(self, visits: Visits, place: str, folder: Path, name: str) -> None:
        self._visits = visits
        self._place = place
        self._folder = folder
        self._name = name
        self._file = secrets.token_hex(8)
        self._digest = hashlib.sha256()
        self._size = 0
        self._path = folder / SOURCES / f"{self._file}{PART}"
        self._stream = os.fdopen(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")

    def write(self, piece: bytes) -> None:
        """Raises VisitFailed where it is too large, or there is no room for it."""
        visits, settings = self._visits, self._visits.settings
        self._size += len(piece)
        visits.arriving(len(piece))
        if self._size > settings.visit_file_bytes:
            raise too_large(settings.visit_file_bytes)
        try:
            self._stream.write(piece)
        except OSError as error:
            raise explained(error) from error
        self._digest.update(piece)

    def finish(self) -> OwnFile:
        """The file as it is listed from now on. Raises VisitFailed."""
        try:
            if not self._size:
                raise VisitFailed("empty", "The file is empty.")
            self._stream.close()
            os.replace(self._path, self._path.with_name(self._file))
            file = OwnFile(self._file, self._name, self._size, self._digest.hexdigest())
            try:
                return self._visits.arrived(self._place, self._folder, file)
            except VisitFailed:
                self._path.with_name(self._file).unlink(missing_ok=True)
                raise
        except FileNotFoundError:
            raise unknown_visit() from None
        except OSError as error:
            raise explained(error) from error
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Leaves nothing of it behind; nothing happens to a file that is finished."""
        self._visits.arriving(-self._size)
        self._size = 0
        with suppress(OSError):
            self._stream.close()
        with suppress(OSError):
            self._path.unlink()
        drop_if_empty(self._folder)


def _waiting(file: OwnFile) -> OwnFile:
    return replace(file, state=WAITING, share=0.0, document="", pages=0, chunks=0, attempts=0)
