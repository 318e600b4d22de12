"""The lexical index: BM25 over analysed terms in tantivy, one index a language group, memory-mapped.

The only module that knows tantivy. One index a language, so that document frequencies and lengths are those of the
language. Text comes already analysed (see `analysis`); here terms are only counted.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rag.analysis import content_terms
from rag.text import flatten
from rag.types import Chunk
from rag.vectors import GROUPS, group_of

# tantivy's constant: the most that one term can add is its inverse document frequency times K1 + 1.
_K1 = 1.2
_WRITER_MEMORY = 30_000_000


class LexicalIndex:
    """The terms of the chunks under `folder`, a sub-folder a language group."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._indexes: dict[str, Any] = {}
        self._writers: dict[str, Any] = {}
        self._searchers: dict[str, Any] = {}
        for group in GROUPS:
            if (folder / group).is_dir():
                self._open(group)

    def _open(self, group: str) -> None:
        import tantivy

        # Raw ids and plain terms: the analysis was done before, in one place for documents and questions.
        builder = tantivy.SchemaBuilder()
        builder.add_text_field("id", stored=True, tokenizer_name="raw", index_option="basic")
        builder.add_text_field("terms", stored=False, tokenizer_name="whitespace", index_option="freq")
        (self._folder / group).mkdir(parents=True, exist_ok=True)
        self._indexes[group] = tantivy.Index(builder.build(), path=str(self._folder / group))

    def add(self, chunks: Sequence[Chunk]) -> None:
        """Adds chunks; they are found after `commit`. Title and headings count as part of the text."""
        import tantivy

        for chunk in chunks:
            group = group_of(chunk.language)
            if group not in self._indexes:
                self._open(group)
            if group not in self._writers:
                self._writers[group] = self._indexes[group].writer(_WRITER_MEMORY, 1)
            terms = content_terms(flatten(" ".join((chunk.title, *chunk.headings, chunk.text))), chunk.language)
            self._writers[group].add_document(tantivy.Document(id=chunk.id, terms=" ".join(terms)))

    def commit(self) -> None:
        """Makes everything that was added durable and findable."""
        for group, writer in self._writers.items():
            writer.commit()
            writer.wait_merging_threads()
            self._indexes[group].reload()
        self._writers = {}
        self._searchers = {}

    def _searcher(self, group: str) -> Any:
        if group not in self._searchers:
            self._searchers[group] = self._indexes[group].searcher()
        return self._searchers[group]

    def counts(self) -> dict[str, int]:
        """Number of chunks by language group, groups without any left out."""
        return {group: count for group in self._indexes if (count := self._searcher(group).num_docs)}

    def most(self, group: str, terms: Iterable[str]) -> float:
        """The most that any chunk of the group could score for these terms, those it does not contain included."""
        if group not in self._indexes:
            return 0.0
        searcher = self._searcher(group)
        return (_K1 + 1) * sum(
            math.log(1 + (searcher.num_docs - frequency + 0.5) / (frequency + 0.5))
            for frequency in (searcher.doc_freq("terms", term) for term in set(terms))
        )

    def search(self, group: str, terms: Iterable[str], limit: int) -> list[tuple[str, float]]:
        """The `limit` best chunks of a language group as `(chunk id, BM25)`, best first, for the distinct terms."""
        if limit < 1 or group not in self._indexes:
            return []
        import tantivy

        schema = self._indexes[group].schema
        queries = [
            (tantivy.Occur.Should, tantivy.Query.term_query(schema, "terms", term, index_option="freq"))
            for term in sorted(set(terms))
        ]
        if not queries:
            return []
        searcher = self._searcher(group)
        found = searcher.search(tantivy.Query.boolean_query(queries), limit, count=False).hits
        return [(searcher.doc(address)["id"][0], score) for score, address in found]


def coverage(scores: Mapping[str, float], most: float) -> dict[str, float]:
    """BM25 scores on an absolute scale: the share, in [0, 1], of the most that the question could get."""
    return {name: min(1.0, score / most) for name, score in scores.items()} if most > 0 else {}
