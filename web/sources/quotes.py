"""Which characters of a passage are quoted, as whoever asks says, checked; and where they stand on a page."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from rag.index import Index
from rag.select import span
from rag.text import flatten
from rag.types import PAGE_BREAK, Chunk
from web.api.errors import ApiError
from web.sources.limits import QUOTES

# Neighbouring chunks that were shown as one have both ids; in a query a plus sign stands for a space.
_CHUNK = re.compile(r"[0-9a-f]{32}(?:[+ ][0-9a-f]{32}){0,15}")
_QUOTE = re.compile(r"([0-9]{1,7})-([0-9]{1,7})")
_LONGEST = 1_000_000


@dataclass(frozen=True, slots=True)
class Part:
    """What a chunk has on one page: its text there, the offset of that on the page, and the quotes in that text."""

    text: str
    offset: int
    spans: tuple[tuple[int, int], ...]


def chunk_of(index: Index, document: str, name: str) -> Chunk:
    """The chunk of a document by its id, or of several that follow each other. Raises ApiError."""
    if not _CHUNK.fullmatch(name):
        raise ApiError(400, "invalid_value", "chunk should be the id of a passage.", "chunk")
    wanted = re.split("[+ ]", name)
    chunks = index.chunks(wanted)
    if len(chunks) == len(wanted) and all(chunk.document_id == document for chunk in chunks):
        whole = reduce(lambda first, second: first and span(first, second, _LONGEST), chunks[1:], chunks[0] or None)
        if whole:
            return whole
    raise ApiError(404, "unknown_chunk", "The document has no such passage. It may have been indexed anew.", "chunk")


def quotes_of(chunk: Chunk, start: int | None, end: int | None, quotes: Sequence[str]) -> list[tuple[int, int]]:
    """The quoted parts `(start, end)` of a chunk's text, in order; all of it where none is named. Raises ApiError."""
    spans: list[tuple[int, int]] = []
    if start is not None or end is not None:
        spans.append((start or 0, len(chunk.text) if end is None else end))
    if len(quotes) > QUOTES:
        raise ApiError(400, "invalid_value", f"At most {QUOTES} quotes are marked, not {len(quotes)}.", "quote")
    for quote in quotes:
        match = _QUOTE.fullmatch(quote)
        if not match:
            raise ApiError(400, "invalid_value", "quote should be START-END, such as 12-80.", "quote")
        spans.append((int(match[1]), int(match[2])))
    for first, last in spans:
        if not 0 <= first < last <= len(chunk.text):
            raise ApiError(
                400,
                "invalid_value",
                f"A quote should be a part of the passage's {len(chunk.text)} characters, is now {first} to {last}.",
                "quote" if quotes else "start",
            )
    return sorted(spans) or [(0, len(chunk.text))]


def told(chunk: Chunk, quotes: Sequence[tuple[int, int]]) -> list[dict[str, Any]]:
    """The quotes in words, each with the page (from 1) that it begins on: a passage may go over several."""
    return [
        {"start": start, "end": end, "page": chunk.page_at(start), "text": flatten(chunk.text[start:end])}
        for start, end in quotes
    ]


def on_page(chunk: Chunk, quotes: Sequence[tuple[int, int]], page: int) -> Part | None:
    """What a chunk and its quotes are on a page; None where the chunk has nothing there."""
    texts = chunk.text.split(PAGE_BREAK)
    place = page - chunk.first_page
    if not 0 <= place < len(texts):
        return None
    before = sum(len(text) + len(PAGE_BREAK) for text in texts[:place])
    length = len(texts[place])
    spans = [(max(first - before, 0), min(last - before, length)) for first, last in quotes]
    return Part(
        texts[place], 0 if place else chunk.start, tuple((first, last) for first, last in spans if first < last)
    )
