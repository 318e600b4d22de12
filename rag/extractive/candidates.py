"""What a passage could be quoted for: its sentences, table rows and lists, made fit to stand by themselves.

A row is shown with the names of its columns, a list with the line that introduces it, the answer of an FAQ without its
question. Headings, captions, references, navigation and the like are no candidates. Knows nothing of questions.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rag.cite import is_row, passage_spans, topic_terms
from rag.extractive.boilerplate import is_boilerplate
from rag.text import flatten, normalise, sentence_spans
from rag.types import Chunk
from rag.untrusted import without_references

CHARACTERS = 600
"""The most characters of a candidate; more are cut off."""

# A line without a mark at its end is a sentence from so many words on.
_WORDS = 8
# An introduction of more characters is not repeated for a single item.
_SHORT_INTRODUCTION = 160
# What ends in a question after more sentences is prose.
_QUESTION_SENTENCES = 3
_GAP = re.compile(r"\n[ \t]*\n|\f[ \t]*\n")
_ITEM = re.compile(
    r"\A(?:[-–*•·▪◦○●■□▶※]\s*|\(?(?:\d{1,2}|[a-zA-Z가-하])\)\s+|\d{1,2}\.\s+(?=[^\W\d]|\d{4}\b)|[①-⑳]\s*)(?=\S)"
)
_END = re.compile(r"[.!?。？！…:;][\"'”’»)\]]*$")
_DIGIT = re.compile(r"\d")
_NAME_WITH_NUMBER = re.compile(r"[^\W\d_]+[ -]\d{1,2}")
# "Q: ", "A2. "
_LABEL = re.compile(
    r"\A(?:[QAKVF]|question|answer|kérdés|válasz|질문|답변|문|답) ?\d{0,3} ?[:.]\s+(?=\S)", re.IGNORECASE
)
# Headings may be longer than a line, written Like This.
_TITLE_WORDS, _CAPITALS = 16, 0.7
# Markdown: pictures and links, of which the words are left, and marks of emphasis.
_LINK = re.compile(r"!?\[([^\[\]]{0,300})\](?:\([^()\s]{0,500}\)|\[[^\[\]]{0,100}\])")
_MARKS = re.compile(r"\*\*|__|`|&nbsp;")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A part of the text of a hit, `start` to `end`, as it would be shown.

    `place` is that of its hit, `index` counts the candidates of the hit, in the order of the document. `terms` are its
    own; `above` are those of headings over it, `asks` those of the question of an FAQ that it answers. `follows` is
    whether it continues the paragraph of the candidate before it.
    """

    place: int
    index: int
    start: int
    end: int
    text: str
    terms: frozenset[str]
    above: frozenset[str]
    asks: frozenset[str] = frozenset()
    follows: bool = False
    row: bool = False

    @property
    def finished(self) -> bool:
        """Whether it ends as a sentence or a row does."""
        return self.row or bool(_END.search(self.text))


@dataclass(slots=True)
class _Span:
    """A sentence or row of a passage; `opens` and `closes` tell whether a paragraph begins or ends with it."""

    start: int
    end: int
    written: str
    opens: bool
    closes: bool

    @property
    def item(self) -> bool:
        return bool(_ITEM.match(self.written))


class _Reader:
    """Goes through a passage once and remembers what stands above: headings, a table's header, a question."""

    def __init__(self, place: int, chunk: Chunk) -> None:
        self.place, self.language = place, chunk.language
        self.spans = _spans(chunk.text)
        self.titles = {flatten(heading) for heading in (*chunk.headings, chunk.title)}
        self.outer = topic_terms(" ".join((chunk.title, *chunk.headings)), chunk.language)
        self.heading = ""
        self.asks: frozenset[str] = frozenset()
        self.header: list[str] = []
        self.found: list[Candidate] = []
        self.text = chunk.text

    def read(self) -> list[Candidate]:
        at = 0
        while at < len(self.spans):
            at = self._read(at)
        return self.found

    def _read(self, at: int) -> int:
        """Takes in the span at `at` and gives the place of the next one."""
        span = self.spans[at]
        cells = _cells(span.written)
        if cells or is_row(span.written):
            self._row(span, cells)
            return at + 1
        self.header = []
        text = shown(span.written)
        if text.endswith("?"):
            self._question(at)
            return at + 1
        following = self.spans[at + 1] if at + 1 < len(self.spans) else None
        if text.endswith(":") and following and following.item:
            return self._list(at + 1, span, text)
        if span.opens and span.closes and not span.item and _is_heading(text):
            self.heading = text
            self.asks = frozenset()
            items = self._items(at + 1)
            # Items that are sentences say what they say without the heading.
            if len(items) > 1 and not any(_END.search(item) for item, *_ in items[:-1]):
                return self._list(at + 1, None, f"{text.rstrip('.')}:")
            return at + 1
        last = span
        # "Yes." and "No." belong to what follows them.
        if len(text.split()) < 3 and _END.search(text) and not span.closes and following:
            rest = shown(following.written)
            if not rest.endswith("?"):
                last, text = following, f"{text} {rest}"
                at += 1
        if self.asks or _says_something(text):
            self._add(span.start, last.end, _closed(text) if span.item else text, follows=not span.opens)
        if last.closes:
            self.asks = frozenset()
        return at + 1

    def _row(self, span: _Span, cells: list[str]) -> None:
        if cells and len(cells) != len(self.header):
            self.header = cells
            # Without values it is the header, and no answer; with them, the header stands in another passage.
            if not any(map(_is_value, cells)):
                return
        text = shown(_labelled(self.header, cells) if cells else span.written)
        fields = [field.partition(": ")[::2] for field in text.split("; ")]
        # What a column is called, every row says.
        names, values = (" ".join(parts) for parts in zip(*fields, strict=True))
        self._add(span.start, span.end, text, row=True, scored=values or text, above=names)

    def _question(self, at: int) -> None:
        """A question that is a paragraph, or ends one, is that of an FAQ: it is shown by its answer."""
        span = self.spans[at]
        if not (span.closes or _LABEL.match(span.written)):
            return
        first = at
        while not self.spans[first].opens:
            first -= 1
        if at - first >= _QUESTION_SENTENCES:
            return
        start = self.spans[first].start
        self.found = [candidate for candidate in self.found if candidate.start < start]
        self.asks = topic_terms(" ".join(part.written for part in self.spans[first : at + 1]), self.language)

    def _items(self, at: int) -> list[tuple[str, int, int, int]]:
        """The items from a place on: text, start, end and the place behind them."""
        items: list[tuple[str, int, int, int]] = []
        while at < len(self.spans) and self.spans[at].item and not _cells(self.spans[at].written):
            first = at
            while not self.spans[at].closes and at + 1 < len(self.spans) and not self.spans[at + 1].opens:
                if self.spans[at + 1].item:
                    break
                at += 1
            parts = self.spans[first : at + 1]
            text = " ".join(shown(part.written) for part in parts)
            at += 1
            items.append((text, parts[0].start, parts[-1].end, at))
        return items

    def _list(self, at: int, introduction: _Span | None, text: str) -> int:
        """A list under its introduction, as a whole and by its items; gives the place behind it."""
        items = self._items(at)
        fragments = [item for item, *_ in items if item[:1].islower() or len(item.split()) < _WORDS]
        whole, end, complete = text, items[0][2], True
        for item, _, item_end, _ in items:
            longer = f"{whole}{' ' if whole.endswith(':') else '; '}{item.rstrip(' ,;.')}"
            if len(longer) > CHARACTERS:
                complete = False
                break
            whole, end = longer, item_end
        # What ends like an item that others follow goes on in the next passage.
        goes_on = not complete or items[-1][3] == len(self.spans) and items[-1][0].endswith((";", ","))
        start = introduction.start if introduction else items[0][1]
        # One of several fragments alone would be taken for all of them.
        apart = not complete or not fragments
        self._add(start, end, f"{whole}; …" if goes_on else _closed(whole), scored=text if apart else "")
        for item, item_start, item_end, _ in items if apart else ():
            if item not in fragments:
                self._add(item_start, item_end, _closed(item))
            elif len(text) <= _SHORT_INTRODUCTION:
                first = introduction.start if introduction else item_start
                self._add(first, item_end, _closed(f"{text} … {item}"))
        return items[-1][3]

    def _add(
        self,
        start: int,
        end: int,
        text: str,
        follows: bool = False,
        row: bool = False,
        scored: str = "",
        above: str = "",
    ) -> None:
        """`scored` is what counts as the candidate's own words, where it is not all of them."""
        if not text or text in self.titles or is_boilerplate(text, row):
            return
        terms = topic_terms(scored or text, self.language)
        over = self.outer | topic_terms(f"{self.heading} {above}", self.language)
        continues = follows and bool(self.found) and not self.text[self.found[-1].end : start].strip()
        text = _cut(text, row)
        self.found.append(
            Candidate(self.place, len(self.found), start, end, text, terms, over, self.asks, continues, row)
        )


def candidates(place: int, chunk: Chunk) -> list[Candidate]:
    """The candidates of a hit's chunk, in the order of the document; `place` is that of the hit."""
    return _Reader(place, chunk).read()


def shown(text: str) -> str:
    """A text as it is shown: in one line, without list marks or numbers, its brackets not like citations."""
    line = flatten(_MARKS.sub(" ", _LINK.sub(r"\1", normalise(text)))).lstrip("#| ")
    if not is_row(line):
        line = _LABEL.sub("", _ITEM.sub("", line, count=1), count=1)
    return without_references(line.lstrip("*•–- ").rstrip("| "))


def _cut(text: str, row: bool) -> str:
    """A text without what is too long: a row loses whole columns, a sentence words."""
    return text if len(text) <= CHARACTERS else text[:CHARACTERS].rsplit("; " if row else " ", 1)[0] + " …"


def _spans(text: str) -> list[_Span]:
    places = [part for start, end in passage_spans(text) for part in _sentences(text, start, end)]
    spans = []
    for at, (start, end) in enumerate(places):
        opens = at == 0 or bool(_GAP.search(text[places[at - 1][1] : start]))
        closes = at + 1 == len(places) or bool(_GAP.search(text[end : places[at + 1][0]]))
        spans.append(_Span(start, end, text[start:end], opens, closes))
    return spans


def _sentences(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """A span, or the sentences in it where prose with colons and semicolons was taken for a row."""
    written = text[start:end]
    if is_row(written) and any(". " in part.split(": ")[0] for part in written.split("; ")):
        yield from ((start + first, start + last) for first, last in sentence_spans(written))
    else:
        yield start, end


def _closed(item: str) -> str:
    """An item of a list as a sentence."""
    item = item.rstrip(" ,;")
    return item if _END.search(item) else f"{item}."


def _is_heading(text: str) -> bool:
    words = text.split()
    if _END.search(text) or len(words) > _TITLE_WORDS:
        return False
    long = [word for word in words if len(word) > 3]
    return len(words) < _WORDS or sum(word[0].isupper() for word in long) >= _CAPITALS * max(1, len(long))


def _says_something(text: str) -> bool:
    """Whether a line is more than a heading, a caption, a cut-off line or "as follows:"."""
    words = len(text.split())
    return not text.endswith(":") and (words >= _WORDS or (words >= 3 and bool(_END.search(text))))


def _cells(text: str) -> list[str]:
    """The cells of a table row as it stands on a page, `cell | cell`; empty where the text isn't one."""
    cells = [cell.strip() for cell in flatten(text).strip("| ").split(" | ")]
    return cells if len(cells) > 1 else []


def _is_value(cell: str) -> bool:
    """Whether a cell holds a number that is not part of a name, as in "Voyager 1"."""
    return bool(_DIGIT.search(cell)) and not _NAME_WITH_NUMBER.fullmatch(cell)


def _labelled(header: Sequence[str], cells: Sequence[str]) -> str:
    if any(map(_is_value, header)):
        return f"{cells[0]}: {'; '.join(cells[1:])}"
    return "; ".join(f"{name}: {cell}" for name, cell in zip(header, cells, strict=True) if cell)
