"""How well each part of the passages answers a question: by words, by meaning and by what is asked for.

Knows nothing of how an answer is put together from the best of them.
"""

import math
import re
from collections.abc import Sequence
from functools import cache

import numpy as np

from rag.align import alignments
from rag.analysis import content_terms, content_words, topic_words
from rag.cite import topic_terms
from rag.embed import bundled_student
from rag.extractive.asked_for import AskedFor, without_measure
from rag.extractive.candidates import Candidate
from rag.fuse import leads
from rag.types import Chunk, Embedder, Retrieval, knows

# What the embedder compares, the best by all other evidence: English takes it three milliseconds each, and on SQuAD and
# KorQuAD more of them changed nothing.
_EMBEDDED = 5
# Weights fitted on every second answerable question of those two, then rounded.
_COVERAGE, _COSINE, _PASSAGE = 1.0, 0.45, 0.6
# In another language than the question's there are few words to cover, and the pieces of words say most.
_ALIGNMENT, _ALIGNMENT_ELSEWHERE = 0.1, 0.5
# For a part of an FAQ's answer whose question has no word of this one.
_OTHER_QUESTION = 0.15
# For a row of a table where an explanation is asked for.
_ROW = 0.2
# For what does not end as a sentence does: it may have been cut off.
_UNFINISHED = 0.15
# For a number where one is asked for, and for what a question of its kind needs.
_NUMBER, _KIND = 0.2, 0.2
# For a passage that does not name what the question names: it is about something else.
_STRANGER = 0.4
# For a sentence without the long numbers of the question: years, and what tells "GJ 1214 b" from "GJ 1132 b".
_NUMBER_MISSING = 0.1
_LONG_NUMBER = re.compile(r"\d{3,}")
# For a sentence in another language than the question's, which the visitor may not read.
_FOREIGN = 0.3
# What a term of the question counts that the question of an FAQ has, a heading, and the sentence before.
_ASKED, _ABOVE, _BEFORE = 0.8, 0.5, 0.45


def scores(
    question: str, retrieval: Retrieval, found: Sequence[Candidate], embedder: Embedder | None
) -> tuple[list[float], dict[int, np.ndarray]]:
    """(n,) scores of candidates, higher is better, and the (dimension,) unit rows of those that were embedded."""
    hits = retrieval.hits
    chunks = {candidate.place: hits[candidate.place].chunk for candidate in found}
    languages = [chunks[candidate.place].language for candidate in found]
    own = np.array([language == retrieval.language for language in languages])
    strangers = {place for place, chunk in chunks.items() if not _names_all(retrieval, chunk)}
    best = max((hits[place].score for place in chunks), default=0.0)
    said = topic_terms(question, retrieval.language)
    numbers = {term for term in said if _LONG_NUMBER.fullmatch(term)}
    asked = AskedFor.by(question)

    total = _COVERAGE * _covered(question, retrieval, found, languages)
    total += np.where(own, _ALIGNMENT, _ALIGNMENT_ELSEWHERE) * _aligned(question, retrieval, found, languages)
    total -= _FOREIGN * ~own
    for at, candidate in enumerate(found):
        total[at] += _PASSAGE * max(-1.0, hits[candidate.place].score - best)
        total[at] += _NUMBER * asked.number_in(candidate.text) + _KIND * asked.kind_in(candidate.text)
        total[at] -= _STRANGER * (candidate.place in strangers)
        total[at] -= _ROW * (candidate.row and asked.explanation)
        total[at] -= _UNFINISHED * (not candidate.finished)
        if own[at] and candidate.asks and not candidate.asks & said:
            total[at] -= _OTHER_QUESTION
        total[at] -= _NUMBER_MISSING * (not numbers <= (candidate.terms | candidate.asks | candidate.above))
    cosines, rows = _meaning(question, retrieval, found, languages, total, embedder)
    return (total + _COSINE * cosines).tolist(), rows


def _covered(question: str, retrieval: Retrieval, found: Sequence[Candidate], languages: Sequence[str]) -> np.ndarray:
    """(n,) shares of the question that the candidates say, in [0, 1]; what only a few of them say weighs more."""
    frequency: dict[str, int] = {}
    for candidate in found:
        for term in candidate.terms:
            frequency[term] = frequency.get(term, 0) + 1

    @cache
    def weight(form: frozenset[str]) -> float:
        return sum(math.log(1 + len(found) / (0.5 + frequency.get(term, 0))) for term in form)

    wanted = {
        # A long name counts for more than a word, but not for as many as it has.
        language: [
            (forms, weight(forms[0]) / math.sqrt(len(forms[0]))) for forms in _wanted(question, retrieval, language)
        ]
        for language in set(languages)
    }
    shares = np.zeros(len(found))
    for at, candidate in enumerate(found):
        before = found[at - 1].terms if candidate.follows else frozenset()
        layers = [(candidate.terms, 1.0), (candidate.asks, _ASKED), (candidate.above, _ABOVE), (before, _BEFORE)]
        known: set[str] = set()
        parts = []
        for terms, share in layers:
            parts.append((terms - known, share))
            known |= terms
        said = sum(
            worth * max(sum(share * weight(form & terms) for terms, share in parts) / weight(form) for form in forms)
            for forms, worth in wanted[languages[at]]
        )
        shares[at] = said / (sum(worth for _, worth in wanted[languages[at]]) or 1.0)
    return shares


def _aligned(question: str, retrieval: Retrieval, found: Sequence[Candidate], languages: Sequence[str]) -> np.ndarray:
    """(n,) how well the words of the question find partners in each candidate, centred a language as in fusion."""
    student = bundled_student()
    pieces = student.pieces([candidate.text for candidate in found])
    values = np.zeros(len(found))
    for language in set(languages):
        text = topic_words(retrieval.queries.get(language, question), retrieval.language)
        places = [at for at, its in enumerate(languages) if its == language]
        values[places] = leads(alignments(student.pieces([text])[0], [pieces[at] for at in places], student))
    return values


def _meaning(
    question: str,
    retrieval: Retrieval,
    found: Sequence[Candidate],
    languages: Sequence[str],
    before: np.ndarray,
    embedder: Embedder | None,
) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """(n,) cosines of question and candidate, centred a language as in fusion, and the candidates' rows.

    0 where the embedder can't compare them, and of those that are not among the best so far the least of the others.
    The question is embedded as it was for that language: with the glossary's words for its terms.
    """
    similarity = np.zeros(len(found))
    rows: dict[int, np.ndarray] = {}
    if embedder is None or not knows(embedder, retrieval.language):
        return similarity, rows
    first = np.argsort(-before, kind="stable")[:_EMBEDDED].tolist()
    for language in {languages[at] for at in first}:
        if not knows(embedder, language):
            continue
        places = [at for at in first if languages[at] == language]
        vectors = embedder.embed_passages([found[at].text for at in places])
        cosines = leads(vectors @ embedder.embed_query(retrieval.queries.get(language, question)))
        similarity[[at for at, its in enumerate(languages) if its == language]] = cosines.min()
        similarity[places] = cosines
        rows |= dict(zip(places, vectors, strict=True))
    return similarity, rows


def _wanted(question: str, retrieval: Retrieval, language: str) -> list[tuple[frozenset[str], ...]]:
    """What passages in a language should say: each part of the question with all the forms it may have there.

    In the question's language these are its terms, and the forms of the glossary's; in another one the glossary's
    forms, and what every language writes alike: names and numbers.
    """
    same = retrieval.language == language
    words = content_words(without_measure(question), retrieval.language)
    terms = set(
        content_terms(" ".join(word for word in words if same or word[:1].isupper() or word[:1].isdigit()), language)
    )
    wanted = []
    for term in retrieval.terms:
        forms = tuple(filter(None, (topic_terms(form, language) for form in term.forms.get(language, ()))))
        if forms:
            terms -= set().union(*forms)
            wanted.append(forms)
    return wanted + [(frozenset({term}),) for term in sorted(terms)]


def _names_all(retrieval: Retrieval, chunk: Chunk) -> bool:
    """Whether a passage, or what stands above it, has every proper name that the glossary knows in the question."""
    said = topic_terms(" ".join((chunk.title, *chunk.headings, chunk.text)), chunk.language)
    for term in retrieval.terms:
        if any(form[:1].isupper() for form in term.forms.get("en", ())[:1]):
            # Names are often written as in English, whatever the language around them.
            forms = (*term.forms.get(chunk.language, ()), *term.forms.get("en", ()))
            if not any(topic_terms(form, chunk.language) <= said for form in forms):
                return False
    return True
