"""The index of a visitor's own documents: a file read into chunks, and versions with more or fewer documents.

Knows nothing of who waits for it.
"""

import shutil
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.blocks import Loaded
from ingest.build import document_of, record_of
from ingest.loaders.errors import LoadError
from ingest.plan import Content
from ingest.sources import SourceFile
from ingest.split import split
from rag.hold import in_use
from rag.index import DocumentRecord, IndexWriter, Manifest
from rag.types import Chunk
from rag.visits import OWN, OwnFile, current, make_current

if TYPE_CHECKING:
    import numpy as np

PAGE_CHARACTERS = 4_000
"""What counts as a page of a file that has none, or more on one."""
_DOMAIN = "own"
# What a reason speaks of, by the code that it is told under; the first that fits counts.
_CODES = (
    ("protected", ("password", "DRM")),
    ("no_text", ("text recognition", "recognised", "holds no text", "no text", "without text", "empty", "no rows")),
    ("too_slow", ("took more than",)),
    ("too_large", ("split it", "make it smaller", "times its size", "are unpacked", "memory")),
    ("unsupported", ("not read", "neither text nor", "none of them", "save it as DOCX", "export it as PDF", ".msg")),
)


@dataclass(frozen=True, slots=True)
class Read:
    """A document that was read: what is known of it, and its chunks."""

    record: DocumentRecord
    chunks: tuple[Chunk, ...]


class TooLong(LoadError):
    """A document has more pages than it may have."""


def read(path: Path, file: OwnFile, loaded: Loaded, pages: int) -> Read:
    """The document of a file that was loaded from `path`. Raises LoadError, TooLong where it has more `pages`."""
    characters = sum(len(block.text) for page in loaded.pages for block in page)
    count = max(len(loaded.pages), -(-characters // PAGE_CHARACTERS))
    if count > pages:
        raise TooLong(f"it has {count:,} pages, or as much text, at most {pages:,} are read: split it")
    content = Content(file.sha256, file.size, (SourceFile(path, file.name),))
    document = replace(document_of(_DOMAIN, content, loaded), id=OWN + file.sha256[:32])
    chunks = split(document, loaded.pages)
    if not chunks:
        raise LoadError("it holds no text: fill it or remove it")
    record = record_of(document, content, loaded, chunks)
    # Its file is found by the name that it has here.
    return Read(replace(record, names=(file.name, file.file)), tuple(chunks))


def code_of(error: LoadError) -> str:
    """The code of a reason: `protected`, `no_text`, `too_slow`, `too_large`, `unsupported` or `damaged`."""
    if isinstance(error, TooLong):
        return "too_many_pages"
    reason = str(error)
    return next((code for code, signs in _CODES if any(sign in reason for sign in signs)), "damaged")


def publish(
    folder: Path,
    embedder: str,
    dimension: int,
    gone: Collection[str] = (),
    added: Read | None = None,
    vectors: "np.ndarray | None" = None,
) -> None:
    """Makes a version of a visit's index without the documents `gone`, with the one `added`, the current one.

    `vectors` are the (n, dimension) rows of its chunks. Whoever calls it holds the visit's lock. Nothing is changed
    where it fails.
    """
    base = current(folder)
    before = Manifest.load(base) if base else None
    kept = [record for record in before.documents if record.id not in gone] if before else []
    records = [*kept, *([added.record] if added else [])]
    if not records:
        make_current(folder, "")
    else:
        version = f"{time.time_ns():020d}"
        building = folder / version
        building.mkdir(mode=0o700)
        try:
            writer = IndexWriter(building, dimension, base if kept else None, gone if kept else ())
            try:
                if added is not None and vectors is not None:
                    writer.add(added.chunks, vectors)
            except BaseException:
                writer.abandon()
                raise
            chunks = writer.finish()
            created = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
            Manifest(_DOMAIN, version, created, embedder, dimension, "", tuple(records), chunks, "").save(building)
            make_current(folder, version)
        except BaseException:
            shutil.rmtree(building, ignore_errors=True)
            raise
    remove_old_versions(folder)


def remove_old_versions(folder: Path) -> None:
    """Removes what is not searched any more. Whoever calls it holds the visit's lock."""
    serving = current(folder)
    for path in versions(folder):
        if path != serving and not in_use(path):
            shutil.rmtree(path, ignore_errors=True)


def versions(folder: Path) -> Sequence[Path]:
    """The folders of a visit's index versions."""
    return [path for path in folder.iterdir() if path.name.isdecimal() and path.is_dir()]
