"""Retrieval: the passages of an index that answer a question, in whatever language they are."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

import numpy as np

from rag.align import alignments
from rag.analysis import PAIR_GAP, content_terms, question_pairs, question_terms, topic_of, topic_words, words_of
from rag.bm25 import Passages
from rag.confidence import confidence
from rag.embed import bundled_student
from rag.fuse import fused, leads
from rag.glossary import Glossary, Match
from rag.joined import Searched
from rag.rerank import DEPTH, Reranker
from rag.select import select
from rag.settings import RetrievalSettings
from rag.table import Rows
from rag.text import flatten
from rag.types import Embedder, Hit, Retrieval, Term

RANKERS = {"lexical": ("coverage", "glossary"), "dense": ("cosine",)}
"""The features that each ranker orders by."""

# How many chunks of a language the lexical and the dense ranker propose. In another language than the question's only
# the dense one has much to say, and less exactly.
_LEXICAL, _NEAREST, _NEAREST_ELSEWHERE = 30, 40, 100
# How many of the best are read for each that is shown: duplicates are left out, neighbours joined.
_POOL = 4
# What a synonym is worth in the question's own language, where it must not outweigh the word that was chosen.
_SYNONYM = 0.7


@dataclass(frozen=True, slots=True)
class _Widening:
    """A glossary term in a question: the search terms of its words there, and of its other forms."""

    own: tuple[str, ...]
    forms: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class _Query:
    """A question as it is asked of one language group.

    `terms` are its own search terms, `pairs` those that stand together, `widenings` the glossary's in the group's
    language; `share`, in [0, 1], is the part of the question's words that they stand for. `text` is what is embedded:
    the question and, for another language, what the glossary calls its terms there; `topic` is what is aligned: the
    same without the words that carry no topic.
    """

    terms: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]
    widenings: tuple[_Widening, ...]
    share: float
    text: str
    topic: str
    same_language: bool

    @property
    def forms(self) -> set[str]:
        """The terms of all forms that the glossary adds."""
        return {term for widening in self.widenings for form in widening.forms for term in form}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A chunk by its id, before its text is read.

    `vector` is its (dimension,) unit row, `terms` are the hashes of its text's terms.
    """

    name: str
    group: str
    score: float
    features: dict[str, float]
    vector: np.ndarray
    terms: np.ndarray


@dataclass(frozen=True, slots=True)
class Found:
    """All candidates for a question, best first, before any text is read. `timings` are seconds by stage."""

    candidates: tuple[Candidate, ...]
    terms: tuple[Term, ...]
    queries: Mapping[str, str]
    timings: Mapping[str, float]


def find(
    text: str,
    language: str,
    index: Searched,
    embedder: Embedder,
    glossary: Glossary,
    settings: RetrievalSettings,
    documents: Collection[str] | None = None,
) -> Found:
    """What the rankers propose for a question in `language`, in every language, fused.

    `documents` are the ids of those that count, all where None.
    """
    started = time.perf_counter()
    words = words_of(text)
    matches = glossary.matches(words, language)
    topics = [topic_of(word, language) for word in words]
    topic = topic_words(text, language)
    queries = {group: _query(text, words, topics, topic, matches, language, group) for group in index.groups}
    timings = {"understand": time.perf_counter() - started}

    started = time.perf_counter()
    lexical = {group: _best(index, group, query, documents) for group, query in queries.items()}
    timings["lexical"] = time.perf_counter() - started

    started = time.perf_counter()
    asked = [*{query.text for query in queries.values()}]
    embedded = {text: embedder.embed_query(text) for text in asked}
    pieces = dict(zip(queries, bundled_student().pieces([query.topic for query in queries.values()]), strict=True))
    timings["embed"] = time.perf_counter() - started

    started = time.perf_counter()
    names: dict[str, list[str]] = {}
    for group, query in queries.items():
        count = _NEAREST if query.same_language else _NEAREST_ELSEWHERE
        nearest = index.vectors.search(group, embedded[query.text], count, documents)
        names[group] = sorted({*lexical[group], *(name for name, _ in nearest)})
    timings["dense"] = time.perf_counter() - started

    started = time.perf_counter()
    parts = [
        _candidates(index, group, query, names[group], embedded[query.text], pieces[group], settings)
        for group, query in queries.items()
    ]
    found = [candidate for part in parts for candidate in part]
    found.sort(key=lambda candidate: (-candidate.score, candidate.name))
    timings["evidence"] = time.perf_counter() - started
    terms = tuple({id(match.term): match.term for match in matches}.values())
    return Found(tuple(found), terms, {group: query.text for group, query in queries.items()}, timings)


def retrieve(
    text: str,
    language: str,
    index: Searched,
    embedder: Embedder,
    glossary: Glossary,
    settings: RetrievalSettings,
    limit: int,
    documents: Collection[str] | None = None,
    reranker: Reranker | None = None,
    join: bool = False,
) -> Retrieval:
    """The `limit` best passages for a question in `language`, best first, with the confidence that they answer it.

    `documents` are the ids of those that count, all where None. With `join`, neighbouring passages become one.
    """
    text = flatten(text)
    found = find(text, language, index, embedder, glossary, settings, documents)
    started = time.perf_counter()
    hits = _hits(index, found.candidates, max(DEPTH if reranker else 0, _POOL * limit))
    sure = confidence(hits, language)
    if reranker:
        hits = _reranked(text, hits, reranker)
    first = found.candidates[: len(hits)]
    vectors = {candidate.name: candidate.vector for candidate in first}
    hits = select(hits, limit, vectors, {candidate.name: candidate.terms for candidate in first}, join=join)
    timings = {**found.timings, "select": time.perf_counter() - started}
    return Retrieval(tuple(hits), sure, language, found.terms, found.queries, timings)


def _query(
    text: str, words: list[str], topics: list[str], topic: str, matches: list[Match], language: str, group: str
) -> _Query:
    terms = tuple(question_terms(text, language, group))
    widenings: list[_Widening] = []
    known: set[int] = set()
    said: list[str] = []
    for match in matches:
        forms = match.term.forms.get(group, ())
        found = [tuple(dict.fromkeys(content_terms(form, group))) for form in forms]
        new = tuple(form for form in found if not set(form) <= set(terms))
        if new:
            own = tuple(question_terms(" ".join(words[match.words.start : match.words.stop]), language, group))
            widenings.append(_Widening(own, new))
            known |= set(match.words)
            said += forms[:1] if group != language else ()
    # Stop words count where a term is made of them: "how long".
    counted = {position for position, topic in enumerate(topics) if topic} | known
    share = len(known) / len(counted) if counted else 0.0
    pairs = tuple(question_pairs(text, language, group))
    whole, topic = (" ".join((part, *said)) for part in (text, topic))
    return _Query(terms, pairs, tuple(widenings), share, whole, topic, group == language)


def _best(index: Searched, group: str, query: _Query, documents: Collection[str] | None) -> set[str]:
    """The ids of the chunks that the words of a question find, and those that the glossary's find with them."""
    asked = [set(query.terms)]
    if query.widenings:
        asked.append(asked[0] | query.forms)
    return {name for terms in asked for name, _ in index.lexical.search(group, terms, _LEXICAL, documents)}


def _candidates(
    index: Searched,
    group: str,
    query: _Query,
    names: Sequence[str],
    vector: np.ndarray,
    pieces: np.ndarray,
    settings: RetrievalSettings,
) -> list[Candidate]:
    """Chunks of a language group with all their evidence."""
    rows = index.table.rows(names)
    features = _lexical_evidence(index, group, query, rows, settings)
    features["cosine"] = rows.vectors @ vector
    features["alignment"] = alignments(pieces, rows.pieces, bundled_student())
    features["coverage lead"] = leads(features["coverage"] + features["glossary"])
    features |= {f"{key} lead": leads(features[key]) for key in ("cosine", "alignment")}
    scores = fused(features, query.same_language).tolist()
    values = np.stack([*features.values()], axis=1).tolist()
    return [
        Candidate(name, group, score, dict(zip(features, row, strict=True)), its_vector, terms.all[len(terms.titles) :])
        for name, score, row, its_vector, terms in zip(names, scores, values, rows.vectors, rows.terms, strict=True)
    ]


def _lexical_evidence(
    index: Searched, group: str, query: _Query, rows: Rows, settings: RetrievalSettings
) -> dict[str, np.ndarray]:
    """How much of a question each of (n,) chunks covers, each in [0, 1].

    `coverage` by its own words and `glossary` what the glossary adds to that, `titles` in title and headings alone,
    `phrases` of what stands together in the question.
    """
    asked = [
        *dict.fromkeys((*query.terms, *(term for one in query.widenings for term in one.own), *sorted(query.forms)))
    ]
    rarity = dict(zip(asked, index.lexical.rarities(group, asked), strict=True))
    passages = Passages([terms.all for terms in rows.terms], asked, index.table.average_length(group, "terms"))
    titles = Passages([terms.titles for terms in rows.terms], query.terms, index.table.average_length(group, "titles"))

    def covered(terms: Sequence[str]) -> np.ndarray:
        return passages.coverage(terms, [rarity[term] for term in terms])

    def weight(terms: Sequence[str]) -> float:
        return sum(rarity[term] for term in terms)

    own = covered(query.terms)
    added = np.zeros(len(own))
    most = weight(query.terms)
    widest = sum(weight(widening.forms[0]) for widening in query.widenings)
    for widening in query.widenings:
        # A passage says a thing in one of its forms, so the best one counts.
        best = np.max([covered(form) for form in widening.forms], axis=0)
        if not query.same_language:
            added += settings.glossary_weight * query.share * weight(widening.forms[0]) / widest * best
        elif most > 0:
            # A synonym stands in for the words of the question, where the passage does not have them.
            missing = np.maximum(0.0, _SYNONYM * best - covered(widening.own))
            added += weight(widening.own) / most * missing
    return {
        "coverage": own,
        "glossary": np.minimum(added, 1.0 - own),
        "titles": titles.coverage(query.terms, index.lexical.rarities(group, query.terms, "titles")),
        "phrases": passages.pair_coverage(
            query.pairs, [sum(rarity[term] for term in pair) for pair in query.pairs], PAIR_GAP
        ),
    }


def ranking(found: Sequence[Candidate], ranker: str) -> list[str]:
    """The ids of the candidates in the order of one ranker, best first."""
    named = sorted(found, key=attrgetter("name"))
    values = [sum(item.features[key] for key in RANKERS[ranker]) for item in named]
    return [named[place].name for place in np.argsort(-np.array(values), kind="stable")]


def _hits(index: Searched, found: Sequence[Candidate], limit: int) -> list[Hit]:
    """The first candidates, best first, as hits with their places by each ranker."""
    places: dict[str, dict[str, int]] = {candidate.name: {} for candidate in found}
    for ranker in RANKERS:
        for place, name in enumerate(ranking(found, ranker), start=1):
            places[name][ranker] = place
    first = {candidate.name: candidate for candidate in found[:limit]}
    return [
        Hit(chunk, first[chunk.id].score, places[chunk.id], first[chunk.id].features)
        for chunk in index.table.chunks([*first])
    ]


def _reranked(text: str, hits: list[Hit], reranker: Reranker) -> list[Hit]:
    """The first hits in the order of the reranker, all of them still before the others."""
    first, rest = hits[:DEPTH], hits[DEPTH:]
    scores = reranker.scores(text, [hit.chunk.text for hit in first])
    least = rest[0].score if rest else 0.0
    read = [
        replace(hit, score=least + float(score), features={**hit.features, "reranker": float(score)})
        for hit, score in zip(first, scores, strict=True)
    ]
    return sorted(read, key=lambda hit: (-hit.score, hit.chunk.id)) + rest
