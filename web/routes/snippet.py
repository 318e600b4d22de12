"""What is shown of a passage that was found: the part around the words that matched, with these marked."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from rag.analysis import content_terms, question_terms
from rag.text import fold, sentence_spans
from rag.types import Chunk, Retrieval
from rag.vectors import group_of

LENGTH = 340
"""Characters that are shown of a passage, about."""
_SLACK = 90
# How far from what is shown the ends of its sentences are looked for.
_SENTENCE = 400
_SHORTEST_BEGINNING = 3
_WORD = re.compile(r"[^\W_]+(?:[-'’.,][^\W_]+)*")
_HANGUL = re.compile(r"[가-힣]{2,}")
_BEGINNING = re.compile(r"[.!?…] +|[\n\f]+ *")
_SPACE = str.maketrans("\n\t\f\r", "    ")

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Snippet:
    """A part of a passage, in one line. `marks` are the characters `(start, end)` of it that matched.

    `start` is its place in the passage's text; `quote` the characters there of the sentence that fits best, None where
    no word matched. `page` is where that stands. `whole` is false on the sides where the passage goes on.
    """

    text: str
    marks: tuple[Span, ...]
    start: int
    quote: Span | None
    page: int
    whole: tuple[bool, bool]


class Words:
    """The words of a search, as they are looked for in passages of each language. Not for several threads."""

    def __init__(self, terms: Mapping[str, Collection[str]], beginning: str = "") -> None:
        self._terms = {group: frozenset(items) for group, items in terms.items()}
        # The last word may not be typed to its end.
        self._beginning = fold(beginning) if len(beginning) >= _SHORTEST_BEGINNING else ""
        self._known: dict[tuple[str, str], str] = {}

    @classmethod
    def of(cls, text: str, retrieval: Retrieval) -> "Words":
        """Those that a retrieval compared passages with; `text` is what was typed."""
        terms = {group: question_terms(asked, retrieval.language, group) for group, asked in retrieval.queries.items()}
        words = _WORD.findall(text)
        return cls(terms, words[-1] if words and text.endswith(words[-1]) else "")

    def spans(self, text: str, language: str) -> list[tuple[int, int, str]]:
        """The parts `(start, end, term)` of a text that match, in order."""
        found: list[tuple[int, int, str]] = []
        terms = self._terms.get(group_of(language), frozenset())
        for match in _WORD.finditer(text):
            word = match[0]
            if pairs := self._pairs(word, terms):
                found += [(match.start() + start, match.start() + end, term) for start, end, term in pairs]
            elif term := self._term(word, language, terms):
                found.append((*match.span(), term))
        return found

    def _term(self, word: str, language: str, terms: frozenset[str]) -> str:
        """The term that a word stands for, empty where it is none that is looked for."""
        known = self._known.get((word, language))
        if known is None:
            known = next((term for term in content_terms(word, language) if term in terms), "")
            if not known and self._beginning and fold(word).startswith(self._beginning):
                known = self._beginning
            self._known[word, language] = known
        return known

    def _pairs(self, word: str, terms: frozenset[str]) -> list[tuple[int, int, str]]:
        """Of Korean words the syllables that match, without the particles behind them."""
        found: list[tuple[int, int, str]] = []
        for run in _HANGUL.finditer(word):
            for place in range(run.start(), run.end() - 1):
                pair = word[place : place + 2]
                if pair not in terms:
                    continue
                if found and found[-1][1] >= place:
                    found[-1] = (found[-1][0], place + 2, found[-1][2])
                else:
                    found.append((place, place + 2, pair))
        return found


def snippet(chunk: Chunk, words: Words) -> Snippet:
    """The part of a chunk that has most of the words."""
    text = chunk.text
    spans = words.spans(text, chunk.language)
    begin = _below_heading(chunk)
    spans = [span for span in spans if span[0] >= begin]
    start, end = _window(text, spans, begin)
    inside = [span for span in spans if span[0] >= start and span[1] <= end]
    quote = _sentence(text, inside, start, end)
    return Snippet(
        text=text[start:end].translate(_SPACE),
        marks=_joined(text, [(first - start, last - start) for first, last, _ in inside], start),
        start=start,
        quote=quote,
        page=chunk.page_at(quote[0] if quote else start),
        whole=(start == begin, end == len(text)),
    )


def _below_heading(chunk: Chunk) -> int:
    """Where a chunk's text begins; its last heading, which it may begin with, is shown above it."""
    heading = chunk.headings[-1] if chunk.headings else ""
    if not heading or not chunk.text.startswith(heading):
        return 0
    rest = chunk.text[len(heading) :]
    return len(chunk.text) - len(rest.lstrip()) if rest[:1] == "\n" and rest.strip() else 0


def _window(text: str, spans: Sequence[tuple[int, int, str]], begin: int) -> Span:
    """Where to cut: around the most different words, then the most of them, then the first."""
    if len(text) - begin <= LENGTH + _SLACK:
        return begin, len(text)
    best, first = (0, 0), begin
    last = 0
    for place, (start, _, _) in enumerate(spans):
        while last < len(spans) and spans[last][1] - start <= LENGTH - _SLACK:
            last += 1
        inside = spans[place:last]
        fits = (len({term for _, _, term in inside}), len(inside))
        if fits > best:
            best, first = fits, start
    start = max(first - _SLACK, begin)
    # A sentence that begins near is shown from its beginning.
    begun = max((match.end() for match in _BEGINNING.finditer(text, start, first)), default=start)
    start = max(min(begun, len(text) - LENGTH), begin)
    return _edge(text, start), _edge(text, min(start + LENGTH, len(text)))


def _edge(text: str, place: int) -> int:
    """The nearest beginning of a word before a place, unless there is none near."""
    if place in (0, len(text)) or text[place - 1].isspace():
        return place
    before = max(text.rfind(sign, max(place - 40, 0), place) for sign in (" ", "\n", "\f"))
    return before + 1 if before >= 0 else place


def _sentence(text: str, spans: Sequence[tuple[int, int, str]], start: int, end: int) -> Span | None:
    """The sentence with the most different words."""
    if not spans:
        return None
    offset = max(start - _SENTENCE, 0)
    best, found = (0, 0), None
    for first, last in sentence_spans(text[offset : end + _SENTENCE]):
        inside = [term for one, other, term in spans if one >= first + offset and other <= last + offset]
        if (fits := (len(set(inside)), len(inside))) > best:
            best, found = fits, (first + offset, last + offset)
    return found or (spans[0][0], spans[0][1])


def _joined(text: str, spans: Sequence[Span], start: int) -> tuple[Span, ...]:
    """Marks with nothing but spaces in between as one."""
    joined: list[Span] = []
    for first, last in spans:
        if joined and not text[start + joined[-1][1] : start + first].strip(" -"):
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return tuple(joined)
