"""The rectangles of a text on a page of a PDF file. Imports PDFium: to be imported where a PDF file is read."""

import ctypes
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import pypdfium2.raw as pdfium

from web.sources.letters import places

MOST = 300
"""Rectangles of a page; what has more is marked nowhere."""
_MOST_CHARACTERS = 100_000
_GRID = 1_000_000
# Of the height of letters: room above and below, the gap that ends a mark inside of a line, and how far the middles of
# letters of one line, such as an index, are apart.
_ROOM = 0.12
_GAP = 2.5
_APART = 0.7
_CLOSING = frozenset(".,;:!?)]}%\"'”’»。！？…")


class Box(NamedTuple):
    """Left, bottom, right and top in points, in the page's own coordinates."""

    left: float
    bottom: float
    right: float
    top: float


def marks(page: Any, text: str, spans: Sequence[tuple[int, int]]) -> list[list[float]]:
    """`[left, top, width, height]` of the parts of a text, as fractions of the page as it is shown.

    `text` is what was read of the page, or a part of that; nothing where a part is not found for sure.
    """
    return [mark for box in boxes(page, text, spans) if (mark := _fractions(page, box))]


def boxes(page: Any, text: str, spans: Sequence[tuple[int, int]]) -> list[Box]:
    """The same in the page's own coordinates."""
    textpage = page.get_textpage()
    try:
        raw = textpage.raw
        count = pdfium.FPDFText_CountChars(raw)
        if not 0 < count <= _MOST_CHARACTERS:
            return []
        codes = (pdfium.FPDFText_GetUnicode(raw, number) for number in range(count))
        characters = [chr(code) if code <= 0x10FFFF else "\0" for code in codes]
        found: list[Box] = []
        for numbers in places(text, spans, characters):
            for run in _runs(numbers, characters):
                found += _lines(raw, run)
        return found if len(found) <= MOST else []
    finally:
        textpage.close()


def _runs(numbers: Sequence[int], characters: Sequence[str]) -> list[list[int]]:
    """The numbers in runs with nothing but signs and spaces between, these included, and the signs that close them."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs:
            between = range(runs[-1][-1] + 1, number)
            if len(between) < 40 and not any(characters[place].isalnum() for place in between):
                runs[-1] += [*between, number]
                continue
        runs.append([number])
    for run in runs:
        while run[-1] + 1 < len(characters) and characters[run[-1] + 1] in _CLOSING:
            run.append(run[-1] + 1)
    return runs


def _lines(raw: Any, run: Sequence[int]) -> list[Box]:
    """The boxes of the lines that a run of characters stands in."""
    turned = _is_turned(raw, run[len(run) // 2])
    found: list[Box] = []
    for number in run:
        box = _box(raw, number)
        if box is None:
            continue
        if found and _on_one_line(found[-1], box, turned):
            last = found[-1]
            found[-1] = Box(
                min(last.left, box.left),
                min(last.bottom, box.bottom),
                max(last.right, box.right),
                max(last.top, box.top),
            )
        else:
            found.append(box)
    return [_with_room(box, turned) for box in found]


def _box(raw: Any, number: int) -> Box | None:
    """The box of a character; None for spaces and what has no extent."""
    left, right, bottom, top = (ctypes.c_double() for _ in range(4))
    if not pdfium.FPDFText_GetCharBox(raw, number, left, right, bottom, top):
        return None
    box = Box(left.value, bottom.value, right.value, top.value)
    if not all(map(math.isfinite, box)) or box.right <= box.left or box.top <= box.bottom:
        return None
    return box


def _is_turned(raw: Any, number: int) -> bool:
    """Whether a character's line goes up or down the page, in the page's own coordinates."""
    return abs(math.sin(pdfium.FPDFText_GetCharAngle(raw, number))) > 0.7


def _on_one_line(first: Box, second: Box, turned: bool) -> bool:
    if turned:
        first, second = (Box(box.bottom, box.left, box.top, box.right) for box in (first, second))
    height = max(first.top - first.bottom, second.top - second.bottom)
    gap = max(first.left, second.left) - min(first.right, second.right)
    return abs(_middle(first) - _middle(second)) < _APART * height and gap < _GAP * height


def _middle(box: Box) -> float:
    return (box.bottom + box.top) / 2


def _with_room(box: Box, turned: bool) -> Box:
    room = _ROOM * ((box.right - box.left) if turned else (box.top - box.bottom))
    side, above = (room, room / 2) if turned else (room / 2, room)
    return Box(box.left - side, box.bottom - above, box.right + side, box.top + above)


def _fractions(page: Any, box: Box) -> list[float] | None:
    """A box as it is on the page that is shown, turned and cropped; None where it is not on it."""
    points = [_shown(page, x, y) for x, y in ((box.left, box.bottom), (box.right, box.top))]
    if None in points:
        return None
    xs, ys = zip(*[point for point in points if point], strict=True)
    left, right = (min(max(value, 0.0), 1.0) for value in (min(xs), max(xs)))
    top, bottom = (min(max(value, 0.0), 1.0) for value in (min(ys), max(ys)))
    if right - left <= 0 or bottom - top <= 0:
        return None
    return [round(value, 5) for value in (left, top, right - left, bottom - top)]


def _shown(page: Any, x: float, y: float) -> tuple[float, float] | None:
    across, down = ctypes.c_int(), ctypes.c_int()
    if not pdfium.FPDF_PageToDevice(page.raw, 0, 0, _GRID, _GRID, 0, x, y, across, down):
        return None
    return across.value / _GRID, down.value / _GRID
