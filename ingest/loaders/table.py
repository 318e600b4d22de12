"""CSV and TSV files: a block a record, each value with the name of its column. Knows nothing of chunks."""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from ingest.blocks import Block, Loaded
from ingest.loaders.encoding import decode
from ingest.loaders.errors import LoadError
from rag.text import flatten, normalise

# Of two that cut equally well the first is taken: commas also stand in numbers and names.
_DELIMITERS = "\t;|,"
_SAMPLE_LINES = 60
_NUMBER = re.compile(r"[-+]?[\d\s.,:/%-]*\d[\d\s.,:/%-]*(?:e[-+]?\d+)?", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"(?<=\d),(?=\d)")
# The first line by which Excel is told the delimiter.
_STATED = re.compile(r"\ufeff?\"?sep=([^\r\n])\"?\r?\n?", re.IGNORECASE)
_FIELD_LIMIT = 10_000_000
# A cell of more lines was opened by a quotation mark that was not meant to open one.
_CELL_LINES = 100
_ROWS_LOOKED_AT = 20


def load_table(content: bytes, name: str) -> Loaded:
    """The records of a table as `column: value; column: value`, on page 1; empty values are left out.

    Rows above the header that fill fewer than half of the columns become a paragraph, the first of them the title.
    Raises LoadError when there is no record.
    """
    text = decode(content).replace("\0", "")
    stated = _STATED.match(text)
    text = text[stated.end() :] if stated else text
    delimiter = stated[1] if stated else detect_delimiter(text) or ","
    rows = [[_cell(cell) for cell in row] for row in _rows(text, delimiter)]
    rows = [row for row in rows if any(row)]
    if not rows:
        raise LoadError("it is empty: add rows or remove it")
    widths = Counter(len(row) for row in rows)
    width = max(widths, key=lambda count: (widths[count], count))
    start = next((place for place, row in enumerate(rows) if 2 * sum(map(bool, row)) >= width), 0)
    above = [" ".join(cell for cell in row if cell) for row in rows[:start]]
    header, records = rows[start], rows[start + 1 :]
    if not _is_header(header, records):
        header, records = [], rows[start:]
    elif records and _continues(header, records[0], records[1 : 1 + _ROWS_LOOKED_AT]):
        header, records = _joined(header, records[0]), records[1:]
    header = _numbered(header)
    if not records:
        raise LoadError("it has a header but no rows: add rows or remove it")
    blocks = [Block(text) for text in above] + [
        Block(record, row=True) for row in records if (record := _record(header, row))
    ]
    return Loaded("csv", above[0] if above else "", (tuple(blocks),), rows=True)


def detect_delimiter(text: str) -> str | None:
    """The sign that cuts the first lines into the same number of fields, at least two; None where no sign does."""
    sample = "\n".join(text.splitlines()[:_SAMPLE_LINES])
    best, best_score = None, 0.0
    for delimiter in _DELIMITERS:
        # Where another sign cuts every line alike, commas between digits are decimal ones.
        measured = _DECIMAL_COMMA.sub(".", sample) if delimiter == "," and best_score > 1 else sample
        try:
            rows = [row for row in csv.reader(io.StringIO(measured), delimiter=delimiter) if row]
        except csv.Error:
            continue
        widths = Counter(len(row) for row in rows if len(row) > 1)
        if not widths:
            continue
        width, count = max(widths.items(), key=lambda item: (item[1], item[0]))
        # Rows that agree count most; of two signs that agree as well, the one with more fields.
        score = count / len(rows) + min(width, 20) / 100
        if score > best_score:
            best, best_score = delimiter, score
    return best


def looks_like_table(text: str) -> bool:
    """Whether a text file is a table: nearly all of its first lines have the same number of fields, at least three."""
    delimiter = detect_delimiter(text)
    lines = text.splitlines()[:_SAMPLE_LINES]
    if delimiter is None or len(lines) < 3:
        return False
    widths = Counter(len(row) for row in csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter) if row)
    width, count = widths.most_common(1)[0]
    return width >= 3 and count >= 0.8 * sum(widths.values())


def _rows(text: str, delimiter: str) -> list[list[str]]:
    csv.field_size_limit(_FIELD_LIMIT)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
        if not any(cell.count("\n") > _CELL_LINES for row in rows for cell in row if len(cell) > _CELL_LINES):
            return rows
    except csv.Error:
        pass
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=csv.QUOTE_NONE))
    except csv.Error as error:
        raise LoadError(f"it is not a regular table ({error}): save it again as CSV") from error


@lru_cache(maxsize=10_000)
def _cell(cell: str) -> str:
    if cell.isascii() and cell.isprintable():
        return " ".join(cell.split())
    return flatten(normalise(cell))


def _continues(header: Sequence[str], below: Sequence[str], records: Sequence[Sequence[str]]) -> bool:
    """Whether `below` is the second row of a header: it names columns, all of numbers, that `header` leaves empty."""
    gaps = [place for place, name in enumerate(below) if name and not "".join(header[place : place + 1])]
    if not gaps or not records or any(_NUMBER.fullmatch(name) for name in below if name):
        return False
    values = [row[place] for row in records for place in gaps if place < len(row) and row[place]]
    return bool(values) and 10 * sum(bool(_NUMBER.fullmatch(value)) for value in values) >= 9 * len(values)


def _joined(header: Sequence[str], below: Sequence[str]) -> list[str]:
    """The names of a header of two rows: a name above stands for the empty cells to its right that are named below."""
    names, above = [], ""
    for place in range(max(len(header), len(below))):
        name, sub = ((*row, "")[min(place, len(row))] for row in (header, below))
        above = name or (above if sub else "")
        names.append(f"{above} {sub}".strip())
    return names


def _numbered(header: Sequence[str]) -> list[str]:
    """The names with the second of one name as `name (2)`."""
    seen: Counter[str] = Counter()
    names = []
    for name in header:
        seen[name] += 1
        names.append(f"{name} ({seen[name]})" if name and seen[name] > 1 else name)
    return names


def _is_header(header: list[str], records: list[list[str]]) -> bool:
    """A header names things: at most a quarter of its cells are numbers, unless no record has more numbers."""
    filled = [cell for cell in header if cell]
    numbers = sum(bool(_NUMBER.fullmatch(cell)) for cell in filled)
    if len(set(filled)) < len(filled) and not records:
        return False
    return 4 * numbers <= len(filled)


def _record(header: list[str], row: list[str]) -> str:
    parts = []
    for place, value in enumerate(row):
        name = header[place] if place < len(header) else ""
        if value:
            parts.append(f"{name}: {value}" if name else value)
    return "; ".join(parts)
