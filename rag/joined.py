"""Several indexes read as one: a domain's and those of a visitor's own documents.

A passage of a few pages is judged by the same measure as one of thousands: how rare a word is, and how long a passage
should be, is counted over all of them together. Knows nothing of where the indexes come from.
"""

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rag.index import Index, Manifest
from rag.table import Rows, Terms
from rag.types import Chunk


@dataclass(frozen=True, slots=True)
class JoinedLexical:
    """The lexical indexes of several indexes."""

    indexes: tuple[Index, ...]

    def rarities(self, group: str, terms: Sequence[str], field: str = "terms") -> list[float]:
        """As `LexicalIndex.rarities`, over the chunks of all of them."""
        counts = [index.lexical.counts().get(group, 0) for index in self.indexes]
        if not sum(counts):
            return [0.0] * len(terms)
        found = [index.lexical.rarities(group, terms, field) for index in self.indexes]
        # A term that is in f of n chunks has the rarity log((n + 1) / (f + 0.5)): what tells f from it.
        return [
            math.log((sum(counts) + 1) / (sum(map(_frequency, counts, each)) + 0.5))
            for each in zip(*found, strict=True)
        ]

    def search(
        self, group: str, terms: Iterable[str], limit: int, documents: Collection[str] | None = None
    ) -> list[tuple[str, float]]:
        """As `LexicalIndex.search`, with the `limit` best of each of them: their scores are not of one scale."""
        wanted = [*terms]
        return [hit for index in self.indexes for hit in index.lexical.search(group, wanted, limit, documents)]


@dataclass(frozen=True, slots=True)
class JoinedVectors:
    """The vector stores of several indexes."""

    indexes: tuple[Index, ...]

    def search(
        self, group: str, vector: np.ndarray, limit: int, documents: Collection[str] | None = None
    ) -> list[tuple[str, float]]:
        """As `VectorStore.search`, with the `limit` nearest of each of them, nearest first."""
        found = [hit for index in self.indexes for hit in index.vectors.search(group, vector, limit, documents)]
        return sorted(found, key=lambda hit: (-hit[1], hit[0]))


@dataclass(frozen=True, slots=True)
class JoinedTable:
    """The tables of several indexes."""

    indexes: tuple[Index, ...]

    def average_length(self, group: str, column: str) -> float:
        """As `ChunkTable.average_length`, over the chunks of all of them."""
        counts = [index.lexical.counts().get(group, 0) for index in self.indexes]
        lengths = [index.table.average_length(group, column) for index in self.indexes]
        total = sum(count * length for count, length in zip(counts, lengths, strict=True))
        return total / sum(counts) if sum(counts) else 0.0

    def rows(self, names: Sequence[str]) -> Rows:
        """As `ChunkTable.rows`."""
        parts = [index.table.rows(names) for index in self.indexes]
        pieces, terms = [*parts[0].pieces], [*parts[0].terms]
        vectors = parts[0].vectors
        for index, part in zip(self.indexes[1:], parts[1:], strict=True):
            for place in np.flatnonzero(index.table.find(names) >= 0).tolist():
                vectors[place], pieces[place] = part.vectors[place], part.pieces[place]
                terms[place] = Terms(part.terms[place].titles, part.terms[place].all)
        return Rows(vectors, pieces, terms)

    def chunks(self, names: Sequence[str]) -> list[Chunk]:
        """As `ChunkTable.chunks`."""
        found = {chunk.id: chunk for index in self.indexes for chunk in index.table.chunks(names)}
        return [found[name] for name in names if name in found]


@dataclass(frozen=True, slots=True)
class Joined:
    """What retrieval reads of an index, of several; the ids of their chunks differ. The first is the domain's."""

    indexes: tuple[Index, ...]

    @property
    def manifest(self) -> Manifest:
        """The first one's, with the documents of all of them."""
        first = self.indexes[0].manifest
        return replace(first, documents=tuple(item for index in self.indexes for item in index.manifest.documents))

    @property
    def groups(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(group for index in self.indexes for group in index.groups))

    @property
    def lexical(self) -> JoinedLexical:
        return JoinedLexical(self.indexes)

    @property
    def vectors(self) -> JoinedVectors:
        return JoinedVectors(self.indexes)

    @property
    def table(self) -> JoinedTable:
        return JoinedTable(self.indexes)


def _frequency(count: int, rarity: float) -> float:
    """In how many of `count` chunks a term of this rarity is."""
    return (count + 1) * math.exp(-rarity) - 0.5 if count else 0.0


Searched = Index | Joined
"""What is searched for a question."""


def join(index: Index, others: Sequence[Index]) -> Searched:
    """An index with others beside it; itself where there are none."""
    return Joined((index, *others)) if others else index
