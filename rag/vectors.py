"""The vector store: chunks with their vectors in an embedded Chroma, one collection a language group.

The only module that knows chromadb. One collection a language, because the best of each language are needed anyway
and a plain query is many times faster than a filtered one.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rag.types import Chunk

GROUPS = ("en", "hu", "ko", "other")
"""Language groups of an index; a chunk in any further language belongs to `other`."""


def group_of(language: str) -> str:
    """The language group of a chunk's language."""
    return language if language in GROUPS else "other"


class VectorStore:
    """Chunks and unit vectors in `folder`. Open for writing by one process only, and never while it is written."""

    def __init__(self, folder: Path) -> None:
        import chromadb
        from chromadb.config import Settings

        folder.mkdir(parents=True, exist_ok=True)
        self._client: Any = chromadb.PersistentClient(folder, Settings(anonymized_telemetry=False, allow_reset=False))
        self._collections: dict[str, Any] = {item.name: item for item in self._client.list_collections()}

    def add(self, chunks: Sequence[Chunk], vectors: np.ndarray) -> None:
        """Adds `(n,)` chunks with their `(n, dimension)` float32 unit rows."""
        largest = self._client.get_max_batch_size()
        for group in GROUPS:
            rows = [row for row, chunk in enumerate(chunks) if group_of(chunk.language) == group]
            for start in range(0, len(rows), largest):
                batch = rows[start : start + largest]
                self._collection(group).add(
                    ids=[chunks[row].id for row in batch],
                    embeddings=vectors[batch],
                    documents=[chunks[row].text for row in batch],
                    metadatas=[_metadata(chunks[row]) for row in batch],
                )

    def _collection(self, group: str) -> Any:
        if _name(group) not in self._collections:
            self._collections[_name(group)] = self._client.get_or_create_collection(
                _name(group), embedding_function=None, configuration={"hnsw": {"space": "cosine"}}
            )
        return self._collections[_name(group)]

    def counts(self) -> dict[str, int]:
        """Number of chunks by language group, groups without any left out."""
        present = [group for group in GROUPS if _name(group) in self._collections]
        found = {group: self._collections[_name(group)].count() for group in present}
        return {group: count for group, count in found.items() if count}

    def search(self, group: str, vector: np.ndarray, limit: int) -> list[tuple[str, float]]:
        """The `limit` nearest chunks of a language group as `(chunk id, cosine)`, best first."""
        if limit < 1 or _name(group) not in self._collections:
            return []
        found = self._collections[_name(group)].query(
            query_embeddings=vector[np.newaxis], n_results=limit, include=["distances"]
        )
        return [(name, 1.0 - distance) for name, distance in zip(found["ids"][0], found["distances"][0], strict=True)]

    def get(self, group: str, names: Sequence[str]) -> dict[str, tuple[Chunk, np.ndarray]]:
        """The chunks of a language group with these ids and their vectors, by id; unknown ids are left out."""
        if not names or _name(group) not in self._collections:
            return {}
        rows = self._collections[_name(group)].get(ids=list(names), include=["documents", "metadatas", "embeddings"])
        return {
            name: (_chunk(name, text, metadata), np.asarray(vector, dtype=np.float32))
            for name, text, metadata, vector in zip(
                rows["ids"], rows["documents"], rows["metadatas"], rows["embeddings"], strict=True
            )
        }

    def close(self) -> None:
        """Gives the files back; the store can't be used afterwards."""
        self._collections = {}
        self._client.close()


def _name(group: str) -> str:
    # Chroma's names have at least three characters.
    return f"chunks-{group}"


def _metadata(chunk: Chunk) -> dict[str, str | int]:
    return {
        "document_id": chunk.document_id,
        "title": chunk.title,
        "source": chunk.source,
        "language": chunk.language,
        "first_page": chunk.first_page,
        "last_page": chunk.last_page,
        "start": chunk.start,
        "end": chunk.end,
        "headings": json.dumps(chunk.headings, ensure_ascii=False),
    }


def _chunk(name: str, text: str, metadata: dict[str, Any]) -> Chunk:
    values = dict(metadata)
    return Chunk(id=name, text=text, headings=tuple(json.loads(values.pop("headings"))), **values)
