"""The runs of text on a page of a PDF file, with their place and look, as they read when the page is upright.

Knows nothing of lines, columns or headings (see `layout`). PDFium is asked about words, not about characters: each call
costs more than what it does. Imports PDFium: to be imported where a PDF file is read.
"""

import ctypes
import functools
import math
import re
from collections import Counter
from typing import Any, NamedTuple

import pypdfium2.raw as pdfium

from ingest.loaders.layout_grid import find_grids, with_grids
from ingest.loaders.layout_lines import Segment

# A gap of 1.2 letter sizes inside a line separates table cells or columns; letters are about 0.7 of their size high.
_LETTER_HEIGHT = 0.7
_WIDE_GAP = 1.2 / _LETTER_HEIGHT
# In points: letters of a font that is not in the file may have no height; that of a dash is more, that of a word more
# than the second.
_FLAT, _LOW = 0.05, 2.0
_BOLD = re.compile(r"bold|black|heavy|cmbx|demi|-medi", re.IGNORECASE)
# PDFium marks with the last two a hyphen that divides a word at a line's end.
_PIECES = re.compile("([^\n\r\x02\ufffe \t\xa0]+)|[\n\r\x02\ufffe]+")
_HYPHENS = ("\x02", "\ufffe")
_SAMPLED_CHARACTERS = 40
_LEAST_LETTERS_ACROSS = 3
# A page with more objects or shapes than this is a drawing; a rectangle has five corners, its first one twice.
_MOST_OBJECTS = 20_000
_MOST_RULES = 4000
_MOST_CORNERS = 5


class _Box(NamedTuple):
    """Left, right, bottom and top in points, in the upright page."""

    left: float
    right: float
    bottom: float
    top: float


class _Word(NamedTuple):
    """Characters `start` to `end` (not included) of the page and the box around them."""

    start: int
    end: int
    box: _Box


def page_segments(page: Any) -> tuple[list[Segment], float]:
    """The segments of a page in the order of its content stream, and the height of the upright page.

    A segment ends at a line end and at a wide gap; a row of a ruled table is one. Text that stands across the page's,
    such as the name of a vertical axis, comes last; text that stands askew, such as a watermark, is left out unless
    there is no other.
    """
    textpage = page.get_textpage()
    try:
        return _PageText(page, textpage).segments()
    finally:
        textpage.close()


class _PageText:
    """One page's text as PDFium gives it, turned upright."""

    def __init__(self, page: Any, textpage: Any) -> None:
        self._raw = textpage.raw
        self._text = _characters(self._raw)
        self._frame = page.get_mediabox()
        # Left, right, bottom, top: four references into one array, which is read at once.
        self._values = (ctypes.c_double * 4)()
        self._parts = [ctypes.c_double.from_buffer(self._values, 8 * place) for place in range(4)]
        left, right, bottom, top = map(ctypes.byref, self._parts)
        self._box_references = (left, right, bottom, top)
        self._rectangle_references = (left, top, right, bottom)
        self._floats = (ctypes.c_float * 4)()
        self._float_parts = [ctypes.c_float.from_buffer(self._floats, 4 * place) for place in range(4)]
        self._float_references = tuple(map(ctypes.byref, self._float_parts))
        self._font = ctypes.create_string_buffer(128)
        self._flags = ctypes.c_int()
        self._turn = self._usual_turn()
        # Most pages begin at zero and are written upright.
        self._plain = self._turn == 0 and self._frame[:2] == (0, 0)
        self._sorted = bool(self._turn or page.get_rotation())
        left, bottom, right, top = self._frame
        self._height = right - left if self._turn % 2 else top - bottom
        self._grids = find_grids(self._ruled(page), self._height)

    def _ruled(self, page: Any) -> list[_Box]:
        """The boxes of simple drawn shapes: lines, frames and filled cells."""
        boxes: list[_Box] = []
        count = pdfium.FPDFPage_CountObjects(page.raw)
        get, kind, path = pdfium.FPDFPage_GetObject, pdfium.FPDFPageObj_GetType, pdfium.FPDF_PAGEOBJ_PATH
        for number in range(count if count <= _MOST_OBJECTS else 0):
            item = get(page.raw, number)
            if (
                kind(item) == path
                and pdfium.FPDFPath_CountSegments(item) <= _MOST_CORNERS
                and pdfium.FPDFPageObj_GetBounds(item, *self._float_references)
            ):
                x, y, far_x, far_y = self._floats
                boxes.append(self._turned(x, far_x, y, far_y))
        return boxes if len(boxes) <= _MOST_RULES else []

    def segments(self) -> tuple[list[Segment], float]:
        upright: list[Segment] = []
        across: list[Segment] = []
        askew: list[Segment] = []
        for words, hyphen in self._runs():
            middle = self._middle(words)
            segment = self._segment(words, middle, hyphen)
            turn = _quarter(self._angle(middle))
            (askew if turn is None else upright if turn == self._turn else across).append(segment)
        # Numbers along an axis, and names of axes of which each letter is a line, say nothing.
        across = [item for item in across if sum(letter.isalpha() for letter in item.text) >= _LEAST_LETTERS_ACROSS]
        return with_grids(upright + across or askew, self._grids), self._height

    def _usual_turn(self) -> int:
        """How many quarters to the left most of the text is turned, whatever the page's own turn."""
        length = len(self._text)
        step = max(1, length // _SAMPLED_CHARACTERS)
        turns = Counter(
            turn
            for index in range(0, length, step)
            if not self._text[index].isspace() and (turn := _quarter(self._angle(index))) is not None
        )
        return turns.most_common(1)[0][0] if turns else 0

    def _angle(self, index: int) -> float:
        return pdfium.FPDFText_GetCharAngle(self._raw, index)

    def _runs(self) -> list[tuple[list[_Word], bool]]:
        """Words that follow each other without a wide gap, and whether the last one is divided at the line's end."""
        runs: list[tuple[list[_Word], bool]] = []
        run: list[_Word] = []
        for piece in _PIECES.finditer(self._text):
            if piece[1] is None:
                if run:
                    runs.append((run, piece[0][0] in _HYPHENS))
                    run = []
                continue
            start, end = piece.span()
            while start < end and self._text[start] == "\0":
                start += 1
            while start < end and self._text[end - 1] == "\0":
                end -= 1
            if start == end:
                continue
            word = _Word(start, end, self._word_box(start, end))
            if run and self._is_apart(run, word):
                runs.append((run, False))
                run = []
            run.append(word)
        if run:
            runs.append((run, False))
        return self._from_left_to_right(runs) if self._sorted else runs

    def _from_left_to_right(self, runs: list[tuple[list[_Word], bool]]) -> list[tuple[list[_Word], bool]]:
        """The runs of each line put in order: on a turned page PDFium may give a line's words in another one."""
        lines: list[list[_Word]] = []
        hyphens = {run[-1] for run, hyphen in runs if hyphen}
        for word in (word for run, _ in runs for word in run):
            height = word.box.top - word.box.bottom
            if lines and abs(lines[-1][0].box.bottom - word.box.bottom) < 0.5 * height:
                lines[-1].append(word)
            else:
                lines.append([word])
        ordered: list[tuple[list[_Word], bool]] = []
        for line in lines:
            line.sort(key=lambda word: word.box.left)
            run = line[:1]
            for word in line[1:]:
                if self._is_apart(run, word):
                    ordered.append((run, False))
                    run = []
                run.append(word)
            ordered.append((run, run[-1] in hyphens))
        return ordered

    def _is_apart(self, run: list[_Word], word: _Word) -> bool:
        last = run[-1].box
        height = last.top - last.bottom
        gap = word.box.left - last.right
        middle = (last.bottom + last.top) / 2
        if self._grids and gap > -1.0 and any(grid.parts(last.right, word.box.left, middle) for grid in self._grids):
            return True
        # Far below the limit whatever the letters are, or above it whichever is the tallest: nearly all words are.
        if -0.5 * height < gap < 0.8 * height:
            return False
        if gap > _WIDE_GAP * max(item.box.top - item.box.bottom for item in run[-12:]):
            return True
        recent = [index for item in run[-12:] for index in range(item.start, item.end)][-12:]
        boxes = [self._box(index) for index in recent]
        return abs(self._box(word.start).left - boxes[-1].right) > _WIDE_GAP * max(
            box.top - box.bottom for box in boxes
        )

    def _word_box(self, start: int, end: int) -> _Box:
        count = pdfium.FPDFText_CountRects(self._raw, start, end - start)
        get, raw, references, values = pdfium.FPDFText_GetRect, self._raw, self._rectangle_references, self._values
        if count > 0:
            get(raw, 0, *references)
            left, right, bottom, top = values
            # A word may be of several text objects, with a rectangle each.
            for number in range(1, count):
                get(raw, number, *references)
                next_left, next_right, next_bottom, next_top = values
                left, right = min(left, next_left), max(right, next_right)
                bottom, top = min(bottom, next_bottom), max(top, next_top)
            if left < right and top - bottom >= _LOW:
                return self._turned(left, right, bottom, top)
        # Letters without extent are in no rectangle.
        return _around([self._box(index) for index in range(start, end)])

    def _box(self, index: int) -> _Box:
        pdfium.FPDFText_GetCharBox(self._raw, index, *self._box_references)
        left, right, bottom, top = self._values
        if top - bottom < _FLAT:
            top = bottom + _LETTER_HEIGHT * self._size(index)
        return self._turned(left, right, bottom, top)

    def _size(self, index: int) -> float:
        matrix = pdfium.FS_MATRIX()
        scale = math.hypot(matrix.c, matrix.d) if pdfium.FPDFText_GetMatrix(self._raw, index, matrix) else 1.0
        return float(pdfium.FPDFText_GetFontSize(self._raw, index)) * scale

    def _turned(self, left: float, right: float, bottom: float, top: float) -> _Box:
        if self._plain:
            return _Box(left, right, bottom, top)
        x, y, far_x, far_y = self._frame
        if self._turn == 0:
            return _Box(left - x, right - x, bottom - y, top - y)
        if self._turn == 1:
            return _Box(bottom - y, top - y, far_x - right, far_x - left)
        if self._turn == 2:
            return _Box(far_x - right, far_x - left, far_y - top, far_y - bottom)
        return _Box(far_y - top, far_y - bottom, left - x, right - x)

    def _middle(self, words: list[_Word]) -> int:
        rest = sum(word.end - word.start for word in words) // 2
        for word in words:
            if rest < word.end - word.start:
                return word.start + rest
            rest -= word.end - word.start
        return words[-1].end - 1

    def _segment(self, words: list[_Word], middle: int, hyphen: bool) -> Segment:
        text = " ".join(self._text[word.start : word.end] for word in words).replace("\0", "")
        box = _around([word.box for word in words])
        size = self._size(middle)
        # The stated size misses a scale set outside the text object; the height of the letters shows it.
        tall = self._letter_height(middle) >= 0.4 * size
        if not tall or box.top - box.bottom > 1.3 * size:
            indexes = [index for word in words for index in range(word.start, word.end)]
            if box.top - box.bottom > 1.3 * size or not any(self._letter_height(i) >= 0.4 * size for i in indexes):
                height = max(map(self._letter_height, indexes))
                if height and not 0.4 * size <= height <= 1.3 * size:
                    size = height / 0.72
        pdfium.FPDFText_GetFontInfo(self._raw, middle, self._font, len(self._font), self._flags)
        bold = _is_bold(self._font.value) or pdfium.FPDFText_GetFontWeight(self._raw, middle) >= 600
        # Characters above the basic plane may come as two surrogates.
        if not text.isascii():
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return Segment(text, *box, size=size or 1.0, bold=bold, hyphen=hyphen)

    def _letter_height(self, index: int) -> float:
        if not self._text[index].isalnum():
            return 0.0
        box = self._box(index)
        return box.top - box.bottom


def _characters(raw: Any) -> str:
    """The page's characters, one for each index of PDFium; those without a meaning are NUL."""
    count = pdfium.FPDFText_CountChars(raw)
    if count <= 0:
        return ""
    units = (ctypes.c_ushort * (count + 1))()
    written = pdfium.FPDFText_GetText(raw, 0, count, units)
    text = bytes(units)[: 2 * count].decode("utf-16-le", "surrogatepass")
    # Characters without a meaning are left out there, and those above the basic plane count twice.
    if written == count + 1 and len(text) == count and not re.search("[\0\ud800-\udfff]", text):
        return text
    unicode = pdfium.FPDFText_GetUnicode
    codes = (unicode(raw, index) for index in range(count))
    return "".join(chr(code) if code <= 0x10FFFF else "\0" for code in codes)


def _around(boxes: list[_Box]) -> _Box:
    if len(boxes) == 1:
        return boxes[0]
    lefts, rights, bottoms, tops = zip(*boxes, strict=True)
    return _Box(min(lefts), max(rights), min(bottoms), max(tops))


def _quarter(angle: float) -> int | None:
    """Quarters of a turn to the left nearest to an angle in radians to the right; None where it is far from any."""
    quarters = angle / (math.pi / 2)
    nearest = round(quarters)
    # PDFium counts angles to the right.
    return -nearest % 4 if abs(quarters - nearest) < 0.12 else None


@functools.lru_cache(256)
def _is_bold(font: bytes) -> bool:
    return bool(_BOLD.search(font.decode("utf-8", "replace")))
