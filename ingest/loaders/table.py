"""CSV and TSV files: a block a record, each value with the name of its column. Knows nothing of chunks."""

import csv
import io
import re
from collections import Counter

from ingest.blocks import Block, Loaded
from ingest.loaders.encoding import decode
from ingest.loaders.errors import LoadError
from rag.text import flatten, normalise

_DELIMITERS = ",;\t|"
_SAMPLE_LINES = 60
_NUMBER = re.compile(r"[-+]?[\d\s.,:/%-]*\d[\d\s.,:/%-]*(?:e[-+]?\d+)?", re.IGNORECASE)
_FIELD_LIMIT = 10_000_000


def load_table(content: bytes, name: str) -> Loaded:
    """The records of a table as `column: value; column: value`, on page 1; empty values are left out.

    Rows above the header that fill fewer than half of the columns become a paragraph, the first of them the title.
    Raises LoadError when there is no record.
    """
    text = decode(content).replace("\0", "")
    delimiter = detect_delimiter(text) or ","
    csv.field_size_limit(_FIELD_LIMIT)
    try:
        rows = [[_cell(cell) for cell in row] for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)]
    except csv.Error as error:
        raise LoadError(f"it is not a regular table ({error}): save it again as CSV") from error
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
        try:
            rows = [row for row in csv.reader(io.StringIO(sample), delimiter=delimiter) if row]
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


def _cell(cell: str) -> str:
    return flatten(normalise(cell))


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
