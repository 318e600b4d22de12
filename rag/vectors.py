"""The vector store: the chunks' vectors in Chroma, one collection a language group.

What a store in files (`vectors_files`) and one on a server (`vectors_server`) have in common; these alone know
chromadb. One collection a language, because the best of each language are needed anyway and a plain query is many times
faster than a filtered one. The texts stand in the table (see `table`): Chroma keeps a full-text index of all it is
given, which costs four times the space and the time of the vectors, and reading a text back takes it as long as a
search.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from rag.types import Chunk

GROUPS = ("en", "hu", "ko", "other")
"""Language groups of an index; a chunk in any further language belongs to `other`."""

# Twice Chroma's defaults: misses hardly anything where many chunks are alike, for a third more time to build.
_GRAPH = {"space": "cosine", "ef_construction": 200, "max_neighbors": 32, "ef_search": 200}
# Asked for beyond the limit, so that of equal chunks at the end of the list always the same are returned.
_TIES = 8
# How many chunks, for each that is wanted, are looked through for those that a filter allows.
_LOOKED_THROUGH = 4
# Up to here, reading the vectors takes less time than finding a way to them.
_COMPARED = 250
# Of the 32,766 that SQLite takes in a statement.
_VARIABLES = 10_000
# Filters whose chunks are remembered: listing those of 100,000 chunks takes half a second.
_KEPT_FILTERS = 16


def group_of(language: str) -> str:
    """The language group of a chunk's language."""
    return language if language in GROUPS else "other"


class VectorStore(ABC):
    """Unit vectors of chunks, written by one process only.

    `client` is one of Chroma's; the collection of a language group is named `prefix` and the group and has `metadata`.
    """

    def __init__(self, client: Any, prefix: str, metadata: dict[str, str] | None = None) -> None:
        self._client = client
        self._prefix = prefix
        self._metadata = metadata
        found = {item.name: item for item in self._call(client.list_collections)}
        self._collections = {group: found[prefix + group] for group in GROUPS if prefix + group in found}
        self._allowed: dict[tuple[str, frozenset[str]], frozenset[str]] = {}
        self._lock = threading.Lock()

    @abstractmethod
    def close(self) -> None:
        """Gives back what is held; the store can't be used afterwards."""

    @abstractmethod
    def check(self) -> None:
        """Raises IndexUnavailable where the vectors can't be reached now."""

    def _call(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """What a function of Chroma returns."""
        return function(*arguments, **named)

    def add(self, chunks: Sequence[Chunk], vectors: np.ndarray) -> None:
        """Adds `(n,)` chunks with their `(n, dimension)` float32 unit rows."""
        self._allowed = {}
        largest = self._batch(vectors.shape[1])
        for group in GROUPS:
            rows = [row for row, chunk in enumerate(chunks) if group_of(chunk.language) == group]
            for start in range(0, len(rows), largest):
                batch = rows[start : start + largest]
                self._call(
                    self._collection(group).add,
                    ids=[chunks[row].id for row in batch],
                    embeddings=vectors[batch],
                    metadatas=[{"document_id": chunks[row].document_id} for row in batch],
                )

    def remove(self, documents: Collection[str]) -> list[str]:
        """Removes the chunks of the documents with these ids; the ids of those chunks."""
        removed: list[str] = []
        for group, collection in self._collections.items():
            names = sorted(self._chunks_of(group, frozenset(documents)))
            for start in range(0, len(names), _VARIABLES):
                self._call(collection.delete, ids=names[start : start + _VARIABLES])
            removed += names
        self._allowed = {}
        return removed

    def rows(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        """The (dimension,) vectors of chunks by id, unknown ids left out."""
        found: dict[str, np.ndarray] = {}
        for collection in self._collections.values():
            rows = self._call(collection.get, ids=list(names), include=["embeddings"])
            found |= zip(rows["ids"], np.asarray(rows["embeddings"], np.float32), strict=True)
        return found

    def _batch(self, dimension: int) -> int:
        """How many vectors may be handed over at once."""
        return int(self._call(self._client.get_max_batch_size))

    def _collection(self, group: str) -> Any:
        if group not in self._collections:
            self._collections[group] = self._call(
                self._client.get_or_create_collection,
                self._prefix + group,
                embedding_function=None,
                configuration={"hnsw": _GRAPH},
                metadata=self._metadata,
            )
        return self._collections[group]

    def counts(self) -> dict[str, int]:
        """Number of chunks by language group, groups without any left out."""
        found = {group: self._call(self._collections[group].count) for group in GROUPS if group in self._collections}
        return {group: count for group, count in found.items() if count}

    def search(
        self, group: str, vector: np.ndarray, limit: int, documents: Collection[str] | None = None
    ) -> list[tuple[str, float]]:
        """The `limit` nearest chunks of a language group as `(chunk id, cosine)`, best first, equal ones by id.

        Where `documents` are given, only chunks of documents with these ids count.
        """
        if limit < 1 or group not in self._collections or (documents is not None and not documents):
            return []
        if documents is None:
            found = self._nearest(group, vector, limit + _TIES)
        else:
            found = self._among(group, vector, limit + _TIES, frozenset(documents))
        return sorted(found.items(), key=lambda item: (-item[1], item[0]))[:limit]

    def _nearest(
        self, group: str, vector: np.ndarray, limit: int, names: Sequence[str] | None = None
    ) -> dict[str, float]:
        """The cosines of the nearest chunks, or of the nearest with these ids, by id."""
        found = self._call(
            self._collections[group].query,
            query_embeddings=vector[np.newaxis],
            n_results=limit,
            ids=names,
            include=["distances"],
        )
        return {name: 1.0 - distance for name, distance in zip(found["ids"][0], found["distances"][0], strict=True)}

    def _among(self, group: str, vector: np.ndarray, limit: int, documents: frozenset[str]) -> dict[str, float]:
        """The cosines of the nearest chunks of some documents, by id.

        HNSW goes through the whole graph for the few that a filter allows. So what is common is looked for among the
        nearest of all, and what is rare is compared one by one.
        """
        allowed = self._chunks_of(group, documents)
        if not allowed:
            return {}
        if len(allowed) <= _COMPARED:
            rows = self._call(self._collections[group].get, ids=sorted(allowed), include=["embeddings"])
            cosines = np.asarray(rows["embeddings"], np.float32) @ vector
            return dict(zip(rows["ids"], cosines.tolist(), strict=True))
        nearest = self._nearest(group, vector, _LOOKED_THROUGH * limit)
        found = {name: cosine for name, cosine in nearest.items() if name in allowed}
        if len(found) < limit:
            names = sorted(allowed)
            for start in range(0, len(names), _VARIABLES):
                found |= self._nearest(group, vector, limit, names[start : start + _VARIABLES])
        return found

    def _chunks_of(self, group: str, documents: frozenset[str]) -> frozenset[str]:
        """The ids of the chunks of some documents, kept for the next question with this filter."""
        with self._lock:
            if (group, documents) in self._allowed:
                return self._allowed[group, documents]
        names = sorted(documents)
        found: list[str] = []
        for start in range(0, len(names), _VARIABLES):
            where = {"document_id": {"$in": names[start : start + _VARIABLES]}}
            found += self._call(self._collections[group].get, where=where, include=[])["ids"]
        with self._lock:
            while len(self._allowed) >= _KEPT_FILTERS:
                del self._allowed[next(iter(self._allowed))]
            self._allowed[group, documents] = frozenset(found)
        return frozenset(found)
