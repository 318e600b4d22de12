"""Reads visitors' own documents, one after the other, and puts them into the indexes of their visits.

A file that is being read is claimed: where its process ends, whoever is asked for it next goes on. Nobody else changes
a visit while its lock is held.
"""

import logging
import os
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ingest.loaders.errors import LoadError
from ingest.split import embedding_text
from ingest.visit_files import SOURCES, claimed, is_full, locked
from ingest.visit_index import Read, code_of, publish, read
from ingest.worker import Worker
from rag.answer import Engine
from rag.embed import embedding_fingerprint
from rag.errors import LacertaError
from rag.types import Chunk
from rag.visits import EMBEDDING, FAILED, READING, READY, OwnFile, folder_of, load_files, save_files

_LOG = logging.getLogger(__name__)

# What one file may take to be read: between two signs of life of its parser, and in all.
_SILENT_SECONDS = 60.0
_FILE_SECONDS = 300.0
_ATTEMPTS = 3
_BATCH = 32
# Of the progress of a file, what is done when it was read and when it is to be written.
_READ_SHARE, _EMBEDDED_SHARE = 0.2, 0.95
_TELL_SECONDS = 0.5
# Files that wait in this process, of all visits.
_WAITING_FILES = 200
_PARSER_SECONDS = 30.0


class _Gone(Exception):
    """A file was removed while it was worked on."""


class _Job(NamedTuple):
    """A file to index; `claim` is what keeps others from it."""

    place: str
    file: str
    claim: int


class Reader:
    """Reads on a thread of its own, from the first file until `close`. Thread-safe."""

    def __init__(self, engine: Engine) -> None:
        self.settings = engine.settings
        self._engine = engine
        self._worker = Worker(_SILENT_SECONDS)
        self._queue: OrderedDict[str, deque[_Job]] = OrderedDict()
        self._known: set[tuple[str, str]] = set()
        self._working: tuple[str, str] | None = None
        self._condition = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    @property
    def is_full(self) -> bool:
        """Whether so many files wait that no more should."""
        with self._condition:
            return self._closed or len(self._known) >= _WAITING_FILES

    def stop(self, place: str, file: str = "") -> None:
        """Ends what is being read of a visit, or where it is that file."""
        with self._condition:
            if self._working and self._working[0] == place and file in ("", self._working[1]):
                self._worker.stop()

    def close(self) -> None:
        """Ends what is being read."""
        with self._condition:
            self._closed = True
            jobs = [job for waiting in self._queue.values() for job in waiting]
            self._queue.clear()
            self._condition.notify_all()
        for job in jobs:
            os.close(job.claim)
        self._worker.stop()
        if self._thread:
            self._thread.join()
        self._worker.stop()

    def enqueue(self, place: str, file: str) -> None:
        """Has a file read, unless that is done already."""
        with self._condition:
            if (place, file) in self._known or self._closed:
                return
            claim = claimed(folder_of(self.settings, place) / SOURCES / file)
            if claim is None:
                return
            self._known.add((place, file))
            self._queue.setdefault(place, deque()).append(_Job(place, file, claim))
            self._condition.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="reading", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while True:
            with self._condition:
                if not self._condition.wait_for(lambda: self._queue or self._closed, _PARSER_SECONDS):
                    # An idle parser takes memory.
                    self._worker.stop()
                    continue
                if self._closed:
                    return
                # Each visit in turn, so that none waits for all files of another one.
                place, jobs = self._queue.popitem(last=False)
                job = jobs.popleft()
                if jobs:
                    self._queue[place] = jobs
                self._working = (job.place, job.file)
            try:
                self._index(job)
            except Exception:
                _LOG.exception("A visitor's document could not be indexed")
            finally:
                os.close(job.claim)
                with self._condition:
                    self._working = None
                    self._known.discard((job.place, job.file))

    def _index(self, job: _Job) -> None:
        folder = folder_of(self.settings, job.place)
        try:
            self._read_and_write(folder, job.file)
        except _Gone:
            return
        except LoadError as error:
            self._failed(folder, job.file, code_of(error), str(error))
        except Exception as error:
            if not folder.exists():
                return
            full = is_full(error, folder)
            if not full:
                _LOG.exception("A visitor's document could not be indexed")
            self._failed(folder, job.file, "disk_full" if full else "internal", "")

    def _failed(self, folder: Path, name: str, code: str, reason: str) -> None:
        if self._closed:
            # It was this process that ended.
            return
        with suppress(_Gone):
            self._change(folder, name, state=FAILED, code=code, reason=reason, share=0.0)
            (folder / SOURCES / name).unlink(missing_ok=True)

    def _read_and_write(self, folder: Path, name: str) -> None:
        file = self._change(folder, name, state=READING)
        if file.attempts >= _ATTEMPTS:
            raise LacertaError("A document was begun several times, and each time the program ended.")
        file = self._change(folder, name, attempts=file.attempts + 1)
        path = folder / SOURCES / name
        stop = threading.Timer(_FILE_SECONDS, self._worker.stop)
        stop.start()
        try:
            loaded, digest = self._worker.load(path, file.name)
        except LoadError as error:
            if not stop.is_alive() and not self._closed:
                raise LoadError(f"reading it took more than {_FILE_SECONDS:g} s and was stopped: split it") from error
            raise
        finally:
            stop.cancel()
        if digest != file.sha256:
            raise LoadError("it is not what was sent any more: add it again")
        found = read(path, file, loaded, self.settings.visit_pages)
        self._change(folder, name, state=EMBEDDING, share=_READ_SHARE)
        vectors = self._embedded(folder, name, found.chunks)
        self._publish(folder, name, found, vectors)

    def _publish(self, folder: Path, name: str, found: Read, vectors: np.ndarray) -> None:
        embedder = self._engine.embedder
        with locked(folder):
            files = load_files(folder)
            if not any(file.file == name for file in files or ()):
                raise _Gone
            # Where a process ended between the two, the document is there already.
            gone = {found.record.id}
            publish(folder, embedding_fingerprint(embedder), embedder.dimension, gone, found, vectors)
            done: dict[str, Any] = {
                "state": READY, "share": 1.0, "document": found.record.id, "pages": found.record.pages,
                "chunks": found.record.chunks,
            }  # fmt: skip
            save_files(folder, [replace(file, **done) if file.file == name else file for file in files or ()])

    def _embedded(self, folder: Path, name: str, chunks: Sequence[Chunk]) -> np.ndarray:
        """The (n, dimension) rows of the chunks; tells how far it is."""
        rows = []
        told = time.monotonic()
        for start in range(0, len(chunks), _BATCH):
            texts = [embedding_text(chunk) for chunk in chunks[start : start + _BATCH]]
            rows.append(np.ascontiguousarray(self._engine.embed(texts), dtype=np.float32))
            if self._closed:
                raise _Gone
            if time.monotonic() - told > _TELL_SECONDS:
                told = time.monotonic()
                done = min(1.0, (start + _BATCH) / len(chunks))
                share = _READ_SHARE + (_EMBEDDED_SHARE - _READ_SHARE) * done
                self._change(folder, name, share=round(share, 3))
        return np.concatenate(rows)

    def _change(self, folder: Path, name: str, **values: Any) -> OwnFile:
        """Changes what is known of a file. Raises _Gone where it is not there any more."""
        try:
            with locked(folder):
                files = load_files(folder) or ()
                changed = [replace(file, **values) if file.file == name else file for file in files]
                found = next((file for file in changed if file.file == name), None)
                if found is None:
                    raise _Gone
                save_files(folder, changed)
                return found
        except FileNotFoundError:
            raise _Gone from None
