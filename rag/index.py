"""Index versions on disk: a folder a version, a manifest written last, a pointer swapped atomically.

`var/index/<domain>/<version>/{chroma,lexical,table,manifest.json}` and `var/index/<domain>/CURRENT`. A version is
complete when its manifest exists; it never changes afterwards. With a vector server, `chroma` is there instead.
"""

import json
import os
import shutil
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from rag.embed import bundled_student
from rag.errors import IndexUnavailable, LacertaError
from rag.hold import hold
from rag.lexical import LexicalIndex, terms_of
from rag.settings import Settings
from rag.table import ChunkTable, ChunkTableWriter
from rag.types import Chunk
from rag.vectors import VectorStore
from rag.vectors_files import FileVectors
from rag.vectors_server import VectorServer

FORMAT = 3
_MANIFEST = "manifest.json"
_CURRENT = "CURRENT"
# How many vectors are read back, and how far those of the table, of half precision, may be from the store's.
_SAMPLE = 20
_ROUNDED = 2e-3


@dataclass(frozen=True, slots=True)
class DocumentRecord:
    """A document of a version. `names` are the paths of all files with this content, `source` the first of them.

    `size` is in bytes, `sha256` that of the file. `origin` stands for what was known of it beside its content, `digest`
    for its chunks.
    """

    id: str
    source: str
    title: str
    language: str
    kind: str
    sha256: str
    size: int
    pages: int
    chunks: int
    names: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    origin: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a version holds and how it was made. `created` is ISO 8601 UTC; `digest` depends on the content alone.

    `removed` is the number of chunks that were removed since a version was last built from nothing; `store` the address
    of the server that holds the vectors, empty where they are in files.
    """

    domain: str
    version: str
    created: str
    embedder: str
    dimension: int
    splitter: str
    documents: tuple[DocumentRecord, ...]
    chunks: int
    digest: str
    removed: int = 0
    store: str = ""
    format: int = FORMAT

    def save(self, folder: Path) -> None:
        """Writes the manifest into a version's folder, whole or not at all."""
        # Not asdict: it copies what thousands of documents hold, which takes longer than all else.
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        names = [item.name for item in fields(DocumentRecord)]
        values["documents"] = [{name: getattr(record, name) for name in names} for record in self.documents]
        _write_atomically(folder / _MANIFEST, json.dumps(values, ensure_ascii=False, indent=1))

    @classmethod
    def load(cls, folder: Path) -> "Manifest":
        """Raises IndexUnavailable where there is none or it is not one of ours."""
        try:
            values: dict[str, Any] = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
            if values.get("format") != FORMAT:
                raise IndexUnavailable(f"{folder} has format {values.get('format')}, this program reads {FORMAT}.")
            documents = tuple(
                DocumentRecord(**{**record, "names": tuple(record["names"])}) for record in values.pop("documents")
            )
            return cls(documents=documents, **values)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise IndexUnavailable(f"{folder} holds no readable manifest: {error}") from error


def domain_index_folder(settings: Settings, domain: str) -> Path:
    return settings.var / "index" / domain


def versions(settings: Settings, domain: str) -> list[str]:
    """Names of the complete versions, oldest first."""
    return sorted(path.parent.name for path in domain_index_folder(settings, domain).glob(f"*/{_MANIFEST}"))


def current_version(settings: Settings, domain: str) -> str | None:
    """The version that `CURRENT` names, None where there is no index yet."""
    try:
        return (domain_index_folder(settings, domain) / _CURRENT).read_text(encoding="utf-8").strip() or None
    except FileNotFoundError:
        return None


def publish(settings: Settings, domain: str, version: str) -> None:
    """Makes a complete version the current one. Raises IndexUnavailable if it is not complete."""
    folder = domain_index_folder(settings, domain)
    Manifest.load(folder / version)
    _write_atomically(folder / _CURRENT, version + "\n")


def _write_atomically(path: Path, text: str) -> None:
    aside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with aside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(aside, path)
    # The rename itself is durable only once its folder is.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class IndexWriter:
    """Builds the indexes of a version in an empty folder, from nothing or from another version.

    With `base`, the folder of a version, it begins with that one's chunks, those of the documents `without` left out;
    `removed` tells how many these were. Vectors go to `server`, into the folder where there is none.
    """

    def __init__(
        self,
        folder: Path,
        dimension: int,
        base: Path | None = None,
        without: Collection[str] = (),
        server: VectorServer | None = None,
    ) -> None:
        self._dimension = dimension
        table = ChunkTable(base / "table") if base else None
        if base:
            shutil.copytree(base / "lexical", folder / "lexical")
        self._folder = folder
        self._vectors, gone = _begun(folder, base, table, without, server)
        self._lexical = LexicalIndex(folder / "lexical")
        self._table = ChunkTableWriter(folder / "table", dimension)
        self._count = self.removed = 0
        if table is not None:
            kept = np.ones(len(table), bool)
            kept[table.find(gone)] = False
            self._table.copy(table, kept)
            self._lexical.remove(frozenset(gone), table)
            self._count, self.removed = int(kept.sum()), len(gone)

    def add(self, chunks: Sequence[Chunk], vectors: np.ndarray) -> None:
        """Adds `(n,)` chunks with their `(n, dimension)` float32 unit rows."""
        if vectors.shape != (len(chunks), self._dimension):
            raise LacertaError(f"{len(chunks)} chunks need {(len(chunks), self._dimension)} vectors: {vectors.shape}.")
        self._vectors.add(chunks, vectors)
        terms = [terms_of(chunk) for chunk in chunks]
        self._lexical.add(chunks, terms)
        texts = ["\n".join((chunk.title, *chunk.headings, chunk.text)) for chunk in chunks]
        self._table.add(chunks, vectors, bundled_student().pieces(texts), terms)
        self._count += len(chunks)

    def finish(self) -> int:
        """Commits and closes; the number of chunks. Raises LacertaError unless the indexes agree on all of them."""
        self._lexical.commit()
        dense, lexical, rows = self._vectors.counts(), self._lexical.counts(), self._table.finish()
        kept = self._sample_agrees()
        self._vectors.close()
        if dense != lexical or not sum(dense.values()) == rows == self._count or not kept:
            raise LacertaError(
                f"The new version is not consistent: it should have {self._count} chunks, the vector store holds"
                f" {dense}, the lexical index {lexical}, the table {rows}, and vectors read back are"
                f" {'the same' if kept else 'others'}. Nothing was published; run the ingest again with --rebuild."
            )
        return self._count

    def _sample_agrees(self) -> bool:
        """Whether the vectors of some chunks, spread over all, are in the store what they are in the table."""
        table = ChunkTable(self._folder / "table")
        if not len(table):
            return True
        places = np.unique(np.linspace(0, len(table) - 1, _SAMPLE).astype(np.int64))
        names = [chunk.id for chunk in table.chunks_at(places)]
        stored = self._vectors.rows(names)
        rows = table.rows(names).vectors
        return all(
            name in stored and float(np.abs(stored[name] - row).max()) < _ROUNDED
            for name, row in zip(names, rows, strict=True)
        )

    def abandon(self) -> None:
        """Closes without a check, for a build that failed."""
        self._lexical.abandon()
        self._table.close()
        self._vectors.close()


def _begun(
    folder: Path, base: Path | None, table: ChunkTable | None, without: Collection[str], server: VectorServer | None
) -> tuple[VectorStore, list[str]]:
    """The vectors of a new version, which are those of `base` but for some documents, and the ids of the latter's."""
    if server is None:
        if base:
            shutil.copytree(base / "chroma", folder / "chroma")
        files = FileVectors(folder / "chroma")
        return files, files.remove(without) if without else []
    served = server.open(folder, writing=True)
    if not base or table is None:
        return served, []
    with closing(server.open(base)) as other:
        return served, served.take(other, table.all_chunks(), without)


@dataclass(frozen=True, slots=True)
class Index:
    """An open version, read-only, shared by all questions. While it is open, no ingest removes it."""

    manifest: Manifest
    vectors: VectorStore
    lexical: LexicalIndex
    table: ChunkTable
    release: Callable[[], None]

    @classmethod
    def open(cls, settings: Settings, domain: str, embedder_name: str) -> "Index":
        """The current version. Raises IndexUnavailable where there is none, or if another embedder built it."""
        version = current_version(settings, domain)
        if version is None:
            raise IndexUnavailable(f'There is no index for "{domain}" yet: run make ingest DOMAIN={domain}.')
        folder = domain_index_folder(settings, domain) / version
        return cls.open_folder(folder, embedder_name, VectorServer.of(settings))

    @classmethod
    def open_folder(cls, folder: Path, embedder_name: str, server: VectorServer | None = None) -> "Index":
        """The version in `folder`, which must hold a manifest, with its vectors on `server` or in files."""
        manifest = Manifest.load(folder)
        store = server.address if server else ""
        if manifest.store != store:
            raise IndexUnavailable(
                f'The vectors of "{manifest.domain}" are {_place(manifest.store)}, by LACERTA_CHROMA they should be'
                f" {_place(store)}: run make ingest DOMAIN={manifest.domain}."
            )
        if manifest.embedder != embedder_name:
            raise IndexUnavailable(
                f'The index of "{manifest.domain}" was built with the embedder {manifest.embedder}, settings ask for '
                f"{embedder_name}: run make ingest DOMAIN={manifest.domain}."
            )
        return cls.of(folder, manifest, server)

    @classmethod
    def of(cls, folder: Path, manifest: Manifest, server: VectorServer | None = None) -> "Index":
        """The indexes in `folder`, whose manifest may not be written yet. Raises IndexUnavailable for broken ones."""
        with ExitStack() as opened:
            try:
                release = hold(folder)
                opened.callback(release)
                table = ChunkTable(folder / "table")
            except (OSError, ValueError) as error:
                raise IndexUnavailable(
                    f'The index of "{manifest.domain}" is damaged ({error}): run python -m ingest {manifest.domain}'
                    " --rebuild."
                ) from error
            vectors = server.open(folder) if server else FileVectors(folder / "chroma")
            opened.callback(vectors.close)
            if server and (held := sum(vectors.counts().values())) != manifest.chunks:
                raise IndexUnavailable(
                    f"The vector server at {server.address} holds {held} of {manifest.chunks} vectors of"
                    f' "{manifest.domain}": run make ingest DOMAIN={manifest.domain}.'
                )
            index = cls(manifest, vectors, LexicalIndex(folder / "lexical"), table, release)
            opened.pop_all()
            return index

    @property
    def groups(self) -> tuple[str, ...]:
        """The language groups that hold chunks."""
        return tuple(self.lexical.counts())

    def chunks(self, names: Sequence[str]) -> list[Chunk]:
        """The chunks with these ids, in that order; unknown ids are left out."""
        return self.table.chunks(names)

    def close(self) -> None:
        self.vectors.close()
        self.release()


def _place(store: str) -> str:
    return f"on {store}" if store else "in files"
