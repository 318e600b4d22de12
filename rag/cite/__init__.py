"""Citations checked without a model: which passage bears out each sentence of an answer, and the words that do.

Knows nothing of how the answer was made, nor how support is measured (see `support`). Where that cannot judge, in
languages that the bundled student does not know, the model's own citation stands as long as the numbers in the sentence
occur in the passage.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

import numpy as np

from rag.analysis import content_terms, content_words
from rag.cite.support import Supports, supports
from rag.denial import denies
from rag.text import flatten, normalise, sentence_spans
from rag.types import PAGE_BREAK, UNSUPPORTED, Chunk, Citation, Hit, Sentence

SUPPORTED_FROM = 0.5
"""The least support, in [0, 1], at which a passage bears out a sentence."""

ADDED_ACROSS_FROM = 0.6
"""The same for a passage in another language that the model did not cite.

Chosen on the half of the made sentences that was fitted on: a third as many citations are added wrongly, while of wrong
ones 73 in place of 80 in a hundred are mended.
"""

# Parts of a passage that follow each other are quoted together, up to this length; only list signs may stand between.
_QUOTE_CHARACTERS = 500
_LIST_SIGNS = " \t\n-*•–·"
# Fewer topic words say nothing that would need a source ("Yes.") or that one could be found for.
_NEEDS_TERMS, _LEAST_TERMS = 3, 2
_WRITTEN_MARK = re.compile(r"(?<![^\S\n])[^\S\n]*+[\[【]\s*[?？]+\s*[\]】]")
# The number or dash of a list item says nothing; a colon announces what follows; a question states nothing.
_ITEM = re.compile(r"\A(?:[-*•–>]+|\(?(?:\d{1,2}|[a-z])[.)])\s+")
_HEADING = re.compile(r"#+\s|(?:\*\*|__)[^*_]+(?:\*\*|__)\Z")
_ANNOUNCES = re.compile(r"[:：?？][\"'”’»)\]*_]*$")
# [1], [1, 3], [2-4], [^1], 【1】, [Passage 1]; a link target behind it goes too.
_MARKER = re.compile(
    r"(?<![^\S\n])[^\S\n]*+[\[【]\s*(?:passages?|sources?|szövegrész(?:ek)?|forrás|발췌문|출처)?\s*[#^]?"
    r"(\d{1,3}(?:\s*[,;–-]\s*\d{1,3})*)(?:†[^\[\]【】]{0,80})?\s*[\]】](?:\(\S{0,300}?\))?",
    re.IGNORECASE,
)
# A table row as the loaders write it: "column: value; column: value".
_ROW = re.compile(r"[^:;\n]{1,60}: [^;]+(?:; [^:;]{1,60}: [^;]+)+")
_BLOCK = re.compile(r"\S(?:.|\n(?!\s*\n))*")


@dataclass(frozen=True, slots=True)
class Checked:
    """An answer whose citations hold: `text` carries them as `[1]` behind its sentences, numbered by first use.

    `[?]` stands behind the sentences that no passage bears out.
    """

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


@lru_cache(maxsize=4096)
def topic_terms(text: str, language: str) -> frozenset[str]:
    """The search terms of a text without stop words."""
    return frozenset(content_terms(" ".join(content_words(text, language)), language))


def check(text: str, hits: Sequence[Hit], language: str) -> Checked:
    """The answer `text`, which cites `hits` by their place from 1, with every citation checked.

    Numbers that no hit has are dropped; a number whose passage does not bear the sentence out gives way to one that
    does; a sentence without a number gets the passage that supports it best. What nothing supports is marked `[?]`,
    but for what states nothing that would need a source: headings, what announces a list, questions, a few words.
    """
    plain, markers = _without_markers(_WRITTEN_MARK.sub("", normalise(text)), len(hits))
    spans = sentence_spans(plain)
    claimed = _claims(spans, markers)
    texts = [flatten(plain[start:end]) for start, end in spans]
    chunks = [hit.chunk for hit in hits]
    found = support(texts, chunks, language)
    needed = np.array([SUPPORTED_FROM if chunk.language == language else ADDED_ACROSS_FROM for chunk in chunks])

    numbers: dict[int, int] = {}
    best_spans: dict[int, list[tuple[int, int]]] = {}
    sentences: list[Sentence] = []
    parts: list[str] = []
    at = 0
    for index, (start, end) in enumerate(spans):
        bare = _ITEM.sub("", texts[index], count=1)
        states = _states(bare)
        terms = len(topic_terms(bare, language))
        places = _kept(index, claimed[index], found)
        if not places and states and terms >= _LEAST_TERMS:
            places = _added(found.scores[index], needed)
        supported = bool(places) or not states or terms < _NEEDS_TERMS
        for place in places:
            numbers.setdefault(place, len(numbers) + 1)
            best_spans.setdefault(place, []).append(found.spans[index, place])
        cited = tuple(numbers[place] for place in places)
        sentences.append(Sentence(texts[index], cited, supported))
        parts += [plain[at:start], _marked(plain[start:end], cited, supported)]
        at = end
    parts.append(plain[at:])
    citations = (citations_of(number, chunks[place], best_spans[place]) for place, number in numbers.items())
    return Checked("".join(parts).strip(), tuple(sentences), tuple(chain.from_iterable(citations)))


def support(texts: Sequence[str], chunks: Sequence[Chunk], language: str) -> Supports:
    """How well each chunk bears out each sentence; the numbers of list items say nothing."""
    spans = [passage_spans(chunk.text) or ((0, len(chunk.text)),) for chunk in chunks]
    return supports([_ITEM.sub("", text, count=1) for text in texts], chunks, spans, language)


def _marked(sentence: str, cited: Sequence[int], supported: bool) -> str:
    marks = "".join(f"[{number}]" for number in cited) if supported else UNSUPPORTED
    if not marks:
        return sentence
    if len(sentence) > 1 and sentence[0] == sentence[-1] == "|":
        # Behind the last bar of a table's row it would be a cell of its own.
        return f"{sentence[:-1].rstrip()} {marks} |"
    return f"{sentence} {marks}"


def citations_of(number: int, chunk: Chunk, spans: Sequence[tuple[int, int]]) -> list[Citation]:
    """The citations of what several sentences rest on in one chunk, by their number: one for parts of a page that
    follow each other, one for each that stands apart, for what lies between is not what the answer rests on.
    They are in the order of the sentences.
    """
    joined: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        first = joined[-1][0] if joined else start
        last = max(joined[-1][1], end) if joined else end
        follows = bool(joined) and not chunk.text[joined[-1][1] : start].strip(_LIST_SIGNS)
        if follows and last - first <= _QUOTE_CHARACTERS and PAGE_BREAK not in chunk.text[first:last]:
            joined[-1] = (first, last)
        else:
            joined.append((start, end))
    order = {part: [part[0] <= start and end <= part[1] for start, end in spans].index(True) for part in joined}
    return [Citation(number, chunk, *quote(chunk, start, end)) for start, end in sorted(order, key=order.__getitem__)]


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


def _kept(index: int, claimed: Sequence[int], found: Supports) -> list[int]:
    """The hits that a sentence claims and that bear it out."""
    scores = found.scores[index]
    return [
        place
        for place in claimed
        if (found.numbers_agree[index, place] if np.isnan(scores[place]) else scores[place] >= SUPPORTED_FROM)
    ]


def _added(scores: np.ndarray, needed: np.ndarray) -> list[int]:
    """The hit that bears a sentence out best, if one does; both are (hits,)."""
    enough = np.where(scores >= needed, scores, -1.0)
    return [int(np.argmax(enough))] if len(enough) and enough.max() >= 0 else []


def _states(sentence: str) -> bool:
    """Whether a sentence states something that a passage could bear out."""
    return not (_HEADING.match(sentence) or _ANNOUNCES.search(sentence) or denies(sentence))
