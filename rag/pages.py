"""The text of a page of a document, put together from the chunks of an index version.

It is what was indexed: without running heads, in normal form, and without what stood before the first or after the
last chunk of the page, which is white space.
"""

import difflib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from rag.errors import LacertaError
from rag.index import DocumentRecord, Index
from rag.types import PAGE_BREAK, Chunk

_SHOWN_CHARACTERS = 200
_SUGGESTIONS = 3


class PageNotFound(LacertaError):
    """There is no such document, or it has no such page."""


@dataclass(frozen=True, slots=True)
class PageText:
    """A page (1-based) of a document with `pages` of them."""

    source: str
    title: str
    language: str
    page: int
    pages: int
    text: str


def page_text(index: Index, source: str, page: int) -> PageText:
    """The page of the document whose path, or one of whose paths, is `source`.

    Raises PageNotFound where there is none, naming what comes near.
    """
    record = _record(index.manifest.documents, source)
    if not 1 <= page <= record.pages:
        raise PageNotFound(f"{record.source} has pages 1 to {record.pages}; page {page} was asked for.")
    text = _joined(index.table.of_document(record.id), page)
    return PageText(record.source, record.title, record.language, page, record.pages, text)


def _record(records: Sequence[DocumentRecord], source: str) -> DocumentRecord:
    # Paths come in either form, by the file system they were read from.
    wanted = unicodedata.normalize("NFC", source)
    by_name = {
        unicodedata.normalize("NFC", name): record for record in records for name in (*record.names, record.source)
    }
    if wanted not in by_name:
        near = difflib.get_close_matches(wanted[:_SHOWN_CHARACTERS], by_name, _SUGGESTIONS)
        hint = f"Near it: {', '.join(near)}." if near else "A search tells the sources of its passages."
        raise PageNotFound(f"There is no document {source[:_SHOWN_CHARACTERS]!r}. {hint}")
    return by_name[wanted]


def pieces(chunks: Sequence[Chunk], page: int) -> list[tuple[int, str]]:
    """The text that the chunks of a document have of a page, and the offset there of each piece, in order.

    What lies between two pieces is not known.
    """
    parts: list[tuple[int, str]] = []
    for chunk in chunks:
        # What stands behind a chunk belongs to the page too, up to where the next one begins.
        texts = (chunk.text + (chunk.separator or "")).split(PAGE_BREAK)
        place = page - chunk.first_page
        if 0 <= place < len(texts):
            parts.append((0 if place else chunk.start, texts[place]))
    joined: list[tuple[int, list[str]]] = []
    end = -1
    for start, part in sorted(parts):
        if start > end or not joined:
            joined.append((start, []))
            end = start
        joined[-1][1].append(part[end - start :])
        end = max(end, start + len(part))
    return [(start, "".join(texts)) for start, texts in joined]


def _joined(chunks: Sequence[Chunk], page: int) -> str:
    return "\n".join(text for _, text in pieces(chunks, page)).strip()
