"""The lexical index: BM25 over analysed terms in tantivy, one index a language group, memory-mapped.

The only module that knows tantivy. One index a language, so that document frequencies and lengths are those of the
language. Text comes already analysed (see `analysis`); here terms are only counted, by their hashes: so the table's
rows are all it takes to write a chunk again.
"""

import math
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rag.analysis import content_terms
from rag.table import ChunkTable, Terms, term_hashes
from rag.text import flatten
from rag.types import Chunk
from rag.vectors import GROUPS, group_of

_WRITER_MEMORY = 30_000_000
# Scores are single-precision sums whose order varies: what differs less is equal.
_DECIMALS = 4
# How many chunks with the score of the last place are looked through for the first by id: mostly, and at most.
_SOME_TIED, _MANY_TIED = 16, 1024
# Values of a filter up to which single look-ups are faster than one pass over the dictionary.
_FEW = 500


def terms_of(chunk: Chunk) -> Terms:
    """The analysed terms of a chunk. Title and headings count as part of the text, and once more."""
    title = flatten(" ".join((chunk.title, *chunk.headings)))
    titles, everything = (content_terms(text, chunk.language) for text in (title, f"{title} {flatten(chunk.text)}"))
    return Terms(term_hashes(titles), term_hashes(everything))


class LexicalIndex:
    """The terms of the chunks under `folder`, a sub-folder a language group."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._indexes: dict[str, Any] = {}
        self._writers: dict[str, Any] = {}
        self._searchers: dict[str, Any] = {}
        # The groups of which anything was removed since the last commit.
        self._removed: set[str] = set()
        for group in GROUPS:
            if (folder / group).is_dir():
                self._open(group)

    def _open(self, group: str) -> None:
        import tantivy

        # Raw ids and plain terms: the analysis was done before, in one place for documents and questions.
        builder = tantivy.SchemaBuilder()
        builder.add_text_field("id", stored=True, tokenizer_name="raw", index_option="basic")
        builder.add_text_field("document", stored=False, tokenizer_name="raw", index_option="basic")
        builder.add_text_field("titles", stored=False, tokenizer_name="whitespace", index_option="basic")
        builder.add_text_field("terms", stored=False, tokenizer_name="whitespace", index_option="freq")
        (self._folder / group).mkdir(parents=True, exist_ok=True)
        self._indexes[group] = tantivy.Index(builder.build(), path=str(self._folder / group))

    def _writer(self, group: str) -> Any:
        if group not in self._indexes:
            self._open(group)
        if group not in self._writers:
            self._writers[group] = self._indexes[group].writer(_WRITER_MEMORY, 1)
        return self._writers[group]

    def add(self, chunks: Sequence[Chunk], terms: Sequence[Terms]) -> None:
        """Adds (n,) chunks with their terms; they are found after `commit`.

        A chunk whose id is there already must be removed first.
        """
        for chunk, analysed in zip(chunks, terms, strict=True):
            self._write(group_of(chunk.language), chunk.id, chunk.document_id, analysed)

    def _write(self, group: str, name: str, document: str, terms: Terms) -> None:
        import tantivy

        joined = {"titles": _joined(terms.titles), "terms": _joined(terms.all)}
        self._writer(group).add_document(tantivy.Document(id=name, document=document, **joined))

    def remove(self, names: Collection[str], table: ChunkTable) -> None:
        """Removes the chunks with these ids, before anything is added; unknown ids do nothing.

        After `commit` they are not found, and none of their ids and terms is left in the index's files: tantivy removes
        nothing from its files by itself, so what shares one with a removed chunk is written anew, as `table`, which
        holds all chunks of the index, knows it.
        """
        for group in self._indexes:
            searcher = self._searcher(group)
            segments: dict[int, list[str]] = {}
            for address in self._addresses(group):
                segments.setdefault(address.segment_ord, []).append(searcher.doc(address)["id"][0])
            for segment in segments.values():
                gone = [name for name in segment if name in names]
                if not gone:
                    continue
                self._removed.add(group)
                for name in segment:
                    self._writer(group).delete_documents_by_term("id", name)
                stay = [name for name in segment if name not in names]
                for chunk, terms in zip(table.chunks(stay), table.terms(stay), strict=True):
                    self._write(group, chunk.id, chunk.document_id, terms)

    def commit(self) -> None:
        """Makes everything that was added or removed durable, and findable or gone."""
        for group, writer in self._writers.items():
            writer.commit()
            writer.wait_merging_threads()
            self._searchers.pop(group, None)
            self._indexes[group].reload()
            if group in self._removed:
                # Only now that nothing reads them the old files can be deleted.
                cleaner = self._indexes[group].writer(_WRITER_MEMORY, 1)
                cleaner.garbage_collect_files()
                cleaner.wait_merging_threads()
        self._writers, self._removed = {}, set()

    def abandon(self) -> None:
        """Drops everything that was added or removed since the last commit."""
        for writer in self._writers.values():
            writer.rollback()
        self._writers, self._removed = {}, set()

    def _addresses(self, group: str) -> list[Any]:
        import tantivy

        searcher = self._searcher(group)
        if not searcher.num_docs:
            return []
        return [address for _, address in searcher.search(tantivy.Query.all_query(), searcher.num_docs).hits]

    def _searcher(self, group: str) -> Any:
        if group not in self._searchers:
            self._searchers[group] = self._indexes[group].searcher()
        return self._searchers[group]

    def counts(self) -> dict[str, int]:
        """Number of chunks by language group, groups without any left out."""
        return {group: count for group in self._indexes if (count := self._searcher(group).num_docs)}

    def rarities(self, group: str, terms: Sequence[str], field: str = "terms") -> list[float]:
        """The inverse document frequencies of terms, among all `terms` or the `titles`; 0 without such a group."""
        if group not in self._indexes:
            return [0.0] * len(terms)
        searcher = self._searcher(group)
        count = searcher.num_docs
        frequencies = [searcher.doc_freq(field, token) for token in _joined(term_hashes(terms)).split()]
        return [math.log(1 + (count - frequency + 0.5) / (frequency + 0.5)) for frequency in frequencies]

    def search(
        self, group: str, terms: Iterable[str], limit: int, documents: Collection[str] | None = None
    ) -> list[tuple[str, float]]:
        """The `limit` best chunks of a language group as `(chunk id, BM25)`, best first, for the distinct terms.

        Equal scores are in the order of the ids. With `documents`, only chunks of the documents with these ids.
        """
        asked = sorted(set(_joined(term_hashes([*terms])).split()))
        if group not in self._indexes or limit < 1 or not asked or (documents is not None and not documents):
            return []
        import tantivy

        schema, searcher = self._indexes[group].schema, self._searcher(group)
        each = [tantivy.Query.term_query(schema, "terms", term, index_option="freq") for term in asked]
        query = tantivy.Query.boolean_query([(tantivy.Occur.Should, part) for part in each])
        if documents is not None:
            among = tantivy.Query.const_score_query(_any_of(schema, "document", documents), 0.0)
            query = tantivy.Query.boolean_query([(tantivy.Occur.Must, part) for part in (query, among)])
        # More than asked for, to see where the chunks that share the last place end.
        for count in (limit + _SOME_TIED, limit + _MANY_TIED):
            found = searcher.search(query, count, count=False).hits
            if len(found) < count or round(found[-1][0], _DECIMALS) < round(found[limit - 1][0], _DECIMALS):
                break
        last = round(found[:limit][-1][0], _DECIMALS) if found else 0.0
        hits = [
            (searcher.doc(address)["id"][0], rounded)
            for score, address in found
            if (rounded := round(score, _DECIMALS)) >= last
        ]
        return sorted(hits, key=lambda hit: (-hit[1], hit[0]))[:limit]


def _joined(hashes: np.ndarray) -> str:
    return " ".join(map("{:x}".format, hashes.tolist()))


def _any_of(schema: Any, field: str, values: Collection[str]) -> Any:
    import tantivy

    if len(values) > _FEW:
        return tantivy.Query.term_set_query(schema, field, sorted(values))
    each = [tantivy.Query.term_query(schema, field, value, index_option="basic") for value in sorted(values)]
    return tantivy.Query.boolean_query([(tantivy.Occur.Should, query) for query in each])
