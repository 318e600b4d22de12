"""Runs of text joined to lines, and lines joined to text. Knows nothing of columns, paragraphs or PDF files.

Coordinates are points from the lower left corner of the page.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rag.text import normalise

# Wider than the space of a justified line, in letter sizes.
_CELL_GAP = 2.0
# Cells of a table that is written cell by cell are looked for this many lines up.
_LINES_OF_A_CELL = 8
_BESIDE_GAP = 0.8
_MARKER = re.compile(r"[-•–*▪◦■□○●]|\(?(?:\d+|[a-z]|[ivx]+)[.)](?:\d+[.)]?)*|\d+(?:\.\d+)+|\d+\. ?§")
_SUSPENDED = frozenset({"és", "vagy", "illetve", "and", "or", "to"})
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of text on one baseline; `row` says that it is a whole table row. `hyphen` says that a word was divided."""

    text: str
    left: float
    right: float
    bottom: float
    top: float
    size: float
    bold: bool = False
    hyphen: bool = False
    row: bool = False

    @property
    def middle(self) -> float:
        return (self.bottom + self.top) / 2


@dataclass(slots=True)
class Line:
    """Segments on one baseline, from left to right.

    `continues` says that the line is the next one of the cells above it; `record` is the text of a whole table row.
    """

    segments: list[Segment]
    continues: bool = False
    record: str = ""

    @property
    def box(self) -> Segment:
        """One segment around the whole line, with the look of its longest part."""
        first = self.segments[0]
        if len(self.segments) == 1 and not self.record:
            return first
        longest = max(self.segments, key=lambda item: len(item.text))
        return Segment(
            self.text,
            left=min(item.left for item in self.segments),
            right=max(item.right for item in self.segments),
            bottom=min(item.bottom for item in self.segments),
            top=max(item.top for item in self.segments),
            size=longest.size,
            bold=all(item.bold for item in self.segments),
            hyphen=self.segments[-1].hyphen,
        )

    @property
    def text(self) -> str:
        return self.record or " | ".join(_text(cell) for cell in self.parts)

    @property
    def row(self) -> bool:
        return bool(self.record) or self.segments[0].row or len(self.parts) > 1

    @property
    def parts(self) -> list[list[Segment]]:
        """The segments of each cell; one cell where the line is no row of a table."""
        parts = [[self.segments[0]]]
        for before, item in pairwise(self.segments):
            gap = (item.left - before.right) / max(before.size, item.size)
            if gap > _CELL_GAP and not _MARKER.fullmatch(before.text.strip()):
                parts.append([item])
            else:
                parts[-1].append(item)
        return parts

    @property
    def cells(self) -> list[Segment]:
        """A segment around each cell."""
        return [Line(part).box for part in self.parts]


def _text(segments: Sequence[Segment]) -> str:
    text = segments[0].text
    for before, item in pairwise(segments):
        gap = (item.left - before.right) / max(before.size, item.size)
        text += (" " if gap > 0.12 else "") + item.text
    return text


def lines_of(segments: Iterable[Segment]) -> list[Line]:
    """Segments on one baseline, such as table cells and superscripts, joined.

    They follow each other, or the lines between them are those of the cells before: a table is often written cell by
    cell.
    """
    lines: list[Line] = []
    for item in segments:
        for back in range(1, min(len(lines), _LINES_OF_A_CELL) + 1):
            before = lines[-back].segments[-1]
            if item.row or before.row:
                continue
            if _on_one_baseline(before, item):
                between = lines[len(lines) - back + 1 :]
                gap = (item.left - before.right) / before.size
                beside = all(part.right <= item.left for line in between for part in line.segments)
                if gap > _BESIDE_GAP and beside if between else gap >= -0.3 and not before.hyphen:
                    lines[-back].segments.append(item)
                    for line in between:
                        line.continues = True
                    break
        else:
            lines.append(Line([item]))
    return lines


def _on_one_baseline(first: Segment, second: Segment) -> bool:
    overlap = min(first.top, second.top) - max(first.bottom, second.bottom)
    if overlap <= 0:
        return False
    # A comma stands below its line.
    words = any(map(str.isalnum, first.text)) and any(map(str.isalnum, second.text))
    return overlap > (0.5 if words else 0.2) * min(first.top - first.bottom, second.top - second.bottom)


def count_words(lines: Iterable[str]) -> Counter[str]:
    """How often each word stands in these lines, in lower case: what `join_lines` knows of the document."""
    return Counter(word.lower() for line in lines for word in _WORD.findall(normalise(line)))


def join_lines(text: str, following: str, words: Counter[str]) -> str:
    """Two lines in one; a word divided at the line's end is mended.

    The hyphen stays where the document writes the word with it elsewhere, before a capital or a digit, and where it
    stands for a second part (`be- és kimenet`).
    """
    divided = text.endswith("\u00ad")
    text = text.removesuffix("\u00ad")
    if not divided and not re.search(r"[^\W\d_]-$", text):
        return f"{text} {following}"
    head = text if divided else text[:-1]
    # normalise composes the accents that some PDF files set apart from their letters.
    before = re.search(r"[^\W_]*$", normalise(head))
    after = re.match(r"[^\W_]*", normalise(following))
    first, second = before[0] if before else "", after[0] if after else ""
    if second in _SUSPENDED:
        return f"{head}- {following}"
    hyphenated, whole = f"{first}-{second}".lower(), f"{first}{second}".lower()
    keep = not second or not second[0].islower() or any(map(str.isdigit, first))
    if keep or (words[hyphenated] and not words[whole]):
        return f"{head}-{following}"
    return head + following
