"""Rows of tables among the lines of a page: cells that run over several lines are put together, and each value gets
the name of its column where the first row is plainly a header.

Knows nothing of pages, paragraphs or PDF files.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from ingest.loaders.layout_lines import Line, Segment, join_lines

# In letter sizes: lines of one cell follow each other this closely; rows further apart than the second are two tables.
_TIGHT_STEP = 1.35
_WIDEST_STEP = 4.0
_LEAST_HEADED_ROWS = 3
_HEADER_CHARACTERS = 60


@dataclass(slots=True)
class Row:
    """The texts of a table row by column. `bold` says that all of it is."""

    cells: dict[int, str] = field(default_factory=dict)
    bold: bool = True


@dataclass(slots=True)
class _Table:
    """`columns` are left and right edges, in the order in which the columns were found."""

    columns: list[tuple[float, float]] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)

    def matches(self, cells: Sequence[Segment]) -> list[int | None]:
        """The column of each cell, None for a cell below no column or below several."""
        found: list[int | None] = []
        for cell in cells:
            below = [
                number for number, (left, right) in enumerate(self.columns) if cell.left < right and cell.right > left
            ]
            found.append(below[0] if len(below) == 1 and below[0] not in found else None)
        return found

    def add(self, cells: Sequence[Segment], columns: Sequence[int], words: Counter[str], wrapped: bool) -> None:
        if not wrapped:
            self.rows.append(Row())
        row = self.rows[-1]
        for cell, number in zip(cells, columns, strict=True):
            before = row.cells.get(number)
            row.cells[number] = join_lines(before, cell.text, words) if before else cell.text
            row.bold &= cell.bold
            left, right = self.columns[number]
            self.columns[number] = min(left, cell.left), max(right, cell.right)

    def order(self) -> list[int]:
        return sorted(range(len(self.columns)), key=lambda number: self.columns[number])


def with_tables(lines: Sequence[Line], words: Counter[str]) -> list[Line]:
    """The lines, those of a table replaced by one for each row; `words` of the document mend divided ones."""
    result: list[Line] = []
    place = 0
    while place < len(lines):
        table, after = _table(lines, place, words)
        if len(table.rows) < 2:
            result.append(lines[place])
            place += 1
        else:
            result += [Line(lines[place].segments, record=text) for text in records(table.rows, table.order())]
            place = after
    return result


def _table(lines: Sequence[Line], start: int, words: Counter[str]) -> tuple[_Table, int]:
    """The table that begins with this line, and the place of the first line after it."""
    table = _Table()
    if not lines[start].row or lines[start].segments[0].row:
        return table, start
    table.columns = [(cell.left, cell.right) for cell in lines[start].cells]
    table.add(lines[start].cells, range(len(table.columns)), words, wrapped=False)
    place = start + 1
    while place < len(lines):
        line = lines[place]
        cells, box = line.cells, line.box
        above = lines[place - 1].box
        # Letters below the line make lower edges differ, accents the upper ones.
        step = min(above.bottom - box.bottom, above.top - box.top)
        if not 0 < step <= _WIDEST_STEP * box.size or line.segments[0].row:
            break
        columns = table.matches(cells)
        if line.row:
            for number, (cell, column) in enumerate(zip(cells, columns, strict=True)):
                # A value where the rows above have none.
                if column is None and not any(cell.left < right and cell.right > left for left, right in table.columns):
                    table.columns.append((cell.left, cell.right))
                    columns[number] = len(table.columns) - 1
        found = [column for column in columns if column is not None]
        if len(found) < len(columns):
            break
        wrapped = line.continues or _is_wrapped(lines, place, step, found, table)
        if not wrapped and not line.row:
            break
        table.add(cells, found, words, wrapped)
        place += 1
    return table, place


def _is_wrapped(lines: Sequence[Line], place: int, step: float, columns: Sequence[int], table: _Table) -> bool:
    """Whether a line goes on with the cells above it: close below them, with nothing in the first column."""
    line = lines[place]
    if step > _TIGHT_STEP * line.box.size:
        return False
    if any(not is_text(cell.text) for cell in line.cells) or any(n not in table.rows[-1].cells for n in columns):
        return False
    if min(columns, key=lambda number: table.columns[number]) != table.order()[0]:
        return True
    # A first cell of two lines: the next row is further down.
    following = lines[place + 1] if place + 1 < len(lines) else None
    return (
        not line.row
        and following is not None
        and following.row
        and line.box.bottom - following.box.bottom > 1.15 * step
    )


def is_text(text: str) -> bool:
    """Whether more of it is letters than digits and signs."""
    return 2 * sum(letter.isalpha() for letter in text) > len(text.replace(" ", ""))


def records(rows: Sequence[Row], columns: Sequence[int]) -> list[str]:
    """Each row as one text, its values in the order of `columns` and named by the first row if that is a header."""
    if not _is_headed(rows, columns):
        return [" | ".join(row.cells[number] for number in columns if number in row.cells) for row in rows]
    header = rows[0].cells
    return [
        "; ".join(f"{header[number]}: {row.cells[number]}" for number in columns if number in row.cells)
        for row in rows[1:]
    ]


def _is_headed(rows: Sequence[Row], columns: Sequence[int]) -> bool:
    """A header names every column shortly and in words; it is bold, or stands above a column of numbers."""
    header, *others = rows
    if len(rows) < _LEAST_HEADED_ROWS or len(header.cells) < len(columns):
        return False
    names = list(header.cells.values())
    if len(set(names)) < len(names) or any(len(name) > _HEADER_CHARACTERS or not is_text(name) for name in names):
        return False
    if header.bold and not any(row.bold for row in others):
        return True
    numeric = [all(not is_text(row.cells[place]) for row in others if place in row.cells) for place in columns]
    # Of two columns, the first may name what stands in the second: "Author | ...".
    return any(numeric) and len(names) > 2
