"""Retrieval: the passages of an index that answer a question, in whatever language they are."""

import re
import time
from dataclasses import dataclass, replace

from rag.analysis import content_terms, topic_of, words_of
from rag.confidence import Evidence, confidence
from rag.fuse import fused
from rag.glossary import Glossary, Match
from rag.index import Index
from rag.lexical import coverage
from rag.settings import RetrievalSettings
from rag.text import flatten
from rag.types import Embedder, Hit, Retrieval, knows

# How many chunks of a language each ranker proposes, and for how many the lexical score is looked up.
_CANDIDATES = 20
_SCORED = 200
# Share of the dense weight where the embedder was not made for the language of the passages.
_UNKNOWN_LANGUAGE = 0.3
# What a synonym is worth in the question's own language, where it must not outweigh the word that was chosen.
_SYNONYM = 0.7
# The share of a question's words from which on it counts as understood: the rest is mostly phrasing.
_UNDERSTOOD_FROM = 0.5
# Names, acronyms and numbers, which every language writes alike.
_NAME = re.compile(r"[A-Z0-9]")


@dataclass(frozen=True, slots=True)
class _Widening:
    """A glossary term in a question: the search terms of its words there, and of its other forms."""

    own: frozenset[str]
    forms: tuple[frozenset[str], ...]


@dataclass(frozen=True, slots=True)
class _Query:
    """A question as it is asked of one language group.

    `terms` are its own search terms, `widenings` the glossary's in the group's language; `share`, in [0, 1], is the
    part of the question's words that they stand for. `text` is what is embedded, and `understood`, in [0, 1], how much
    of the question it tells the embedder.
    """

    terms: frozenset[str]
    widenings: tuple[_Widening, ...]
    share: float
    text: str
    understood: float
    same_language: bool


def retrieve(
    text: str,
    language: str,
    index: Index,
    embedder: Embedder,
    glossary: Glossary,
    settings: RetrievalSettings,
    limit: int,
) -> Retrieval:
    """The `limit` best passages for a question in `language`, best first, with the confidence that they answer it."""
    started = time.perf_counter()
    text = flatten(text)
    words = words_of(text)
    matches = glossary.matches(words, language)
    queries = {group: _query(text, words, matches, language, group, embedder) for group in index.groups}
    timings = {"understand": time.perf_counter() - started}

    started = time.perf_counter()
    covered = {group: _coverage(index, group, query, settings) for group, query in queries.items()}
    timings["lexical"] = time.perf_counter() - started

    started = time.perf_counter()
    vectors = {text: embedder.embed_query(text) for text in {query.text for query in queries.values()}}
    timings["embed"] = time.perf_counter() - started

    started = time.perf_counter()
    hits: list[Hit] = []
    evidence: list[Evidence] = []
    for group, query in queries.items():
        vector = vectors[query.text]
        best = sorted(covered[group], key=lambda name: (-covered[group][name], name))[:_CANDIDATES]
        nearest = [name for name, _ in index.vectors.search(group, vector, _CANDIDATES)]
        stored = index.vectors.get(group, sorted({*best, *nearest}))
        cosines = {name: float(row @ vector) for name, (_, row) in stored.items()}
        coverage_here = {name: covered[group].get(name, 0.0) for name in stored}
        weight = settings.dense_weight if knows(embedder, group) else settings.dense_weight * _UNKNOWN_LANGUAGE
        scores = fused(coverage_here, cosines, settings.lexical_weight, weight)
        cosine = query.understood * max(cosines.values(), default=0.0) if query.understood else None
        evidence.append(Evidence(max(coverage_here.values(), default=0.0), cosine))
        hits += [
            Hit(chunk, scores[name], features={"coverage": coverage_here[name], "cosine": cosines[name]})
            for name, (chunk, _) in stored.items()
        ]
    found = _ranked(hits)
    timings["dense"] = time.perf_counter() - started
    return Retrieval(
        hits=tuple(found[:limit]),
        confidence=confidence(evidence),
        language=language,
        terms=tuple({id(match.term): match.term for match in matches}.values()),
        queries={group: query.text for group, query in queries.items()},
        timings=timings,
    )


def _query(text: str, words: list[str], matches: list[Match], language: str, group: str, embedder: Embedder) -> _Query:
    analysed = language if group == language else group
    topics = [topic_of(word, language) for word in words]
    terms = frozenset(content_terms(" ".join(filter(None, topics)) or text, analysed))
    widenings: list[_Widening] = []
    known: set[int] = set()
    for match in matches:
        found = [frozenset(content_terms(form, group)) for form in match.term.forms.get(group, ())]
        new = tuple(form for form in found if form and not form <= terms)
        if new:
            own = frozenset(content_terms(" ".join(topics[position] for position in match.words), analysed))
            widenings.append(_Widening(own, new))
            known |= set(match.words)
    # Stop words count where a term is made of them: "how long".
    counted = {position for position, topic in enumerate(topics) if topic} | known
    share = len(known) / len(counted) if counted else 0.0
    embedded, understood = text, 1.0 if knows(embedder, group) and knows(embedder, language) else 0.0
    if knows(embedder, group) and not understood:
        # The embedder does not know the question's language: it is shown what the glossary and the names in it say.
        parts, said = _in_terms(words, topics, matches, group)
        if parts:
            embedded = " ".join(parts)
            understood = min(1.0, said / max(1, len(counted)) / _UNDERSTOOD_FROM)
    return _Query(terms, tuple(widenings), share, embedded, understood, group == language)


def _in_terms(words: list[str], topics: list[str], matches: list[Match], language: str) -> tuple[list[str], int]:
    """What another language shares of a question, and how many words that is: names, numbers, preferred forms."""
    at = {match.words.start: match for match in matches if match.term.forms.get(language)}
    replaced = {position for match in at.values() for position in match.words}
    parts = []
    said = len(replaced)
    for position, word in enumerate(words):
        if position in at:
            parts.append(at[position].term.forms[language][0])
        elif position not in replaced and topics[position] and _NAME.match(word):
            parts.append(word)
            said += 1
    return parts, said


def _coverage(index: Index, group: str, query: _Query, settings: RetrievalSettings) -> dict[str, float]:
    """How much of the question each chunk covers, in [0, 1]: its own words, and through the glossary."""
    scores = dict(index.lexical.search(group, query.terms, _SCORED))
    most = index.lexical.most(group, query.terms)
    if query.same_language:
        # A synonym stands in for the words of the question, where the passage does not have them.
        for widening in query.widenings:
            own = dict(index.lexical.search(group, widening.own, _SCORED))
            worth = _SYNONYM * index.lexical.most(group, widening.own)
            for name, share in _best_form(index, group, widening.forms).items():
                gained = worth * share - own.get(name, 0.0)
                scores[name] = scores.get(name, 0.0) + max(0.0, gained)
        return coverage(scores, most)
    covered = coverage(scores, most)
    widened: dict[str, float] = {}
    weights = [index.lexical.most(group, widening.forms[0]) for widening in query.widenings]
    for widening, weight in zip(query.widenings, weights, strict=True):
        for name, share in _best_form(index, group, widening.forms).items():
            widened[name] = widened.get(name, 0.0) + share * weight / sum(weights)
    weight = settings.glossary_weight * query.share
    return {name: min(1.0, covered.get(name, 0.0) + weight * widened.get(name, 0.0)) for name in {**covered, **widened}}


def _best_form(index: Index, group: str, forms: tuple[frozenset[str], ...]) -> dict[str, float]:
    """How much of a glossary term each chunk covers: it says a thing in one of its forms, so the best one counts."""
    best: dict[str, float] = {}
    for form in forms:
        found = coverage(dict(index.lexical.search(group, form, _SCORED)), index.lexical.most(group, form))
        for name, share in found.items():
            best[name] = max(best.get(name, 0.0), share)
    return best


def _ranked(hits: list[Hit]) -> list[Hit]:
    """Hits best first with their places by each ranker; of chunks with the same text only the best stays."""
    places: dict[str, dict[str, int]] = {hit.chunk.id: {} for hit in hits}
    for ranker, feature in (("lexical", "coverage"), ("dense", "cosine")):
        ordered = sorted(hits, key=lambda hit: (-hit.features[feature], hit.chunk.id))
        for place, hit in enumerate(ordered, start=1):
            places[hit.chunk.id][ranker] = place
    seen: set[str] = set()
    ranked = []
    for hit in sorted(hits, key=lambda hit: (-hit.score, hit.chunk.id)):
        same = flatten(hit.chunk.text)
        if same not in seen:
            seen.add(same)
            ranked.append(replace(hit, ranks=places[hit.chunk.id]))
    return ranked
