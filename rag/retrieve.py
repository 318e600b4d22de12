"""Retrieval: the passages of an index that answer a question, in whatever language they are."""

import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from rag.align import alignments
from rag.analysis import content_terms, question_pairs, question_terms, topic_of, topic_words, words_of
from rag.confidence import confidence
from rag.embed import bundled_student
from rag.fuse import fused, leads
from rag.glossary import Glossary, Match
from rag.index import Index
from rag.lexical import coverage
from rag.rerank import DEPTH, Reranker
from rag.select import select
from rag.settings import RetrievalSettings
from rag.text import flatten
from rag.types import Chunk, Embedder, Hit, Retrieval, Term
from rag.vectors import GROUPS

RANKERS = {"lexical": ("coverage", "glossary"), "dense": ("cosine",)}
"""The features that each ranker orders by."""

_THREADS = ThreadPoolExecutor(2 * len(GROUPS), thread_name_prefix="retrieval")
# How many chunks of a language the lexical and the dense ranker propose. In another language than the question's only
# the dense one has much to say, and less exactly. For how many the lexical score is looked up.
_LEXICAL, _NEAREST, _NEAREST_ELSEWHERE = 30, 40, 100
_SCORED = 200
# How many of the best are read for each that is shown: duplicates are left out, neighbours joined.
_POOL = 4
# What a synonym is worth in the question's own language, where it must not outweigh the word that was chosen.
_SYNONYM = 0.7


@dataclass(frozen=True, slots=True)
class _Widening:
    """A glossary term in a question: the search terms of its words there, and of its other forms."""

    own: frozenset[str]
    forms: tuple[frozenset[str], ...]


@dataclass(frozen=True, slots=True)
class _Query:
    """A question as it is asked of one language group.

    `terms` are its own search terms, `pairs` those that stand together, `widenings` the glossary's in the group's
    language; `share`, in [0, 1], is the part of the question's words that they stand for. `text` is what is embedded:
    the question and, for another language, what the glossary calls its terms there; `topic` is what is aligned: the
    same without the words that carry no topic.
    """

    terms: frozenset[str]
    pairs: tuple[tuple[str, str], ...]
    widenings: tuple[_Widening, ...]
    share: float
    text: str
    topic: str
    same_language: bool


@dataclass(frozen=True, slots=True)
class Candidate:
    """A chunk by its id, before its text is read; `vector` is its (dimension,) unit row."""

    name: str
    group: str
    score: float
    features: dict[str, float]
    vector: np.ndarray


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
    index: Index,
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
    queries = {group: _query(text, words, matches, language, group) for group in index.groups}
    timings = {"understand": time.perf_counter() - started}

    started = time.perf_counter()
    covered = {group: _coverage(index, group, query, settings, documents) for group, query in queries.items()}
    timings["lexical"] = time.perf_counter() - started

    started = time.perf_counter()
    asked = [*{query.text for query in queries.values()}]
    embedded = {text: embedder.embed_query(text) for text in asked}
    pieces = dict(zip(queries, bundled_student().pieces([query.topic for query in queries.values()]), strict=True))
    timings["embed"] = time.perf_counter() - started

    started = time.perf_counter()
    # The groups side by side: most of the time is spent outside the interpreter.
    parts = _THREADS.map(
        lambda group: _candidates(
            index, group, queries[group], covered[group], embedded[queries[group].text], pieces[group],
            documents,
        ),
        queries,
    )  # fmt: skip
    found = [candidate for part in parts for candidate in part]
    found.sort(key=lambda candidate: (-candidate.score, candidate.name))
    timings["dense"] = time.perf_counter() - started
    terms = tuple({id(match.term): match.term for match in matches}.values())
    return Found(tuple(found), terms, {group: query.text for group, query in queries.items()}, timings)


def retrieve(
    text: str,
    language: str,
    index: Index,
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
    vectors = {candidate.name: candidate.vector for candidate in found.candidates[: len(hits)]}
    hits = select(hits, limit, vectors, join=join)
    timings = {**found.timings, "select": time.perf_counter() - started}
    return Retrieval(tuple(hits), sure, language, found.terms, found.queries, timings)


def _query(text: str, words: list[str], matches: list[Match], language: str, group: str) -> _Query:
    topics = [topic_of(word, language) for word in words]
    terms = frozenset(question_terms(text, language, group))
    widenings: list[_Widening] = []
    known: set[int] = set()
    said: list[str] = []
    for match in matches:
        forms = match.term.forms.get(group, ())
        found = [frozenset(content_terms(form, group)) for form in forms]
        new = tuple(form for form in found if form and not form <= terms)
        if new:
            own = frozenset(question_terms(" ".join(words[match.words.start : match.words.stop]), language, group))
            widenings.append(_Widening(own, new))
            known |= set(match.words)
            said += forms[:1] if group != language else ()
    # Stop words count where a term is made of them: "how long".
    counted = {position for position, topic in enumerate(topics) if topic} | known
    share = len(known) / len(counted) if counted else 0.0
    pairs = tuple(question_pairs(text, language, group))
    whole, topic = (" ".join((part, *said)) for part in (text, topic_words(text, language)))
    return _Query(terms, pairs, tuple(widenings), share, whole, topic, group == language)


def _coverage(
    index: Index, group: str, query: _Query, settings: RetrievalSettings, documents: Collection[str] | None
) -> tuple[dict[str, float], dict[str, float]]:
    """How much of the question each chunk covers, in [0, 1]: by its own words, and more through the glossary."""
    scores = dict(index.lexical.search(group, query.terms, _SCORED, documents))
    most = index.lexical.most(group, query.terms)
    covered = coverage(scores, most)
    widened: dict[str, float] = {}
    if query.same_language:
        # A synonym stands in for the words of the question, where the passage does not have them.
        for widening in query.widenings:
            own = dict(index.lexical.search(group, widening.own, _SCORED, documents))
            worth = _SYNONYM * index.lexical.most(group, widening.own)
            for name, share in _best_form(index, group, widening.forms, documents).items():
                gained = max(0.0, worth * share - own.get(name, 0.0)) / most if most > 0 else 0.0
                widened[name] = widened.get(name, 0.0) + gained
    else:
        weights = [index.lexical.most(group, widening.forms[0]) for widening in query.widenings]
        for widening, weight in zip(query.widenings, weights, strict=True):
            part = settings.glossary_weight * query.share * weight / sum(weights)
            for name, share in _best_form(index, group, widening.forms, documents).items():
                widened[name] = widened.get(name, 0.0) + part * share
    return covered, {name: min(gained, 1.0 - covered.get(name, 0.0)) for name, gained in widened.items() if gained > 0}


def _best_form(
    index: Index, group: str, forms: tuple[frozenset[str], ...], documents: Collection[str] | None
) -> dict[str, float]:
    """How much of a glossary term each chunk covers: it says a thing in one of its forms, so the best one counts."""
    best: dict[str, float] = {}
    for form in forms:
        found = coverage(dict(index.lexical.search(group, form, _SCORED, documents)), index.lexical.most(group, form))
        for name, share in found.items():
            best[name] = max(best.get(name, 0.0), share)
    return best


def _candidates(
    index: Index,
    group: str,
    query: _Query,
    covered: tuple[dict[str, float], dict[str, float]],
    vector: np.ndarray,
    pieces: np.ndarray,
    documents: Collection[str] | None,
) -> list[Candidate]:
    """The chunks of a language group that either ranker proposes, with all their evidence."""
    own, widened = covered
    lexical = {name: own.get(name, 0.0) + widened.get(name, 0.0) for name in {**own, **widened}}
    best = sorted(lexical, key=lambda name: (-lexical[name], name))[:_LEXICAL]
    count = _NEAREST if query.same_language else _NEAREST_ELSEWHERE
    nearest = [name for name, _ in index.vectors.search(group, vector, count, documents)]
    names = sorted({*best, *nearest})
    rows, passages = index.table.get(names)
    evidence = {
        "coverage": own,
        "glossary": widened,
        "titles": _titles(index, group, query, names),
        "phrases": _phrases(index, group, query, names),
    }
    features = {key: np.array([some.get(name, 0.0) for name in names]) for key, some in evidence.items()}
    features["cosine"] = rows @ vector
    features["alignment"] = alignments(pieces, passages, bundled_student())
    features["coverage lead"] = leads(features["coverage"] + features["glossary"])
    features |= {f"{key} lead": leads(features[key]) for key in ("cosine", "alignment")}
    scores = fused(features, query.same_language)
    return [
        Candidate(name, group, float(scores[at]), {key: float(some[at]) for key, some in features.items()}, rows[at])
        for at, name in enumerate(names)
    ]


def _titles(index: Index, group: str, query: _Query, names: Collection[str]) -> dict[str, float]:
    """How much of the question stands in the title and the headings of each chunk, in [0, 1]."""
    found = dict(index.lexical.search_titles(group, query.terms, len(names), names=names))
    return coverage(found, index.lexical.most_titles(group, query.terms))


def _phrases(index: Index, group: str, query: _Query, names: Collection[str]) -> dict[str, float]:
    """How much of what stands together in the question does so in each chunk, in [0, 1]."""
    found = dict(index.lexical.search_phrases(group, query.pairs, len(names), names=names))
    return coverage(found, index.lexical.most_phrases(group, query.pairs))


def ranking(found: Sequence[Candidate], ranker: str) -> list[str]:
    """The ids of the candidates in the order of one ranker, best first."""
    features = RANKERS[ranker]
    ordered = sorted(found, key=lambda item: (-sum(item.features[key] for key in features), item.name))
    return [candidate.name for candidate in ordered]


def _hits(index: Index, found: Sequence[Candidate], limit: int) -> list[Hit]:
    """The first candidates, best first, as hits with their places by each ranker."""
    places: dict[str, dict[str, int]] = {candidate.name: {} for candidate in found}
    for ranker in RANKERS:
        for place, name in enumerate(ranking(found, ranker), start=1):
            places[name][ranker] = place
    first = found[:limit]
    groups: dict[str, list[str]] = {}
    for candidate in first:
        groups.setdefault(candidate.group, []).append(candidate.name)
    chunks: dict[str, Chunk] = {}
    for part in _THREADS.map(index.vectors.get, groups, groups.values()):
        chunks |= part
    return [
        Hit(chunks[item.name], item.score, places[item.name], item.features) for item in first if item.name in chunks
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
