"""The vector store: chunks with their vectors in an embedded Chroma, one collection a language group.

The only module that knows chromadb. One collection a language, because the best of each language are needed anyway
and a plain query is many times faster than a filtered one.
"""

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rag.types import Chunk

GROUPS = ("en", "hu", "ko", "other")
"""Language groups of an index; a chunk in any further language belongs to `other`."""

# Twice Chroma's defaults: misses hardly anything where many chunks are alike, for a third more time to build.
_GRAPH = {"space": "cosine", "ef_construction": 200, "max_neighbors": 32, "ef_search": 200}
# Asked for beyond the limit, so that of equal chunks at the end of the list always the same are returned.
_TIES = 8
# How many chunks, for each that is wanted, are looked through for those of a filter before Chroma filters.
_LOOKED_THROUGH = 4
# SQLite takes 32,766 variables in a statement.
_DOCUMENTS_A_QUERY = 10_000


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
                _name(group), embedding_function=None, configuration={"hnsw": _GRAPH}
            )
        return self._collections[_name(group)]

    def counts(self) -> dict[str, int]:
        """Number of chunks by language group, groups without any left out."""
        present = [group for group in GROUPS if _name(group) in self._collections]
        found = {group: self._collections[_name(group)].count() for group in present}
        return {group: count for group, count in found.items() if count}

    def search(
        self, group: str, vector: np.ndarray, limit: int, documents: Collection[str] | None = None
    ) -> list[tuple[str, float]]:
        """The `limit` nearest chunks of a language group as `(chunk id, cosine)`, best first, equal ones by id.

        Where `documents` are given, only chunks of documents with these ids count.
        """
        if limit < 1 or _name(group) not in self._collections or (documents is not None and not documents):
            return []
        if documents is None:
            found = self._query(group, vector, limit + _TIES)
        else:
            found = self._among(group, vector, limit + _TIES, frozenset(documents))
        return sorted(((name, cosine) for name, cosine, _ in found), key=lambda item: (-item[1], item[0]))[:limit]

    def _among(
        self, group: str, vector: np.ndarray, limit: int, documents: frozenset[str]
    ) -> list[tuple[str, float, str]]:
        # A filter in Chroma costs time for every chunk that passes it. One that lets much pass needs none: enough of
        # what it allows is among the nearest of all.
        wanted = _LOOKED_THROUGH * limit
        nearest = self._query(group, vector, wanted, with_documents=True)
        allowed = [item for item in nearest if item[2] in documents]
        if len(allowed) >= limit or len(nearest) < wanted:
            return allowed
        names = sorted(documents)
        found: list[tuple[str, float, str]] = []
        for start in range(0, len(names), _DOCUMENTS_A_QUERY):
            part = names[start : start + _DOCUMENTS_A_QUERY]
            found += self._query(group, vector, limit, where={"document_id": {"$in": part}})
        return found

    def _query(
        self,
        group: str,
        vector: np.ndarray,
        limit: int,
        where: dict[str, Any] | None = None,
        with_documents: bool = False,
    ) -> list[tuple[str, float, str]]:
        """`(chunk id, cosine, document id)` of the nearest; the document id is empty unless asked for."""
        found = self._collections[_name(group)].query(
            query_embeddings=vector[np.newaxis],
            n_results=limit,
            where=where,
            include=["distances", "metadatas"] if with_documents else ["distances"],
        )
        names = found["ids"][0]
        documents = [row["document_id"] for row in found["metadatas"][0]] if with_documents else [""] * len(names)
        return [
            (name, 1.0 - distance, document)
            for name, distance, document in zip(names, found["distances"][0], documents, strict=True)
        ]

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
    metadata: dict[str, str | int] = {
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
    return metadata if chunk.separator is None else {**metadata, "separator": chunk.separator}


def _chunk(name: str, text: str, metadata: dict[str, Any]) -> Chunk:
    values = dict(metadata)
    return Chunk(id=name, text=text, headings=tuple(json.loads(values.pop("headings"))), **values)
