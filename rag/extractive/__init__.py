"""Answers in the documents' own words: the sentences of the hits that answer a question best, each cited.

Needs no model. Knows nothing of how the hits were found; frames in messages are made by the caller.
"""

import re
from collections.abc import Mapping, Sequence

import numpy as np

from rag.cite import Checked, citations_of
from rag.extractive.candidates import Candidate, candidates
from rag.extractive.evidence import scores
from rag.text import fold
from rag.types import Chunk, Embedder, Retrieval, Sentence

SENTENCES = 3
"""The most sentences that an answer shows."""

_PASSAGES = 5
# A further sentence is shown if its score comes near that of the best one: nearer, the better that is. On SQuAD and
# KorQuAD this finds as much as a fixed distance of 0.5, with fewer sentences.
_DISTANCE, _LESS_FOR_BETTER = 0.72, 0.4
# Behind a best one in another language, those in the visitor's own are shown more readily.
_OWN_LANGUAGE_DISTANCE = 0.6
_DUPLICATE = 0.85
_SAME_MEANING = 0.92

# Sentences that begin like this need the one before them. "This treaty" says what it means, "this" alone does not; a
# Hungarian "az" before a word is the article.
_REFERS_BACK = re.compile(
    r"(?:it|its|they|them|their|he|his|she|her|but|however|therefore|thus"
    r"|(?:this|these|those)(?= (?:is|are|was|were|has|have|had|will|would|can|could|may|might|must|means?|led)\b)"
    r"|ez|ezek|(?:ezt|ezeket|ennek|ezzel|erre|ebben|ehhez|azt|azok)(?! az? )|az(?= (?:is|volt|lesz) )|o|ok|ekkor|itt"
    r"|ott|igy|ilyenkor|ezutan|azonban|tehat|이는|이것은|이를|이들은|이들|그는|그녀는|그들은|그것은|이때|이후|그러나|따라서|여기에"
    r"|하지만|그래서|이에)\b"
)
# To which question, the reader of an FAQ's answer does not see.
_YES_OR_NO = re.compile(r"(?:yes|no|igen|nem|네|예|아니요?|아니오)\b")


def answer(question: str, retrieval: Retrieval, embedder: Embedder | None = None) -> Checked:
    """At most three sentences of the first hits, best first, each with its citation; empty without hits."""
    hits = retrieval.hits[:_PASSAGES]
    found = [candidate for place, hit in enumerate(hits) for candidate in candidates(place, hit.chunk)]
    if not found:
        return Checked("", (), ())
    values, rows = scores(question, retrieval, found, embedder)
    chosen = _chosen(found, values, rows, [hit.chunk.language for hit in hits], retrieval.language)
    return _cited(_in_order(chosen), [hit.chunk for hit in hits])


def _chosen(
    found: Sequence[Candidate],
    values: Sequence[float],
    rows: Mapping[int, np.ndarray],
    languages: Sequence[str],
    language: str,
) -> list[Candidate]:
    """The best candidates, each behind the sentence that it refers back to; no two say the same.

    What follows the best one is in its language or in that of the question. `languages` are those of the hits.
    """
    order = sorted(range(len(found)), key=lambda at: (-values[at], at))
    best = order[0]
    readable = {language, languages[found[best].place]}
    least = values[best] - max(0.0, _DISTANCE - _LESS_FOR_BETTER * values[best])
    foreign = languages[found[best].place] != language
    least_own = values[best] - _OWN_LANGUAGE_DISTANCE if foreign else least
    shown: list[int] = []
    for at in order:
        if len(shown) >= SENTENCES:
            break
        if shown and values[at] < (least_own if languages[found[at].place] == language else least):
            continue
        if languages[found[at].place] not in readable or any(_repeats(found, rows, at, other) for other in shown):
            continue
        if shown and found[at].asks and _YES_OR_NO.match(fold(found[at].text)):
            continue
        if found[at].follows and at - 1 not in shown and _REFERS_BACK.match(fold(found[at].text[:40])):
            if len(shown) + 2 <= SENTENCES:
                shown.append(at - 1)
            # Where its passage is shown already, the reader knows what is spoken of.
            elif all(found[at].place != found[other].place for other in shown):
                continue
        shown.append(at)
    return [found[at] for at in shown]


def _in_order(chosen: Sequence[Candidate]) -> list[list[Candidate]]:
    """Paragraphs, best first; a sentence that follows another one in their passage stands behind it."""
    paragraphs: list[list[Candidate]] = []
    for candidate in chosen:
        for paragraph in paragraphs:
            last = paragraph[-1]
            if candidate.follows and (candidate.place, candidate.index) == (last.place, last.index + 1):
                paragraph.append(candidate)
                break
        else:
            paragraphs.append([candidate])
    return paragraphs


def _cited(paragraphs: Sequence[Sequence[Candidate]], chunks: Sequence[Chunk]) -> Checked:
    """The paragraphs with the numbers of their passages, which count up."""
    numbers: dict[int, int] = {}
    spans: dict[int, list[tuple[int, int]]] = {}
    sentences = []
    lines = []
    for paragraph in paragraphs:
        number = numbers.setdefault(paragraph[0].place, len(numbers) + 1)
        spans.setdefault(paragraph[0].place, []).extend((one.start, one.end) for one in paragraph)
        sentences += [Sentence(one.text, (number,)) for one in paragraph]
        lines.append(f"{' '.join(one.text for one in paragraph)} [{number}]")
    citations = [one for place, number in numbers.items() for one in citations_of(number, chunks[place], spans[place])]
    return Checked("\n\n".join(lines), tuple(sentences), tuple(citations))


def _repeats(found: Sequence[Candidate], rows: Mapping[int, np.ndarray], at: int, shown: int) -> bool:
    """Whether a candidate says nothing that one that is shown does not."""
    if at == shown:
        return True
    new, old = found[at], found[shown]
    if new.place == old.place and new.start < old.end and old.start < new.end:
        return True
    numbers, known = ({term for term in one.terms if term[0].isdigit()} for one in (new, old))
    # Two rows of a table may differ in a single number, which is all that matters.
    if numbers != known if new.row or old.row else not numbers <= known:
        return False
    smaller = min(len(new.terms), len(old.terms))
    if smaller > 0 and len(new.terms & old.terms) / smaller >= _DUPLICATE:
        return True
    return at in rows and shown in rows and float(rows[at] @ rows[shown]) >= _SAME_MEANING
