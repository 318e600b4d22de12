"""The lexical index: BM25 over analysed terms in tantivy, one index a language group, memory-mapped.

The only module that knows tantivy. One index a language, so that document frequencies and lengths are those of the
language. Text comes already analysed (see `analysis`); here terms are only counted.

Each group is a folder of tantivy's and a SQLite file beside it, which keeps the terms of every chunk: tantivy removes
nothing from its files by itself, so what shares a file with a removed chunk is written anew.
"""

import math
import sqlite3
import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rag.analysis import PAIR_GAP, content_terms
from rag.text import flatten
from rag.types import Chunk
from rag.vectors import GROUPS, group_of

# tantivy's constant: the most that one term can add is its inverse document frequency times K1 + 1.
_K1 = 1.2
_WRITER_MEMORY = 30_000_000
# Scores are single-precision sums whose order varies: what differs less is equal.
_DECIMALS = 4
# How many chunks with the score of the last place are looked through for the first by id: mostly, and at most.
_SOME_TIED, _MANY_TIED = 64, 1024
# Id, document id, terms of title and headings, all terms.
_Row = tuple[str, str, str, str]
# zlib's level.
_FASTEST = 1
# Values of a filter up to which single look-ups are faster than one pass over the dictionary.
_FEW = 500


class LexicalIndex:
    """The terms of the chunks under `folder`, a sub-folder a language group."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._indexes: dict[str, Any] = {}
        self._writers: dict[str, Any] = {}
        self._searchers: dict[str, Any] = {}
        self._stores: dict[str, sqlite3.Connection] = {}
        # Since the last commit: whether anything was added, and what was removed by group.
        self._added = False
        self._removed: dict[str, set[str]] = {}
        for group in GROUPS:
            if (folder / group).is_dir():
                self._open(group)

    def _open(self, group: str) -> None:
        import tantivy

        # Raw ids and plain terms: the analysis was done before, in one place for documents and questions.
        builder = tantivy.SchemaBuilder()
        builder.add_text_field("id", stored=True, tokenizer_name="raw", index_option="basic")
        builder.add_text_field("document", stored=False, tokenizer_name="raw", index_option="basic")
        builder.add_text_field("titles", stored=False, tokenizer_name="whitespace", index_option="freq")
        builder.add_text_field("terms", stored=False, tokenizer_name="whitespace", index_option="position")
        (self._folder / group).mkdir(parents=True, exist_ok=True)
        self._indexes[group] = tantivy.Index(builder.build(), path=str(self._folder / group))

    def _writer(self, group: str) -> Any:
        if group not in self._indexes:
            self._open(group)
        if group not in self._writers:
            self._writers[group] = self._indexes[group].writer(_WRITER_MEMORY, 1)
        return self._writers[group]

    def add(self, chunks: Sequence[Chunk]) -> None:
        """Adds chunks; they are found after `commit`. Title and headings count as part of the text, and once more.

        A chunk whose id is there already must be removed first.
        """
        rows: dict[str, list[_Row]] = {}
        for chunk in chunks:
            title = flatten(" ".join((chunk.title, *chunk.headings)))
            row = (
                chunk.id,
                chunk.document_id,
                " ".join(content_terms(title, chunk.language)),
                " ".join(content_terms(f"{title} {flatten(chunk.text)}", chunk.language)),
            )
            rows.setdefault(group_of(chunk.language), []).append(row)
        for group, added in rows.items():
            for row in added:
                self._write(group, row)
            self._store(group).executemany("INSERT OR REPLACE INTO chunks VALUES (?, ?)", map(_packed, added))
            self._added = True

    def _write(self, group: str, row: _Row) -> None:
        import tantivy

        name, document, titles, terms = row
        self._writer(group).add_document(tantivy.Document(id=name, document=document, titles=titles, terms=terms))

    def remove(self, names: Collection[str]) -> None:
        """Removes the chunks with these ids; unknown ids do nothing.

        After `commit` they are not found, and none of their ids and terms is left in the index's files. What was added
        before is committed first.
        """
        self._remove("id", names)

    def remove_documents(self, documents: Collection[str]) -> None:
        """Removes all chunks of the documents with these ids, as `remove` does."""
        self._remove("document", documents)

    def _remove(self, field: str, values: Collection[str]) -> None:
        if self._added:
            self.commit()
        for group, index in self._indexes.items():
            found = self._addresses(group, _any_of(index.schema, field, values)) if values else []
            names = {self._searcher(group).doc(address)["id"][0] for address in found}
            for name in names:
                self._writer(group).delete_documents_by_term("id", name)
            if names:
                self._removed.setdefault(group, set()).update(names)

    def commit(self) -> None:
        """Makes everything that was added or removed durable, and findable or gone."""
        for group, writer in self._writers.items():
            removed = self._removed.get(group, set())
            store = self._store(group)
            if removed:
                self._rewrite(group, store, removed)
                store.executemany("DELETE FROM chunks WHERE id = ?", ((name,) for name in removed))
            # The store first: a chunk that only it has does no harm, one that it lacks could not be rewritten.
            store.commit()
            store.close()
            writer.commit()
            writer.wait_merging_threads()
            self._searchers.pop(group, None)
            self._indexes[group].reload()
            if removed:
                # Only now that nothing reads them the old files can be deleted.
                cleaner = self._indexes[group].writer(_WRITER_MEMORY, 1)
                cleaner.garbage_collect_files()
                cleaner.wait_merging_threads()
        self._writers, self._stores, self._added, self._removed = {}, {}, False, {}

    def abandon(self) -> None:
        """Drops everything that was added or removed since the last commit."""
        for writer in self._writers.values():
            writer.rollback()
        for store in self._stores.values():
            store.close()
        self._writers, self._stores, self._added, self._removed = {}, {}, False, {}

    def _store(self, group: str) -> sqlite3.Connection:
        if group not in self._stores:
            self._stores[group] = sqlite3.connect(self._folder / f"{group}.sqlite", check_same_thread=False)
            # What is deleted is overwritten, and nothing is kept aside: a row is small beside its page.
            self._stores[group].executescript(
                "PRAGMA secure_delete = ON; PRAGMA cache_size = -32000;"
                "CREATE TABLE IF NOT EXISTS chunks (id TEXT PRIMARY KEY, row BLOB)"
            )
        return self._stores[group]

    def _rewrite(self, group: str, store: sqlite3.Connection, removed: set[str]) -> None:
        """Writes again all chunks that share a segment with a removed one, so that the old segments fall away."""
        import tantivy

        searcher, writer = self._searcher(group), self._writer(group)
        addresses = self._addresses(group, tantivy.Query.all_query())
        names: dict[int, list[str]] = {}
        for address in addresses:
            names.setdefault(address.segment_ord, []).append(searcher.doc(address)["id"][0])
        for segment in names.values():
            if removed.isdisjoint(segment):
                continue
            for name in segment:
                if name not in removed:
                    writer.delete_documents_by_term("id", name)
                    (row,) = store.execute("SELECT row FROM chunks WHERE id = ?", (name,)).fetchone()
                    self._write(group, _unpacked(name, row))

    def _addresses(self, group: str, query: Any) -> list[Any]:
        searcher = self._searcher(group)
        if not searcher.num_docs:
            return []
        return [address for _, address in searcher.search(query, searcher.num_docs, count=False).hits]

    def _searcher(self, group: str) -> Any:
        if group not in self._searchers:
            self._searchers[group] = self._indexes[group].searcher()
        return self._searchers[group]

    def counts(self) -> dict[str, int]:
        """Number of chunks by language group, groups without any left out."""
        return {group: count for group in self._indexes if (count := self._searcher(group).num_docs)}

    def most(self, group: str, terms: Iterable[str]) -> float:
        """The most that any chunk of the group could score for these terms, those it does not contain included."""
        return (_K1 + 1) * sum(self._rarity(group, "terms", term) for term in set(terms))

    def most_titles(self, group: str, terms: Iterable[str]) -> float:
        """The most that any chunk's title and headings could score for these terms."""
        return (_K1 + 1) * sum(self._rarity(group, "titles", term) for term in set(terms))

    def most_phrases(self, group: str, pairs: Iterable[tuple[str, str]]) -> float:
        """The most that any chunk of the group could score for these pairs."""
        return (_K1 + 1) * sum(self._rarity(group, "terms", term) for pair in set(pairs) for term in pair)

    def _rarity(self, group: str, field: str, term: str) -> float:
        """The inverse document frequency of a term, 0 where there is no such group."""
        if group not in self._indexes:
            return 0.0
        searcher = self._searcher(group)
        frequency = searcher.doc_freq(field, term)
        return math.log(1 + (searcher.num_docs - frequency + 0.5) / (frequency + 0.5))

    def search(
        self,
        group: str,
        terms: Iterable[str],
        limit: int,
        documents: Collection[str] | None = None,
        names: Collection[str] | None = None,
    ) -> list[tuple[str, float]]:
        """The `limit` best chunks of a language group as `(chunk id, BM25)`, best first, for the distinct terms.

        Equal scores are in the order of the ids. With `documents`, only chunks of the documents with these ids,
        with `names`, only the chunks with these.
        """
        return self._search(group, self._term_queries(group, "terms", terms), limit, documents, names)

    def search_titles(
        self,
        group: str,
        terms: Iterable[str],
        limit: int,
        documents: Collection[str] | None = None,
        names: Collection[str] | None = None,
    ) -> list[tuple[str, float]]:
        """The same by title and headings alone; see `most_titles` for the scale."""
        return self._search(group, self._term_queries(group, "titles", terms), limit, documents, names)

    def search_phrases(
        self,
        group: str,
        pairs: Iterable[tuple[str, str]],
        limit: int,
        documents: Collection[str] | None = None,
        names: Collection[str] | None = None,
    ) -> list[tuple[str, float]]:
        """The same for pairs of terms that stand together, at most `PAIR_GAP` words apart; see `most_phrases`."""
        if group not in self._indexes:
            return []
        import tantivy

        schema = self._indexes[group].schema
        queries = [tantivy.Query.phrase_query(schema, "terms", list(pair), PAIR_GAP) for pair in sorted(set(pairs))]
        return self._search(group, queries, limit, documents, names)

    def _term_queries(self, group: str, field: str, terms: Iterable[str]) -> list[Any]:
        if group not in self._indexes:
            return []
        import tantivy

        schema = self._indexes[group].schema
        return [tantivy.Query.term_query(schema, field, term, index_option="freq") for term in sorted(set(terms))]

    def _search(
        self,
        group: str,
        queries: list[Any],
        limit: int,
        documents: Collection[str] | None,
        names: Collection[str] | None,
    ) -> list[tuple[str, float]]:
        filters = {field: values for field, values in (("document", documents), ("id", names)) if values is not None}
        if limit < 1 or not queries or not all(filters.values()):
            return []
        import tantivy

        searcher = self._searcher(group)
        query = tantivy.Query.boolean_query([(tantivy.Occur.Should, query) for query in queries])
        if filters:
            among = [_any_of(self._indexes[group].schema, field, values) for field, values in filters.items()]
            unscored = [tantivy.Query.const_score_query(part, 0.0) for part in among]
            query = tantivy.Query.boolean_query([(tantivy.Occur.Must, part) for part in (query, *unscored)])
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


def _any_of(schema: Any, field: str, values: Collection[str]) -> Any:
    import tantivy

    if len(values) > _FEW:
        return tantivy.Query.term_set_query(schema, field, sorted(values))
    each = [tantivy.Query.term_query(schema, field, value, index_option="basic") for value in sorted(values)]
    return tantivy.Query.boolean_query([(tantivy.Occur.Should, query) for query in each])


def _packed(row: _Row) -> tuple[str, bytes]:
    # Terms hold no line breaks, nor do ids.
    return row[0], zlib.compress("\n".join(row[1:]).encode(), _FASTEST)


def _unpacked(name: str, packed: bytes) -> _Row:
    document, titles, terms = zlib.decompress(packed).decode().split("\n")
    return name, document, titles, terms


def coverage(scores: Mapping[str, float], most: float) -> dict[str, float]:
    """Scores on an absolute scale: the share, in [0, 1], of the most that the question could get."""
    return {name: min(1.0, score / most) for name, score in scores.items()} if most > 0 else {}
