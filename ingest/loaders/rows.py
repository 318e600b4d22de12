"""Tables inside documents and sheets: a block a record, each value with the name of its column. Knows no format."""

import re
from collections.abc import Iterator, Sequence

from ingest.blocks import Block
from rag.text import flatten, normalise

_NUMBER = re.compile(r"[-+]?[\d\s.,:/%$€£₩-]*\d[\d\s.,:/%$€£₩-]*(?:e[-+]?\d+)?", re.IGNORECASE)
_LABEL_CHARACTERS = 60


def clean(text: str) -> str:
    """A text in normal form and in one line."""
    return flatten(normalise(text))


def table_blocks(rows: Sequence[Sequence[str]], header_rows: int | None = None) -> list[Block]:
    """The records of a table as `column: value; column: value`; empty values are left out.

    `header_rows` is how many rows are marked as a header, None where the format does not say: then the first row that
    fills half of the columns is one if it names things. Rows above it, and rows that hold one text, are paragraphs.
    A merged cell is expected to be repeated in each place it covers.
    """
    table = [[clean(cell) for cell in row] for row in rows]
    table = [row for row in table if any(row)]
    if not table:
        return []
    width = max(len(row) for row in table)
    if width == 1:
        return [Block(row[0]) for row in table]
    blocks: list[Block] = []
    if not header_rows:
        while len(table) > 1 and _single(table[0]):
            blocks.append(Block(_single(table.pop(0))))
        header_rows = int(header_rows is None and len(table) > 1 and is_header(table[0], table[1:]))
    header = [_column(table[:header_rows], place) for place in range(width)]
    records = table[header_rows:]
    if not records:
        return [*blocks, *(Block(" | ".join(dict.fromkeys(filter(None, row))), row=True) for row in table)]
    return blocks + [
        Block(record(header, row), row=True) if not _single(row) or width == 2 else Block(_single(row))
        for row in records
    ]


def sheet_blocks(rows: Sequence[Sequence[str]]) -> list[Block]:
    """The same for a sheet, which may hold several tables: an empty row and a new header begin another one."""
    blocks: list[Block] = []
    header: list[str] = []
    for group in _groups([[clean(cell) for cell in row] for row in rows]):
        while group and (text := _single(group[0])) and (len(group) > 1 or not header):
            blocks.append(Block(text))
            group = group[1:]
        if not group:
            continue
        if len(group) > 1 and is_header(group[0], group[1:]) and (not header or _numbers(group[1:])):
            header, group = group[0], group[1:]
        blocks += [Block(record(header, row), row=True) for row in group]
    return blocks


def is_header(header: Sequence[str], records: Sequence[Sequence[str]]) -> bool:
    """Whether a row names columns: at least two short names, at most a quarter of them numbers."""
    filled = [cell for cell in header if cell]
    if len(filled) < 2 or max(map(len, filled)) > 2 * _LABEL_CHARACTERS:
        return False
    # The left column of two holds labels, the right one whole sentences: there is nothing to name.
    if len(header) == 2 and header[0].endswith(":"):
        return False
    return 4 * _numbers([filled]) <= len(filled)


def record(header: Sequence[str], row: Sequence[str]) -> str:
    """`column: value; column: value` of a row; a column without a name gives its value alone."""
    parts: list[str] = []
    for place, value in enumerate(row):
        name = header[place] if place < len(header) else ""
        if value:
            part = f"{name.rstrip(':')}: {value}" if name else value
            if not parts or part != parts[-1]:
                parts.append(part)
    if not any(header) and len(parts) == 2 and len(parts[0]) <= _LABEL_CHARACTERS:
        return f"{parts[0].rstrip(':')}: {parts[1]}"
    return "; ".join(parts)


def _single(row: Sequence[str]) -> str:
    """The only text of a row that has one, possibly merged over its columns; else nothing."""
    texts = {cell for cell in row if cell}
    return next(iter(texts)) if len(texts) == 1 else ""


def _column(header: Sequence[Sequence[str]], place: int) -> str:
    names = [row[place] for row in header if place < len(row) and row[place]]
    return " ".join(dict.fromkeys(names))


def _numbers(rows: Sequence[Sequence[str]]) -> int:
    return sum(bool(_NUMBER.fullmatch(cell)) for row in rows for cell in row)


def _groups(rows: Sequence[list[str]]) -> Iterator[list[list[str]]]:
    group: list[list[str]] = []
    for row in rows:
        if any(row):
            group.append(row)
        elif group:
            yield group
            group = []
    if group:
        yield group
