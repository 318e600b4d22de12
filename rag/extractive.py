"""Answers in the documents' own words: the sentences of the hits that answer a question best, each cited.

Needs no model. Knows nothing of how the hits were found; frames in messages are made by the caller.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rag.analysis import content_terms
from rag.cite import Checked, is_row, joined_quote, passage_spans, topic_terms
from rag.prompt import without_references
from rag.text import flatten, fold, normalise
from rag.types import Chunk, Citation, Embedder, Retrieval, Sentence, Term

SENTENCES = 3
"""The most sentences that an answer shows."""

_PASSAGES = 5
# What the embedder is asked to compare, so that an answer is complete well within a second.
_EMBEDDED = 40
_CHARACTERS = 600
_COVERAGE_WEIGHT, _COSINE_WEIGHT, _PASSAGE_WEIGHT, _NUMBER_BONUS = 1.0, 0.8, 0.6, 0.15
# A further sentence is shown if it is about as good as the best one, and says something else.
_WORTH_SHOWING = 0.55
_DUPLICATE = 0.85

_DIGIT = re.compile(r"\d")
_END = re.compile(r"[.!?。？！…:;][\"'”’»)\]]*$")
_ASKS_FOR_NUMBER = re.compile(
    r"\b(?:when|what (?:year|date|time|value)|which year|deadline"
    r"|how (?:many|much|long|far|old|big|large|high|deep|fast|often|heavy|hot)"
    r"|mikor|meddig|mettol|mennyi\w*|hany\w*|hatarido\w*|mekkora|ertek\w*|milyen (?:hosszu|magas|messze|nagy|gyors))\b"
    r"|언제|몇|얼마|며칠|기한|날짜|연도|값은",
)
# Sentences that begin like this need the one before them.
_REFERS_BACK = re.compile(
    r"(?:it|its|they|their|he|his|she|her|this|these|those|such|ez|ezt|ezek|ezeket|ennek|ezzel|erre|ebben|az|azt|azok|o|ok"
    r"|itt|ott|igy|이|그|이는|이것은|이를|이들은|이들|그는|그녀는|그들은|그것은|이때|이후|그러나|따라서|또한|여기에)\b"
)
# A Hungarian "az" before a word is the article; only "Az is" and the like point back.
_ARTICLE = re.compile(r"az (?!is |volt |lesz |a )")
# Sentences about the document itself: where it comes from, not what it says.
_SOURCE_LINE = re.compile(r"(?:sources?|forras(?:ok)?|출처)\s*:", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A sentence of a hit: `place` is that of its hit, `index` its own among the spans of the chunk."""

    place: int
    index: int
    start: int
    end: int
    text: str
    terms: frozenset[str]


def answer(question: str, retrieval: Retrieval, embedder: Embedder | None = None) -> Checked:
    """At most three sentences of the first hits, best first, each with its citation; empty without hits."""
    hits = retrieval.hits[:_PASSAGES]
    candidates = [candidate for place, hit in enumerate(hits) for candidate in _candidates(place, hit.chunk)]
    if not candidates:
        return Checked("", (), ())
    scores = _scores(question, retrieval, candidates, embedder)
    groups = _selected(candidates, scores, [hit.chunk.language for hit in hits], retrieval.language)

    numbers: dict[int, int] = {}
    spans: dict[int, list[tuple[int, int]]] = {}
    sentences = []
    for group in groups:
        for candidate in group:
            number = numbers.setdefault(candidate.place, len(numbers) + 1)
            spans.setdefault(candidate.place, []).append((candidate.start, candidate.end))
            sentences.append(Sentence(candidate.text, (number,)))
    citations = []
    for place, number in numbers.items():
        words, page = joined_quote(hits[place].chunk, spans[place])
        citations.append(Citation(number, hits[place].chunk, words, page))
    lines = []
    for group in groups:
        texts = " ".join(candidate.text for candidate in group)
        lines.append(f"{texts} [{numbers[group[0].place]}]")
    return Checked("\n\n".join(lines), tuple(sentences), tuple(citations))


def _candidates(place: int, chunk: Chunk) -> list[_Candidate]:
    headings = {flatten(heading) for heading in (*chunk.headings, chunk.title)}
    found = []
    header: list[str] = []
    for index, (start, end) in enumerate(passage_spans(chunk.text)):
        written = chunk.text[start:end]
        cells = _cells(written)
        if cells and len(cells) != len(header):
            header = cells
            # Without numbers it is the header, and no answer; with them, the header stands in another passage.
            if not _DIGIT.search(written):
                continue
        elif not cells:
            header = []
        text = _shown(_labelled(header, cells) if cells else written)
        words = len(text.split())
        row = bool(cells) or is_row(written)
        # Headings, captions and cut-off lines say nothing by themselves.
        whole = row or (_END.search(text) and words >= 3) or words >= 8
        if text and whole and text not in headings and not _SOURCE_LINE.match(fold(text)):
            found.append(_Candidate(place, index, start, end, text, topic_terms(text, chunk.language)))
    return found


def _cells(text: str) -> list[str]:
    """The cells of a table row as it stands on a page, `cell | cell`; empty where the text isn't one."""
    cells = [cell.strip() for cell in flatten(text).strip("| ").split(" | ")]
    return cells if len(cells) > 1 else []


def _labelled(header: Sequence[str], cells: Sequence[str]) -> str:
    if any(_DIGIT.search(name) for name in header):
        return f"{cells[0]}: {'; '.join(cells[1:])}"
    return "; ".join(f"{name}: {cell}" for name, cell in zip(header, cells, strict=True) if cell)


def _shown(text: str) -> str:
    """A sentence as it is shown: in one line, without marks of a list or heading, its brackets not like citations."""
    line = flatten(normalise(text)).lstrip("#*•–|- ").rstrip("| ")
    shown = without_references(line)
    return shown if len(shown) <= _CHARACTERS else shown[:_CHARACTERS].rsplit(" ", 1)[0] + " …"


def _scores(
    question: str, retrieval: Retrieval, candidates: Sequence[_Candidate], embedder: Embedder | None
) -> list[float]:
    """How well each candidate answers: covered question terms, meaning, the hit's own score, numbers if asked for."""
    hits = retrieval.hits
    languages = {candidate.place: hits[candidate.place].chunk.language for candidate in candidates}
    wanted = {
        language: _wanted(question, retrieval.language, language, retrieval.terms)
        for language in set(languages.values())
    }
    frequency: dict[str, int] = {}
    for candidate in candidates:
        for term in candidate.terms:
            frequency[term] = frequency.get(term, 0) + 1

    def rarity(term: str) -> float:
        return math.log(1 + len(candidates) / (0.5 + frequency.get(term, 0)))

    around = {place: _context_terms(hits[place].chunk) for place in languages}
    coverage = []
    for candidate in candidates:
        terms = wanted[languages[candidate.place]]
        total = sum(rarity(term) for term in terms if term in frequency or term in around[candidate.place])
        # What the heading already says counts half: "Deadline" above "30 April".
        gained = sum(
            rarity(term) * (1.0 if term in candidate.terms else 0.5)
            for term in terms
            if term in candidate.terms or term in around[candidate.place]
        )
        coverage.append(gained / total if total else 0.0)
    best = max((hit.score for hit in hits[:_PASSAGES]), default=0.0)
    asks_for_number = bool(_ASKS_FOR_NUMBER.search(fold(question)))
    scores = [
        _COVERAGE_WEIGHT * covered
        + _PASSAGE_WEIGHT * max(-1.0, hits[candidate.place].score - best)
        + (_NUMBER_BONUS if asks_for_number and _DIGIT.search(candidate.text) else 0.0)
        for candidate, covered in zip(candidates, coverage, strict=True)
    ]
    return _with_meaning(question, retrieval.language, candidates, languages, scores, embedder)


def _with_meaning(
    question: str,
    language: str,
    candidates: Sequence[_Candidate],
    languages: dict[int, str],
    scores: list[float],
    embedder: Embedder | None,
) -> list[float]:
    """Adds the cosine of question and sentence where the embedder knows both languages, to the best candidates."""
    if embedder is None or not _knows(embedder, language):
        return scores
    ordered = sorted(range(len(candidates)), key=lambda at: -scores[at])
    embedded = [at for at in ordered if _knows(embedder, languages[candidates[at].place])][:_EMBEDDED]
    if not embedded:
        return scores
    rows = embedder.embed_passages([candidates[at].text for at in embedded])
    cosines = rows @ embedder.embed_query(question)
    added = list(scores)
    # What was not compared counts as the least similar.
    least = float(np.min(cosines))
    for at in range(len(candidates)):
        added[at] += _COSINE_WEIGHT * least
    for at, cosine in zip(embedded, cosines, strict=True):
        added[at] += _COSINE_WEIGHT * (float(cosine) - least)
    return added


def _selected(
    candidates: Sequence[_Candidate], scores: Sequence[float], languages: Sequence[str], language: str
) -> list[list[_Candidate]]:
    """The best candidates, each behind the sentence that it refers back to; no two say the same.

    What follows the best one is in its language or in that of the question. `languages` are those of the hits.
    """
    by_place = {(candidate.place, candidate.index): candidate for candidate in candidates}
    order = sorted(range(len(candidates)), key=lambda at: (-scores[at], candidates[at].place, candidates[at].index))
    best = scores[order[0]]
    readable = {language, languages[candidates[order[0]].place]}
    groups: list[list[_Candidate]] = []
    shown: list[_Candidate] = []
    for at in order:
        candidate = candidates[at]
        if len(shown) >= SENTENCES or (groups and scores[at] < _WORTH_SHOWING * best):
            break
        if languages[candidate.place] not in readable:
            continue
        if any(candidate is other or _same(candidate.terms, other.terms) for other in shown):
            continue
        group = [candidate]
        before = by_place.get((candidate.place, candidate.index - 1))
        # Not where the one before stands in the answer already.
        if before and _refers_back(candidate.text) and before not in shown and len(shown) + 2 <= SENTENCES:
            group.insert(0, before)
        groups.append(group)
        shown += group
    return groups


def _refers_back(text: str) -> bool:
    start = fold(text[:40])
    return bool(_REFERS_BACK.match(start)) and not _ARTICLE.match(start)


def _same(terms: frozenset[str], other: frozenset[str]) -> bool:
    # Two rows of a table may differ in a single number, which is all that matters.
    if {term for term in terms if term[0].isdigit()} ^ {term for term in other if term[0].isdigit()}:
        return False
    smaller = min(len(terms), len(other))
    return smaller > 0 and len(terms & other) / smaller >= _DUPLICATE


def _wanted(question: str, language: str, passage_language: str, terms: Sequence[Term]) -> frozenset[str]:
    """The question's terms as a passage in another language writes them: names, numbers, and the glossary's forms."""
    own = topic_terms(question, language)
    if passage_language == language:
        return own
    forms = [form for term in terms for form in term.forms.get(passage_language, ())]
    return own.union(*(content_terms(form, passage_language) for form in forms))


def _context_terms(chunk: Chunk) -> frozenset[str]:
    return topic_terms(" ".join((chunk.title, *chunk.headings)), chunk.language)


def _knows(embedder: Embedder, language: str) -> bool:
    return not embedder.languages or language in embedder.languages
