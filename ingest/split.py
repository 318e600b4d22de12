"""From pages to chunks: passages that end where a sentence, a row or a section ends, with their exact place.

Knows nothing of files, embedders or indexes. Chunks do not overlap: each carries its title and headings into the
embedding, and neighbours can be joined again by their offsets.
"""

import hashlib
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ingest.blocks import BLOCK_BREAK, Block
from rag.languages import OTHER, detect
from rag.text import flatten, sentence_spans
from rag.types import PAGE_BREAK, Chunk, Document

TARGET_TOKENS = 220
LIMIT_TOKENS = 250
# Below this, a section joins the next one under the same top heading.
LEAST_TOKENS = 60
# A short passage may be one foreign term: it takes its document's language.
_DETECTABLE_TOKENS = 25
_TOKEN = re.compile(r"[가-힣]{1,2}|[^\W가-힣]{1,6}|[^\w\s]")


def token_estimate(text: str) -> int:
    """About how many tokens a multilingual tokenizer makes of a text, the same for every embedder.

    Hangul counts two syllables a token, other words one token for each six letters begun, any sign one. Measured with
    a word-piece vocabulary of English, Korean would seem several times longer than it is, and be cut to shreds.
    """
    return len(_TOKEN.findall(text))


@dataclass(frozen=True, slots=True)
class _Unit:
    """What is never cut: a sentence, a row or a heading, by its place in the whole text."""

    start: int
    end: int
    tokens: int
    heading: bool = False


@dataclass(slots=True)
class _Section:
    """The units below one heading; `top` numbers the top headings of the document."""

    headings: tuple[str, ...]
    top: int
    units: list[_Unit]

    @property
    def tokens(self) -> int:
        return sum(unit.tokens for unit in self.units)

    @property
    def bare(self) -> bool:
        return all(unit.heading for unit in self.units)


def split(document: Document, blocks: Sequence[Sequence[Block]]) -> list[Chunk]:
    """The chunks of a document in order; `blocks` are those of its pages, whose texts must be `page_text(blocks)`.

    A chunk never crosses a heading of the top level, except from a few lines above the first one, and is never a
    heading alone, unless the document holds nothing else.
    """
    whole = PAGE_BREAK.join(page.text for page in document.pages)
    starts = [0]
    for page in document.pages:
        starts.append(starts[-1] + len(page.text) + len(PAGE_BREAK))
    parts = [
        (section, units)
        for section in _merged(_sections(document, whole, starts, blocks))
        for units in _packed(section.units)
    ]
    following = [*(units[0].start for _, units in parts[1:]), None]
    return [
        _chunk(document, whole, starts, section, units, start)
        for (section, units), start in zip(parts, following, strict=False)
    ]


def embedding_text(chunk: Chunk) -> str:
    """What is embedded for a chunk: title, headings and text in one line, nothing twice."""
    text = flatten(chunk.text)
    context = [part for part in dict.fromkeys((chunk.title, *chunk.headings)) if part and part not in text]
    return " · ".join((*context, text))


def _sections(
    document: Document, whole: str, starts: Sequence[int], blocks: Sequence[Sequence[Block]]
) -> list[_Section]:
    levels = sorted({block.level for page in blocks for block in page if block.level and block.text != document.title})
    top_level = levels[0] if levels else 0
    path: list[tuple[int, str]] = []
    sections = [_Section((), 0, [])]
    for start, end, block in _runs(starts, blocks):
        if block.level:
            path = [(level, text) for level, text in path if level < block.level]
            if block.text != document.title:
                path.append((block.level, block.text))
            top = sections[-1].top + (block.level <= top_level)
            sections.append(_Section(tuple(text for _, text in path), top, []))
            sections[-1].units.append(_unit(whole, start, end, heading=True))
        elif block.row:
            sections[-1].units += _cut(whole, start, end)
        else:
            spans = sentence_spans(whole[start:end])
            sections[-1].units += [unit for first, last in spans for unit in _cut(whole, start + first, start + last)]
    return [section for section in sections if section.units]


def _runs(starts: Sequence[int], blocks: Sequence[Sequence[Block]]) -> Iterator[tuple[int, int, Block]]:
    """`(start, end, block)` in the whole text; the last paragraph of a page and the first of the next are one run."""
    waiting: tuple[int, int, Block] | None = None
    for page_start, page in zip(starts, blocks, strict=False):
        place = page_start
        for number, block in enumerate(page):
            plain = not block.level and not block.row
            end = place + len(block.text)
            if waiting and number == 0 and plain:
                waiting = (waiting[0], end, block)
            else:
                if waiting:
                    yield waiting
                waiting = (place, end, block)
            if not (plain and number == len(page) - 1):
                yield waiting
                waiting = None
            place = end + len(BLOCK_BREAK)
    if waiting:
        yield waiting


def _unit(whole: str, start: int, end: int, heading: bool = False) -> _Unit:
    return _Unit(start, end, token_estimate(whole[start:end]), heading)


def _cut(whole: str, start: int, end: int) -> list[_Unit]:
    """A unit, or several where it is too long for a chunk: cut after a semicolon, else at a space, else anywhere."""
    units: list[_Unit] = []
    while start < end:
        # A beginning that is too long says so of the whole, which would take quadratic time to measure at each cut.
        unit = _unit(whole, start, min(end, start + 16 * LIMIT_TOKENS))
        if unit.tokens <= LIMIT_TOKENS and unit.end < end:
            unit = _unit(whole, start, end)
        if unit.tokens <= LIMIT_TOKENS:
            units.append(unit)
            break
        # Tokens have at least one character, so the first part can't be longer than this.
        low, high = 1, min(end - start, 6 * LIMIT_TOKENS)
        while low < high:
            middle = (low + high + 1) // 2
            if token_estimate(whole[start : start + middle]) <= TARGET_TOKENS:
                low = middle
            else:
                high = middle - 1
        part = whole[start : start + low]
        places = [match.end() for match in re.finditer(r";(?=\s)", part)] or [
            match.start() for match in re.finditer(r"\s", part)
        ]
        usable = [place for place in places if place > low // 2]
        cut = start + (usable[-1] if usable else low)
        units.append(_unit(whole, start, cut))
        start = cut
        while start < end and whole[start].isspace():
            start += 1
    return units


def _merged(sections: Sequence[_Section]) -> list[_Section]:
    """Sections that are headings alone or very short joined with what follows, else with what precedes, them."""
    merged: list[_Section] = []
    for section in sections:
        before = merged[-1] if merged else None
        # What stands before the first heading, such as a title with its author, goes with the first section.
        opening = len(merged) == 1 and not merged[0].headings
        if before and (before.bare or (_small(before, section) and (opening or before.top == section.top))):
            # A heading without a text of its own is kept above the first text below it.
            shared = section.headings if before.bare or opening else _common(before.headings, section.headings)
            merged[-1] = _Section(shared, section.top, [*before.units, *section.units])
        else:
            merged.append(section)
    if len(merged) > 1 and merged[-1].bare:
        last = merged.pop()
        merged[-1].units += last.units
    return merged


def _small(before: _Section, section: _Section) -> bool:
    tokens = before.tokens + section.tokens
    return tokens <= TARGET_TOKENS and (before.tokens < LEAST_TOKENS or section.tokens < LEAST_TOKENS)


def _common(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    shared = 0
    while shared < min(len(first), len(second)) and first[shared] == second[shared]:
        shared += 1
    return first[:shared] or first


def _packed(units: Sequence[_Unit]) -> Iterator[list[_Unit]]:
    """The units of a section in parts of about equal size, so that no part is a leftover sentence."""
    remaining = sum(unit.tokens for unit in units)
    part: list[_Unit] = []
    size = 0
    parts = max(1, -(-remaining // TARGET_TOKENS))
    aim = remaining / parts
    for unit in units:
        full = size + unit.tokens > LIMIT_TOKENS or size + unit.tokens / 2 > aim
        if part and full and not all(item.heading for item in part):
            # Headings at the end of a part belong to the text below them.
            kept = len(part)
            while kept and part[kept - 1].heading:
                kept -= 1
            yield part[:kept]
            remaining -= sum(item.tokens for item in part[:kept])
            part = part[kept:]
            size = sum(item.tokens for item in part)
            aim = remaining / max(1, -(-remaining // TARGET_TOKENS))
        part.append(unit)
        size += unit.tokens
    if part:
        yield part


def _chunk(
    document: Document,
    whole: str,
    starts: Sequence[int],
    section: _Section,
    units: Sequence[_Unit],
    following: int | None,
) -> Chunk:
    """The chunk of these units; `following` is where the next one starts in the whole text."""
    start, end = units[0].start, units[-1].end
    text = whole[start:end]
    first = bisect_right(starts, start) - 1
    last = first + text.count(PAGE_BREAK)
    language = detect(text) if sum(unit.tokens for unit in units) >= _DETECTABLE_TOKENS else document.language
    # A table of names and numbers looks like no language in particular.
    if language == OTHER and document.language != OTHER:
        language = document.language
    place = f"{document.id}\0{start}\0{text}"
    return Chunk(
        id=hashlib.sha256(place.encode()).hexdigest()[:32],
        document_id=document.id,
        title=document.title,
        source=document.source,
        language=language,
        first_page=document.pages[first].number,
        last_page=document.pages[last].number,
        start=start - starts[first],
        end=end - starts[last],
        headings=section.headings,
        text=text,
        separator=None if following is None else whole[end:following],
    )
