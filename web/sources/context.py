"""What is shown of pages that have no picture: the paragraphs around a quote, or the rows of a table. From the index.

Knows no files: what is shown is what was indexed, and so what was quoted.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from rag.types import Chunk
from web.sources.limits import CONTEXT_CHARACTERS, CONTEXT_ROWS, TEXT_CHARACTERS
from web.sources.quotes import Part

Span = tuple[int, int]
_NAME = re.compile(r"(?:^|(?<=; ))([^:;]{1,80}): ")
# How many rows tell the columns, and how many of these must have one.
_TOLD_BY = 200
_MOST_ROWS = 100
_PARAGRAPH = 10_000


def paragraphs(pieces: Sequence[tuple[int, str]], part: Part | None) -> dict[str, Any]:
    """The paragraphs around what is quoted, or those a page begins with. `before` and `after` tell that there are more.

    `pieces` are `rag.pages.pieces`; `marks` are offsets into a paragraph's text.
    """
    spans = _spans(part)
    blocks = list(_blocks(pieces, "\n\n"))
    first = spans[0][0] - CONTEXT_CHARACTERS if spans else 0
    last = max([first + TEXT_CHARACTERS] if not spans else [end + CONTEXT_CHARACTERS for _, end in spans])
    last = min(last, max(first, 0) + TEXT_CHARACTERS)
    kept = [(start, text) for start, text in blocks if start + len(text) > first and start < last]
    return {
        "before": bool(blocks) and kept[:1] != blocks[:1],
        "after": bool(blocks) and kept[-1:] != blocks[-1:],
        "paragraphs": [
            {"text": text, "marks": [list(mark) for mark in _within(start, text, spans)]}
            for start, text in (_clipped(start, text, first, last) for start, text in kept)
        ],
    }


def rows(pieces: Sequence[tuple[int, str]], part: Part | None) -> dict[str, Any]:
    """The rows of a table around those that are quoted, or those it begins with; numbers from 1, without the header.

    Cells are in the order of `columns`. A line without columns, such as one above the table, has no number.
    """
    spans = _spans(part)
    lines = list(_blocks(pieces, "\n\n"))
    marked = [place for place, (start, text) in enumerate(lines) if any(_within(start, text, spans))]
    first = max(marked[0] - CONTEXT_ROWS, 0) if marked else 0
    last = min((marked[-1] if marked else first + 2 * CONTEXT_ROWS) + CONTEXT_ROWS + 1, first + _MOST_ROWS)
    shown = lines[first:last]
    columns = _columns([text for _, text in [*lines[:_TOLD_BY], *shown]])
    values = [_values(text, columns) for _, text in shown]
    number = sum(bool(_values(text, columns)) for _, text in lines[:first])
    # A column without a name.
    columns = [*([""] if any("" in row for row in values) else []), *columns]
    found = []
    for place, ((_, text), row) in enumerate(zip(shown, values, strict=True), first):
        number += bool(row)
        cells = [row.get(name, "") for name in columns] if columns else text.split("; ")
        found.append({"number": number if row else None, "cells": cells if row else [text], "marked": place in marked})
    return {"before": first > 0, "after": last < len(lines), "columns": columns, "rows": found}


def headings(chunks: Sequence[Chunk], chunk: Chunk | None, page: int) -> list[str]:
    """Those above the passage, or above what a page begins with, outermost first."""
    if chunk is None:
        chunk = next((item for item in chunks if item.last_page >= page), None)
    return list(chunk.headings) if chunk else []


def _spans(part: Part | None) -> list[Span]:
    return [(part.offset + start, part.offset + end) for start, end in part.spans] if part else []


def _blocks(pieces: Sequence[tuple[int, str]], between: str) -> Iterator[tuple[int, str]]:
    """The blocks of a page with their offsets."""
    for start, piece in pieces:
        for text in piece.split(between):
            if text.strip():
                yield start, text
            start += len(text) + len(between)


def _clipped(start: int, text: str, first: int, last: int) -> tuple[int, str]:
    """What lies in a window of a block that is far longer than a paragraph."""
    if len(text) <= _PARAGRAPH:
        return start, text
    cut = max(first - start, 0)
    return start + cut, text[cut : max(last - start, 0)]


def _within(start: int, text: str, spans: Sequence[Span]) -> list[Span]:
    found = [(max(first - start, 0), min(last - start, len(text))) for first, last in spans]
    return [(first, last) for first, last in found if first < last]


def _columns(lines: Sequence[str]) -> list[str]:
    """The names before the values of several lines, in the order in which they stand there."""
    counts: Counter[str] = Counter()
    order: dict[str, float] = {}
    for line in dict.fromkeys(lines):
        for place, name in enumerate(dict.fromkeys(_NAME.findall(line))):
            counts[name] += 1
            order[name] = max(order.get(name, 0), place)
    least = 2 if len(lines) > 2 else 1
    return sorted((name for name, count in counts.items() if count >= least), key=lambda name: order[name])


def _values(line: str, columns: Sequence[str]) -> dict[str, str]:
    """The values of a line by column, "" for what stands before the first name; empty where it is no row.

    What belongs to no column stays with the value before.
    """
    if not columns:
        return {str(place): value for place, value in enumerate(line.split("; "))} if "; " in line else {}
    begins = [match for match in _NAME.finditer(line) if match[1] in columns]
    if not begins:
        return {}
    values = {"": line[: begins[0].start()].removesuffix("; ")} if begins[0].start() else {}
    ends = [match.start() - 2 for match in begins[1:]] + [len(line)]
    for match, end in zip(begins, ends, strict=True):
        before = f"{values[match[1]]}; " if match[1] in values else ""
        values[match[1]] = before + line[match.end() : end]
    return values
