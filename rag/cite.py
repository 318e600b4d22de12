"""Citations checked without a model: which passage bears out each sentence of an answer, and the words that do.

Knows nothing of how the answer was made. A sentence in the language of a passage is compared by its words, and by
meaning where the embedder was made for that language. Across languages, where neither can judge, the model's own
citation stands as long as the numbers in the sentence occur in the passage.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from rag.analysis import content_terms, content_words
from rag.text import flatten, normalise, sentence_spans
from rag.types import PAGE_BREAK, Chunk, Citation, Embedder, Hit, Sentence, knows

SUPPORTED_FROM = 0.5
"""The least support, in [0, 1], at which a passage bears out a sentence; see `Checked`."""

_OVERLAP_WEIGHT = 0.6
_QUOTE_CHARACTERS = 500
# Fewer topic words than this say nothing that would need a source: "Yes.", "As follows:".
_LEAST_TERMS = 3
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
# [1], [1, 3], [2-4], [^1], 【1】, [Passage 1]; a link target behind it goes too.
_MARKER = re.compile(
    r"[^\S\n]*[\[【]\s*(?:passages?|sources?|szövegrész(?:ek)?|forrás|발췌문|출처)?\s*[#^]?"
    r"(\d{1,3}(?:\s*[,;–-]\s*\d{1,3})*)(?:†[^\]】]*)?\s*[\]】](?:\(\S*?\))?",
    re.IGNORECASE,
)
# A table row as the loaders write it: "column: value; column: value".
_ROW = re.compile(r"[^:;\n]{1,60}: [^;]+(?:; [^:;]{1,60}: [^;]+)+")
_BLOCK = re.compile(r"\S(?:.|\n(?!\s*\n))*")


@dataclass(frozen=True, slots=True)
class Checked:
    """An answer whose citations hold: `text` carries them as `[1]` behind its sentences, numbered by first use."""

    text: str
    sentences: tuple[Sentence, ...]
    citations: tuple[Citation, ...]


@lru_cache(maxsize=256)
def passage_spans(text: str) -> tuple[tuple[int, int], ...]:
    """`(start, end)` of the sentences of a passage; a table row counts as one, whatever stands in its cells."""
    spans: list[tuple[int, int]] = []
    for block in _BLOCK.finditer(text):
        content = block[0].rstrip()
        if _ROW.fullmatch(content):
            spans.append((block.start(), block.start() + len(content)))
        else:
            spans += [(block.start() + start, block.start() + end) for start, end in sentence_spans(content)]
    return tuple(spans)


def is_row(text: str) -> bool:
    """Whether a span is a table row, `column: value; column: value`."""
    return _ROW.fullmatch(text) is not None


def quote(chunk: Chunk, start: int, end: int) -> tuple[str, int]:
    """The text of a chunk from `start` to `end` and its page; of a span that runs over pages the longest part."""
    at = start
    best, best_at = "", start
    for part in chunk.text[start:end].split(PAGE_BREAK):
        stripped = part.strip()
        if len(stripped) > len(best):
            best, best_at = stripped, at + part.index(stripped)
        at += len(part) + len(PAGE_BREAK)
    return best, chunk.page_at(best_at)


def overlap(sentence: frozenset[str], passage: frozenset[str]) -> float:
    """The share of a sentence's terms that occur in a passage, in [0, 1]; a number counts twice."""
    weights = {term: 2.0 if term[0].isdigit() else 1.0 for term in sentence}
    total = sum(weights.values())
    return sum(weight for term, weight in weights.items() if term in passage) / total if total else 0.0


@lru_cache(maxsize=4096)
def topic_terms(text: str, language: str) -> frozenset[str]:
    """The search terms of a text without stop words."""
    return frozenset(content_terms(" ".join(content_words(text, language)), language))


def check(text: str, hits: Sequence[Hit], language: str, embedder: Embedder | None = None) -> Checked:
    """The answer `text`, which cites `hits` by their place from 1, with every citation checked.

    Numbers that no hit has are dropped; a number whose passage does not bear the sentence out gives way to one that
    does; a sentence without a number gets the passage that supports it best; what nothing supports is marked.
    Support is the share of the sentence's terms in the passage, or 0.6 of that and 0.4 of the cosine of sentence and
    quote where the embedder knows the language; it suffices from `SUPPORTED_FROM`.
    """
    plain, markers = _without_markers(normalise(text), len(hits))
    spans = sentence_spans(plain)
    claimed = _claims(spans, markers)
    texts = [flatten(plain[start:end]) for start, end in spans]
    support = _Support(texts, [hit.chunk for hit in hits], language, embedder)

    numbers: dict[int, int] = {}
    best_spans: dict[int, list[tuple[int, int]]] = {}
    sentences: list[Sentence] = []
    parts: list[str] = []
    at = 0
    for index, (_, end) in enumerate(spans):
        places, supported = _places(index, claimed[index], support)
        for place in places:
            numbers.setdefault(place, len(numbers) + 1)
            best_spans.setdefault(place, []).append(support.spans[index, place])
        cited = tuple(numbers[place] for place in places)
        sentences.append(Sentence(texts[index], cited, supported))
        parts += [plain[at:end], " " if cited else "", *(f"[{number}]" for number in cited)]
        at = end
    citations = tuple(_citation(number, hits[place].chunk, best_spans[place]) for place, number in numbers.items())
    return Checked("".join(parts).strip(), tuple(sentences), citations)


def joined_quote(chunk: Chunk, spans: Sequence[tuple[int, int]]) -> tuple[str, int]:
    """The quote for several spans of a chunk: all of them with what stands between, if that is short and on a page."""
    start, end = min(span[0] for span in spans), max(span[1] for span in spans)
    if end - start <= _QUOTE_CHARACTERS and PAGE_BREAK not in chunk.text[start:end]:
        return quote(chunk, start, end)
    return quote(chunk, *spans[0])


def _citation(number: int, chunk: Chunk, spans: Sequence[tuple[int, int]]) -> Citation:
    words, page = joined_quote(chunk, spans)
    return Citation(number, chunk, words, page)


def _without_markers(text: str, count: int) -> tuple[str, list[tuple[int, int]]]:
    """The text without its citation markers, and `(offset in it, place of the hit from 0)` of those that exist."""
    parts: list[str] = []
    markers: list[tuple[int, int]] = []
    length = at = 0
    for match in _MARKER.finditer(text):
        parts.append(text[at : match.start()])
        length += match.start() - at
        at = match.end()
        for first, last in re.findall(r"(\d+)(?:\s*[–-]\s*(\d+))?", match[1]):
            for number in range(int(first), min(int(last or first), count) + 1):
                if 1 <= number <= count:
                    markers.append((length, number - 1))
    parts.append(text[at:])
    return "".join(parts), markers


def _claims(spans: Sequence[tuple[int, int]], markers: Sequence[tuple[int, int]]) -> list[list[int]]:
    """For each sentence the hits that its markers name: a marker belongs to the sentence that it follows."""
    claimed: list[list[int]] = [[] for _ in spans]
    for offset, place in markers:
        index = max((index for index, (start, _) in enumerate(spans) if start < offset), default=0)
        if spans and place not in claimed[index]:
            claimed[index].append(place)
    return claimed


class _Support:
    """How well each passage bears out each sentence of an answer: `scores` in [0, 1], None where nothing can judge.

    `spans[sentence, passage]` is the sentence of the passage that comes closest.
    """

    def __init__(self, texts: Sequence[str], chunks: Sequence[Chunk], language: str, embedder: Embedder | None) -> None:
        self.terms = [topic_terms(text, language) for text in texts]
        self.spans: dict[tuple[int, int], tuple[int, int]] = {}
        self.scores: dict[tuple[int, int], float | None] = {}
        self.numbers_agree: dict[tuple[int, int], bool] = {}
        compared: list[tuple[int, int]] = []
        overlaps: dict[tuple[int, int], float] = {}
        for place, chunk in enumerate(chunks):
            around = " ".join((chunk.title, *chunk.headings, chunk.text))
            whole = frozenset(content_terms(around, language))
            digits = _digits(around)
            spans = passage_spans(chunk.text) or ((0, len(chunk.text)),)
            parts = [frozenset(content_terms(chunk.text[start:end], language)) for start, end in spans]
            for index, text in enumerate(texts):
                key = (index, place)
                best = max(range(len(spans)), key=lambda at: overlap(self.terms[index], parts[at]))
                self.spans[key] = spans[best]
                self.numbers_agree[key] = _digits(text) <= digits
                overlaps[key] = overlap(self.terms[index], whole)
                same = chunk.language == language
                known = same and embedder is not None and knows(embedder, language)
                self.scores[key] = overlaps[key] if same else None
                if known:
                    compared.append(key)
        if embedder is not None and compared:
            for key, cosine in self._cosines(compared, texts, chunks, embedder).items():
                self.scores[key] = _OVERLAP_WEIGHT * overlaps[key] + (1 - _OVERLAP_WEIGHT) * max(0.0, cosine)

    def _cosines(
        self, keys: Sequence[tuple[int, int]], texts: Sequence[str], chunks: Sequence[Chunk], embedder: Embedder
    ) -> dict[tuple[int, int], float]:
        quotes = {key: flatten(chunks[key[1]].text[slice(*self.spans[key])])[:_QUOTE_CHARACTERS] for key in keys}
        distinct = list(dict.fromkeys([*(texts[index] for index, _ in keys), *quotes.values()]))
        rows = dict(zip(distinct, embedder.embed_passages(distinct), strict=True))
        return {key: float(np.dot(rows[texts[key[0]]], rows[quotes[key]])) for key in keys}


def _places(index: int, claimed: Sequence[int], support: _Support) -> tuple[list[int], bool]:
    """The hits that a sentence cites after the check, and whether it is supported."""
    scores = {place: support.scores[key] for key in support.scores if key[0] == index for place in [key[1]]}
    kept = []
    for place in claimed:
        score = scores[place]
        if score is None and support.numbers_agree[index, place] or score is not None and score >= SUPPORTED_FROM:
            kept.append(place)
    if kept:
        return kept, True
    judged = {place: score for place, score in scores.items() if score is not None}
    if len(support.terms[index]) < _LEAST_TERMS:
        return [], True
    best = max(judged, key=lambda place: judged[place], default=None)
    if best is not None and judged[best] >= SUPPORTED_FROM:
        return [best], True
    return [], False


def _digits(text: str) -> set[str]:
    return {re.sub(r"\D", "", number) for number in _NUMBER.findall(text)}
