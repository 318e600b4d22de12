"""Tables with ruled lines: what stands between the lines is a cell, however many lines of text it has.

Knows nothing of PDF files. Boxes are left, right, bottom and top in points from the lower left corner of the page.
"""

import bisect
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ingest.loaders.layout_lines import Line, Segment, count_words, join_lines, lines_of
from ingest.loaders.layout_table import Row, is_text, records

Box = tuple[float, float, float, float]
_Cells = dict[tuple[int, int], list[Segment]]

# In points: the width of a line, how far two lines that meet may miss each other, and the least side of a cell.
_RULE_WIDTH = 2.5
_MISS = 3.0
_LEAST_SIDE = 6.0
# Part of a table's width that a horizontal line must have to part rows.
_ROW_SHARE = 0.6
# Part of its height that one between columns must have: some cells run over two columns.
_COLUMN_SHARE = 0.4
# Lines in the first cell of a row, and part of the others' lines beside them, that make them rows of their own.
_LEAST_UNRULED_ROWS = 3
_BESIDE_SHARE = 0.6
# What is nearly as high as the page is the page's frame.
_FRAME_SHARE = 0.85


@dataclass(frozen=True, slots=True)
class Grid:
    """A ruled table: edges of its columns from left to right and of its rows from the bottom up."""

    columns: tuple[float, ...]
    rows: tuple[float, ...]

    def cell(self, segment: Segment) -> tuple[int, int] | None:
        """Row from the top and column, both from 0, of what begins in the table; None for what is outside."""
        x, y = segment.left + 0.3 * segment.size, segment.middle
        if not (self.columns[0] - _MISS < x < self.columns[-1] and self.rows[0] < y < self.rows[-1]):
            return None
        column = max(0, bisect.bisect_right(self.columns, x) - 1)
        return len(self.rows) - 1 - bisect.bisect_right(self.rows, y), column

    def parts(self, left: float, right: float, middle: float) -> bool:
        """Whether an edge of a column stands between two words at this height."""
        if not self.rows[0] < middle < self.rows[-1]:
            return False
        place = bisect.bisect_left(self.columns, left - 1)
        return place < len(self.columns) and self.columns[place] <= right + 1


def find_grids(boxes: Sequence[Box], height: float) -> list[Grid]:
    """The ruled tables that drawn lines and frames with these boxes make on a page of this height.

    A table has at least two rows and two columns.
    """
    upright: list[Box] = []
    level: list[Box] = []
    for left, right, bottom, top in boxes:
        if top - bottom > _FRAME_SHARE * height:
            continue
        if right - left <= _RULE_WIDTH and top - bottom >= _LEAST_SIDE:
            upright.append((left, right, bottom, top))
        elif top - bottom <= _RULE_WIDTH and right - left >= _LEAST_SIDE:
            level.append((left, right, bottom, top))
        elif min(right - left, top - bottom) >= _LEAST_SIDE:
            upright += [(left, left, bottom, top), (right, right, bottom, top)]
            level += [(left, right, bottom, bottom), (left, right, top, top)]
    if len(upright) < 3 or len(level) < 2:
        return []
    stacked = _apart([*upright, *level], 2)
    clusters = [cluster for stack in stacked for cluster in _apart(stack, 0)]
    return [grid for cluster in clusters if (grid := _grid(cluster)) is not None]


def _apart(rules: Sequence[Box], axis: int) -> list[list[Box]]:
    """The rules in groups that do not overlap along an axis: 0 from left to right, 2 upwards."""
    groups: list[list[Box]] = []
    end = 0.0
    for rule in sorted(rules, key=lambda box: box[axis]):
        if groups and rule[axis] <= end + _MISS:
            groups[-1].append(rule)
            end = max(end, rule[axis + 1])
        else:
            groups.append([rule])
            end = rule[axis + 1]
    return groups


def _grid(rules: Sequence[Box]) -> Grid | None:
    upright = [rule for rule in rules if rule[1] - rule[0] <= _RULE_WIDTH]
    level = [rule for rule in rules if rule[3] - rule[2] <= _RULE_WIDTH]
    if not upright or not level:
        return None
    bottom, top = min(rule[2] for rule in rules), max(rule[3] for rule in rules)
    left, right = min(rule[0] for rule in rules), max(rule[1] for rule in rules)
    columns = _edges([(rule[0], rule[2], rule[3]) for rule in upright], _COLUMN_SHARE * (top - bottom), left, right)
    rows = _edges([(rule[2], rule[0], rule[1]) for rule in level], _ROW_SHARE * (right - left), bottom, top)
    return Grid(columns, rows) if len(columns) > 2 and len(rows) > 2 else None


def _edges(rules: Sequence[tuple[float, float, float]], least: float, first: float, last: float) -> tuple[float, ...]:
    """Places of rules, given as place, start and end, that together are at least so long; with the outermost two."""
    places: list[list[tuple[float, float, float]]] = []
    for rule in sorted(rules):
        if places and rule[0] - places[-1][0][0] <= _MISS:
            places[-1].append(rule)
        else:
            places.append([rule])
    edges = [first]
    for group in places:
        length, end = 0.0, -math.inf
        for _, start, stop in sorted(group, key=lambda rule: rule[1]):
            length += max(0.0, stop - max(start, end))
            end = max(end, stop)
        if length >= least and group[0][0] - edges[-1] > _LEAST_SIDE:
            edges.append(group[0][0])
    if last - edges[-1] > _LEAST_SIDE:
        edges.append(last)
    return tuple(edges)


def with_grids(segments: Sequence[Segment], grids: Sequence[Grid]) -> list[Segment]:
    """The segments, those in a ruled table replaced by one segment for each row where the first of them stood."""
    for grid in grids:
        cells: _Cells = {}
        rest: list[Segment] = []
        first = None
        for segment in segments:
            place = None if segment.row else grid.cell(segment)
            if place is None:
                rest.append(segment)
            else:
                first = len(rest) if first is None else first
                cells.setdefault(place, []).append(segment)
        cells = _with_unruled_rows(cells)
        if first is not None and (rows := _row_segments(cells)):
            segments = [*rest[:first], *rows, *rest[first:]]
    return list(segments)


def _with_unruled_rows(cells: _Cells) -> _Cells:
    """The cells, rows that hold several lines beside each other parted: many tables have lines between columns only."""
    parted: _Cells = {}
    number = 0
    for row in sorted({row for row, _ in cells}):
        columns = sorted(column for place, column in cells if place == row)
        lines = {column: lines_of(cells[row, column]) for column in columns}
        starts = sorted((line.box.bottom for line in lines[columns[0]]), reverse=True)
        others = [line.box for column in columns[1:] for line in lines[column]]
        beside = sum(any(abs(box.bottom - start) < 0.5 * box.size for start in starts) for box in others)
        # Cells that run over lines beside each other are text.
        numeric = any(not any(is_text(line.text) for line in found) for found in lines.values() if len(found) > 2)
        if not (numeric and len(starts) >= _LEAST_UNRULED_ROWS and beside >= _BESIDE_SHARE * len(others) > 0):
            parted.update({(number, column): cells[row, column] for column in columns})
            number += 1
            continue
        for column in columns:
            for line in lines[column]:
                place = min(range(len(starts)), key=lambda item: abs(starts[item] - line.box.bottom))
                parted.setdefault((number + place, column), []).extend(line.segments)
        number += len(starts)
    return parted


def _row_segments(cells: _Cells) -> list[Segment]:
    """A segment for each row; none where too little is filled for a table, as in a figure."""
    numbers = sorted({row for row, _ in cells})
    filled = [sorted(column for row, column in cells if row == number) for number in numbers]
    if len(numbers) < 2 or 2 * sum(len(columns) > 1 for columns in filled) < len(numbers):
        return []
    words = count_words(segment.text for items in cells.values() for segment in items)
    rows: list[Row] = []
    looks: list[Segment] = []
    for number, columns in zip(numbers, filled, strict=True):
        items = [segment for column in columns for segment in cells[number, column]]
        texts = {column: _cell_text(cells[number, column], words) for column in columns}
        rows.append(Row(texts, all(item.bold for item in items)))
        looks.append(Line(items).box)
    texts_of_rows = records(rows, sorted({column for _, column in cells}))
    # A header has no row of its own any more.
    looks = looks[len(looks) - len(texts_of_rows) :]
    return [replace(look, text=text, hyphen=False, row=True) for look, text in zip(looks, texts_of_rows, strict=True)]


def _cell_text(segments: Sequence[Segment], words: Counter[str]) -> str:
    text = ""
    for line in lines_of(segments):
        joined = " ".join(part.text for part in line.segments)
        # Divided at the line's end.
        joined += "\u00ad" * line.segments[-1].hyphen
        text = join_lines(text, joined, words) if text else joined
    return text.removesuffix("\u00ad")
