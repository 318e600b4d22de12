"""The sources panel: the passages of each question as HTML, numbered like the citations that lead to them.

Documents are untrusted: every text of theirs is escaped.
"""

from collections.abc import Mapping, Sequence
from html import escape

from rag.index import DocumentRecord
from rag.text import flatten
from rag.types import Chunk, Citation
from web.conversation import Conversation, Exchange
from web.export.references import reference_of
from web.export.wording import date_words

Records = Mapping[str, DocumentRecord]
_PDF = "pdf"

CONTEXT = 220
"""Characters shown on either side of a quote."""
PREVIEW = 320
"""Characters shown of a passage that is not quoted."""


def passages_html(conversation: Conversation, texts: Mapping[str, str], records: Records | None = None) -> str:
    """The panel for a conversation: the last question's passages, then the quoted ones of the questions before.

    `records` are the documents of the index by id, as far as they are known.
    """
    records = records or {}
    heading = f'<h2 id="sources-heading">{escape(texts["sources"])}</h2>'
    if not conversation:
        return f'{heading}<p class="muted">{escape(texts["sources_empty"])}</p>'
    earlier = "".join(
        f"<details><summary>{escape(exchange.question)}</summary>{_cited(exchange, texts, records, 4)}</details>"
        for exchange in reversed(conversation[:-1])
        if exchange.answer and exchange.answer.citations
    )
    current = _current(conversation[-1], texts, records)
    if earlier:
        # On paper nothing else says whose sources these are.
        current = f'<h3 class="of-question">{escape(conversation[-1].question)}</h3>{current}'
        earlier = f'<h3 class="group">{escape(texts["sources_earlier"])}</h3>{earlier}'
    return heading + current + earlier


def anchor(exchange: Exchange, number: int) -> str:
    """The id of the panel's entry for a citation."""
    return f"p-{exchange.number}-{number}"


def quotes_of(chunk: Chunk, citations: Sequence[Citation]) -> list[tuple[int, int]]:
    """Where the quotes stand in the passage's text, as characters `(start, end)`, in order; those that do."""
    places = ((chunk.text.find(citation.quote), len(citation.quote)) for citation in citations)
    return sorted({(start, start + length) for start, length in places if start >= 0 and length})


def _current(exchange: Exchange, texts: Mapping[str, str], records: Records) -> str:
    if exchange.hits is None:
        return "" if exchange.failure or exchange.stopped else '<div class="waiting"><i></i><i></i><i></i></div>'
    if not exchange.answer:
        chunks = [hit.chunk for hit in exchange.hits]
        entries = "".join(
            _entry(anchor(exchange, number), str(number), chunk, (), texts, records)
            for number, chunk in enumerate(chunks, 1)
        )
        return entries or f'<p class="muted">{escape(texts["sources_none"])}</p>'
    cited = {citation.chunk.id for citation in exchange.answer.citations}
    level = 4 if cited else 3
    others = "".join(
        _entry("", "", hit.chunk, (), texts, records, level) for hit in exchange.hits if hit.chunk.id not in cited
    )
    if others:
        title = escape(texts["sources_also"])
        others = f'<h3 class="group">{title}</h3>{others}' if cited else f'<div class="uncited">{others}</div>'
    return (_cited(exchange, texts, records) + others) or f'<p class="muted">{escape(texts["sources_none"])}</p>'


def _cited(exchange: Exchange, texts: Mapping[str, str], records: Records, level: int = 3) -> str:
    by_number: dict[int, list[Citation]] = {}
    for citation in exchange.answer.citations if exchange.answer else ():
        by_number.setdefault(citation.number, []).append(citation)
    return "".join(
        _entry(anchor(exchange, number), str(number), citations[0].chunk, citations, texts, records, level)
        for number, citations in sorted(by_number.items())
    )


def _entry(
    identifier: str,
    number: str,
    chunk: Chunk,
    citations: Sequence[Citation],
    texts: Mapping[str, str],
    records: Records,
    level: int = 3,
) -> str:
    """A passage; `level` is that of its heading."""
    pages = sorted({citation.page for citation in citations}) or [chunk.first_page]
    quote = quote_html(chunk.text, [citation.quote for citation in citations])
    label = escape(texts["citation"].format(number=number))
    badge = f'<span class="number" role="img" aria-label="{label}">{number}</span>'
    path = f'<p class="path">{escape(" › ".join(chunk.headings))}</p>' if chunk.headings else ""
    named = f' id="{identifier}"' if identifier else ""
    return (
        f'<article class="passage{" cited" if citations else ""}"{named} tabindex="-1"'
        f' data-document="{escape(chunk.document_id)}" data-chunk="{escape(chunk.id)}" data-page="{pages[0]}"'
        f' data-quotes="{",".join(f"{start}-{end}" for start, end in quotes_of(chunk, citations))}">'
        f"<header>{badge if number else ''}<h{level}>{escape(chunk.title)}</h{level}></header>"
        f'<p class="facts">{_facts(chunk, pages, texts, records.get(chunk.document_id))}</p>{path}'
        f'<blockquote lang="{escape(chunk.language)}">{quote}</blockquote></article>'
    )


def _facts(chunk: Chunk, pages: list[int], texts: Mapping[str, str], record: DocumentRecord | None) -> str:
    """Page, language, date and the way to the original, as far as they are known."""
    # Only a PDF has pages that a reader could turn to; what was fetched from the web may be one by any name.
    paged = record.kind == _PDF if record else chunk.source.lower().endswith(f".{_PDF}")
    facts = [texts["page"].format(page=", ".join(map(str, pages)))] if paged else []
    facts.append(texts.get(chunk.language, texts["other"]))
    reference = reference_of(record) if record else None
    if reference and reference.date:
        facts.append(date_words(reference.date, texts))
    shown = "".join(f"<span>{escape(fact)}</span>" for fact in facts)
    if reference and reference.link:
        title = escape(texts["chat_original"])
        shown += f'<a href="{escape(reference.link)}" target="_blank" rel="noopener noreferrer">{title}</a>'
    return shown


def quote_html(text: str, quotes: Sequence[str]) -> str:
    """A passage with its quotes emphasised, without what is far from them. Quotes that are not in it are ignored."""
    text = flatten(text)
    spans: list[tuple[int, int]] = []
    for quote in quotes:
        quote = flatten(quote)
        start = text.find(quote) if quote else -1
        if start >= 0 and not any(start < end and first < start + len(quote) for first, end in spans):
            spans.append((start, start + len(quote)))
    if not spans:
        end = _word_edge(text, PREVIEW, 1)
        return escape(text[:end]) + (" …" if end < len(text) else "")
    spans.sort()
    position = _word_edge(text, spans[0][0] - CONTEXT, -1)
    parts = ["… " if position else ""]
    for start, end in spans:
        if start - position > 2 * CONTEXT:
            break_end, restart = _word_edge(text, position + CONTEXT, 1), _word_edge(text, start - CONTEXT, -1)
            parts.append(escape(text[position:break_end]) + " … ")
            position = restart
        parts.append(f"{escape(text[position:start])}<mark>{escape(text[start:end])}</mark>")
        position = end
    stop = _word_edge(text, position + CONTEXT, 1)
    return "".join(parts) + escape(text[position:stop]) + (" …" if stop < len(text) else "")


def _word_edge(text: str, position: int, direction: int) -> int:
    """The nearest start (direction -1) or end (1) of a word at or beyond a position, within the text."""
    if position <= 0:
        return 0
    if position >= len(text):
        return len(text)
    edge = text.rfind(" ", 0, position) + 1 if direction < 0 else text.find(" ", position)
    return len(text) if edge < 0 else edge
