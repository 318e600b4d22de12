"""From the segments of PDF pages to blocks: columns read one after the other, lines joined to paragraphs, headings.

Knows nothing of PDF files. Coordinates are points from the lower left corner of the page.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate, groupby, pairwise

from ingest.blocks import Block
from ingest.loaders.layout_lines import Line, Segment, count_words, join_lines, lines_of
from ingest.loaders.layout_table import with_tables
from ingest.loaders.layout_ticks import without_ticks
from rag.text import normalise

_HEADING_SIZE = 1.15
_HEADING_CHARACTERS = 160
_BOLD_HEADING_CHARACTERS = 100
_LIST_START = re.compile(r"(?:[-•–*▪◦■□○●] ?|\(?(?:\d{1,2}|[a-z])[.)] )\S")
_CAPITAL_HEADING = re.compile(r"(?:\d+(?:\.\d+)*\.?|[IVX]+\.) [A-ZÁÉÍÓÖŐÚÜŰ][A-ZÁÉÍÓÖŐÚÜŰ \-,:&]{3,}$")
_SUBHEADING = re.compile(r"\d+(?:\.\d+)+\.? [A-ZÁÉÍÓÖŐÚÜŰ가-힣][^.;:!?]{2,70}$")
_BULLET = re.compile(r"[-•–*▪◦■□○●]")
_NUMBERED = re.compile(r"(\d+(?:\.\d+)*)\.? ")
_SENTENCE_END = re.compile(r"[.!?:;。？！][\"'”’»)\]]*$")
_LEADERS = re.compile(r"\s*(?:\. ?){5,}\s*")
_LEAST_LINES_A_COLUMN = 5
_LEAST_CELLS_ON_A_SIDE = 2
_CHARACTERS_OF_A_WIDE_CELL = 40
# Paragraphs, such as captions and footnotes, between the two parts of a divided word.
_LOOKED_BACK = 12


def lay_out(pages: Sequence[Sequence[Segment]]) -> tuple[tuple[Block, ...], ...]:
    """The blocks of each page in reading order."""
    lines = [[line for part in in_reading_order(without_ticks(page)) for line in lines_of(part)] for page in pages]
    words = count_words(line.text for page in lines for line in page)
    boxes = [[(line, line.box) for line in with_tables(page, words)] for page in lines]
    weights: Counter[tuple[float, bool]] = Counter()
    for page in boxes:
        for _, box in page:
            weights[round(box.size * 2) / 2, box.bold] += len(box.text)
    if not weights:
        return tuple(() for _ in pages)
    body = max(weights, key=lambda look: weights[look])
    groups = [_paragraphs(page, body) for page in boxes]
    sizes = sorted(
        {round(group[0][1].size * 2) / 2 for page in groups for group in page if _by_size(group, body)}, reverse=True
    )
    return tuple(
        tuple(block for group in page if (block := _block(group, body, sizes, words)) is not None) for page in groups
    )


def in_reading_order(segments: Sequence[Segment]) -> list[list[Segment]]:
    """The segments column by column, a list each, where the page has two columns; else one list of them as they are.

    What runs over both columns, such as a title or a wide table, parts the page: what is above it is read before it.
    """
    gutter = _gutter([item for item in segments if not item.row])
    if gutter is None:
        return [list(segments)]
    wide = _wide_rows(segments, gutter)
    # Rows follow each other; what stands in a column is above or below all of them.
    crossing = [
        place in wide or item.left < gutter - 2 < gutter + 2 < item.right for place, item in enumerate(segments)
    ]
    spanning = [item.middle for item, crosses in zip(segments, crossing, strict=True) if crosses]

    def place(item: Segment, crosses: bool) -> tuple[int, int, int]:
        # Parts of one line differ a little in height.
        above = sum(middle > item.middle + 0.4 * item.size for middle in spanning)
        return (above, 1, 0) if crosses else (above, 0, int(item.left >= gutter - 2))

    placed = [(place(item, crosses), item) for item, crosses in zip(segments, crossing, strict=True)]
    placed.sort(key=lambda pair: pair[0])
    return [[item for _, item in part] for _, part in groupby(placed, key=lambda pair: pair[0])]


def _wide_rows(segments: Sequence[Segment], gutter: float) -> set[int]:
    """Places of the cells of a table that runs over both columns: several short pieces on a line on either side."""
    rows: list[list[int]] = []
    for place in sorted(range(len(segments)), key=lambda place: -segments[place].bottom):
        if rows and segments[rows[-1][0]].bottom - segments[place].bottom < 0.4 * segments[place].size:
            rows[-1].append(place)
        else:
            rows.append([place])
    wide = [_is_wide(segments, row, gutter) for row in rows]
    return {
        place
        for number, row in enumerate(rows)
        if wide[number] and sum(wide[max(0, number - 1) : number + 2]) > 1
        for place in row
    }


def _is_wide(segments: Sequence[Segment], row: Sequence[int], gutter: float) -> bool:
    pieces = [segments[place] for place in row]
    left = sum(item.left < gutter - 2 for item in pieces)
    # Beside a narrow table, a line of prose is one long piece.
    return (
        min(left, len(row) - left) >= _LEAST_CELLS_ON_A_SIDE
        and max(len(item.text) for item in pieces) <= _CHARACTERS_OF_A_WIDE_CELL
    )


def _gutter(segments: Sequence[Segment]) -> float | None:
    """The x between two columns of prose, None where the page has one column or a table."""
    if len(segments) < 2 * _LEAST_LINES_A_COLUMN:
        return None
    lefts, rights = sorted(item.left for item in segments), sorted(item.right for item in segments)
    margin = len(segments) // 20
    left, right = lefts[margin], rights[-1 - margin]
    total = sum(len(item.text) for item in segments)
    start = left + (right - left) * 0.3
    steps = int((right - left) * 0.4 / 2)
    # Letters that a vertical line at each step would cut: what begins minus what has ended before it.
    changes = [0] * (steps + 1)
    for item in segments:
        begin = min(max(0, math.floor((item.left - start) / 2) + 1), steps)
        end = min(max(0, math.ceil((item.right - start) / 2)), steps)
        changes[begin] += len(item.text)
        changes[end] -= len(item.text)
    cuts = list(accumulate(changes[:steps]))
    crossing = min(cuts, default=total)
    places = [start + 2 * step for step, cut in enumerate(cuts) if cut == crossing]
    if not places or crossing > 0.5 * total:
        return None
    gutter = places[len(places) // 2]
    columns = [item for item in segments if item.right <= gutter], [item for item in segments if item.left >= gutter]
    for column in columns:
        if sum(len(item.text) for item in column) < 0.12 * total or not _is_prose(column):
            return None
    return gutter


def _is_prose(column: Sequence[Segment]) -> bool:
    """Whether most lines fill the column: the cells of a table have all lengths."""
    boxes = [line.box for line in lines_of(column)]
    if len(boxes) < _LEAST_LINES_A_COLUMN:
        return False
    extents = sorted(box.right for box in boxes)
    width = extents[len(extents) * 9 // 10] - min(box.left for box in boxes)
    return sum(box.right - box.left > 0.8 * width for box in boxes) >= 0.55 * len(boxes)


_Group = list[tuple[Line, Segment]]


def _paragraphs(lines: Sequence[tuple[Line, Segment]], body: tuple[float, bool]) -> list[_Group]:
    """Lines of a page grouped to paragraphs, headings and rows."""
    groups: list[_Group] = []
    pitches = [
        before.bottom - after.bottom
        for (_, before), (_, after) in pairwise(lines)
        if 0 < before.bottom - after.bottom < 3 * before.size
    ]
    pitch = sorted(pitches)[len(pitches) // 3] if pitches else body[0] * 1.2
    right = sorted(box.right for _, box in lines)
    for line, box in lines:
        if groups and _continues(groups[-1], line, box, pitch, right):
            groups[-1].append((line, box))
        elif (open_group := _divided(groups, box)) is not None:
            open_group.append((line, box))
        else:
            groups.append([(line, box)])
    return groups


def _divided(groups: list[_Group], box: Segment) -> _Group | None:
    """The paragraph that ends within a word which this line goes on with, over a footnote or a figure in between."""
    if not box.text[:1].islower():
        return None
    for group in reversed(groups[-_LOOKED_BACK:-1]):
        last = group[-1][1]
        if last.hyphen and box.bold == last.bold and abs(box.size - last.size) <= 0.08 * last.size:
            return group
    return None


def _continues(group: _Group, line: Line, box: Segment, pitch: float, rights: list[float]) -> bool:
    last_line, last = group[-1]
    if line.row or last_line.row:
        return False
    alike = abs(box.size - last.size) <= 0.08 * last.size and box.bold == last.bold
    step = last.bottom - box.bottom
    if last.hyphen:
        return abs(box.size - last.size) <= 0.1 * last.size and (box.text[:1].isalpha() or 0 < step <= 1.35 * pitch)
    if not 0 < step <= 1.35 * max(pitch, last.size):
        # A new column, or a figure in between: only a sentence that is plainly not over goes on.
        goes_on = box.text[:1].islower() or ("가" <= box.text[:1] <= "힣" and len(box.text) > 12)
        return alike and goes_on and not _SENTENCE_END.search(last.text) and len(last.text) > 20
    if not alike:
        # A bold or italic word may make up most of a line; a heading is set apart by its size or by being short.
        return abs(box.size - last.size) <= 0.08 * last.size and len(group) > 1 and box.text[:1].islower()
    if _CAPITAL_HEADING.match(last.text) and box.text.isupper() and not _NUMBERED.match(box.text):
        return True
    if _BULLET.match(box.text) or any(_numbered_heading(item.text) for item in (last, box)):
        return False
    first = group[0][1]
    listed = bool(_LIST_START.match(first.text))
    ended = bool(_SENTENCE_END.search(last.text))
    # A line that ends a sentence well before the edge ends its paragraph; so does one before an indented line.
    edge = next((right for right in reversed(rights) if right < last.left + 0.62 * (rights[-1] - last.left)), None)
    column = edge if edge is not None and edge > last.right + 0.1 else rights[-1]
    short = last.right < last.left + 0.85 * (column - last.left)
    if _LIST_START.match(box.text) and (ended or listed or short):
        return False
    if ended and (short or box.left > last.left + 0.8 * box.size) and not listed:
        return False
    # Not so the second line of a paragraph with an indented first one.
    return not (ended and (listed or len(group) > 1) and box.left < last.left - 0.8 * box.size)


def _numbered_heading(text: str) -> bool:
    return bool(_CAPITAL_HEADING.match(text) or _SUBHEADING.match(text))


def _by_size(group: _Group, body: tuple[float, bool]) -> bool:
    text = " ".join(box.text for _, box in group)
    return (
        group[0][1].size >= _HEADING_SIZE * body[0]
        and len(text) <= _HEADING_CHARACTERS
        and sum(letter.isalpha() for letter in text) >= 2
        and not group[0][0].row
        and not _BULLET.match(text)
    )


def _level(group: _Group, text: str, body: tuple[float, bool], sizes: list[float]) -> int:
    """0 for a paragraph; sizes above that of the body give the upper levels, bold and capital lines the next ones."""
    first = group[0][1]
    if _by_size(group, body):
        return min(1 + sizes.index(round(first.size * 2) / 2), 6)
    numbered = _NUMBERED.match(text)
    depth = numbered[1].count(".") if numbered else 0
    if _numbered_heading(text):
        return min(len(sizes) + 1 + depth, 6)
    plain = len(text) > _BOLD_HEADING_CHARACTERS or len(group) > 2 or group[0][0].row or _BULLET.match(text)
    if body[1] or plain or not all(box.bold for _, box in group) or first.size < 0.9 * body[0]:
        return 0
    if text[-1:] in ".,;" or sum(letter.isalpha() for letter in text) < 2:
        return 0
    return min(len(sizes) + 1 + depth, 6)


def _block(group: _Group, body: tuple[float, bool], sizes: list[float], words: Counter[str]) -> Block | None:
    text = ""
    for _, box in group:
        text = join_lines(text, box.text, words) if text else box.text
        if box.hyphen:
            text += "\u00ad"
    text = normalise(text.removesuffix("\u00ad") + ("-" if text.endswith("\u00ad") else ""))
    # Some PDF files hold line and page breaks as characters.
    text = " ".join(text.split())
    # The dots that lead from a heading to its page in a table of contents.
    text = _LEADERS.sub(" … ", text)
    if not any(letter.isalnum() for letter in text):
        return None
    if group[0][0].row:
        return Block(text, row=True)
    return Block(text, _level(group, text, body, sizes))
