"""The vector store in files: an embedded Chroma in a folder of the version. Knows nothing of servers."""

import contextlib
import sqlite3
import struct
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from rag.types import Chunk
from rag.vectors import VectorStore

_HEADER = struct.Struct("<i4Q")


class FileVectors(VectorStore):
    """Unit vectors of chunks in `folder`. Open for writing by one process only, and never while it is written."""

    def __init__(self, folder: Path) -> None:
        import chromadb
        from chromadb.config import Settings

        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._written = self._removed = False
        # Chroma's names have at least three characters.
        client = chromadb.PersistentClient(folder, Settings(anonymized_telemetry=False, allow_reset=False))
        super().__init__(client, "chunks-")

    def add(self, chunks: Sequence[Chunk], vectors: np.ndarray) -> None:
        self._written = True
        super().add(chunks, vectors)

    def remove(self, documents: Collection[str]) -> list[str]:
        removed = super().remove(documents)
        self._removed = self._removed or bool(removed)
        self._written = self._written or self._removed
        return removed

    def check(self) -> None:
        pass

    def close(self) -> None:
        self._collections = {}
        self._client.close()
        if self._removed:
            # What SQLite no longer uses it keeps, with what stood there.
            with contextlib.closing(sqlite3.connect(self._folder / "chroma.sqlite3")) as database:
                database.execute("VACUUM")
        if self._written:
            for header in self._folder.glob("*/header.bin"):
                _clear_unused(header)


def _clear_unused(header: Path) -> None:
    """Overwrites the places of a graph's files that hold no chunk yet.

    hnswlib writes them as it found them in memory, with whatever the process had there before, such as the text of a
    document that was removed. The layout is that of its persisted header: version, then 64-bit offset, places in all,
    places taken and bytes a place (github.com/chroma-core/hnswlib).
    """
    content = header.read_bytes()
    if len(content) < _HEADER.size:
        return
    _, _, places, taken, size = _HEADER.unpack_from(content)
    for name, width in (("data_level0.bin", size), ("length.bin", 4)):
        path = header.with_name(name)
        if path.exists() and taken <= places and path.stat().st_size == places * width:
            with path.open("r+b") as file:
                file.seek(taken * width)
                file.write(bytes((places - taken) * width))
