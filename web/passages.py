"""The sources panel: the passages of each question as HTML, numbered like the citations that lead to them.

Documents are untrusted: every text of theirs is escaped.
"""

from collections.abc import Mapping, Sequence
from html import escape

from rag.text import flatten
from rag.types import Chunk, Citation
from web.conversation import Conversation, Exchange

CONTEXT = 220
"""Characters shown on either side of a quote."""
PREVIEW = 320
"""Characters shown of a passage that is not quoted."""


def passages_html(conversation: Conversation, texts: Mapping[str, str]) -> str:
    """The panel for a conversation: the last question's passages, then the quoted ones of the questions before."""
    heading = f'<h2 id="sources-heading">{escape(texts["sources"])}</h2>'
    if not conversation:
        return f'{heading}<p class="muted">{escape(texts["sources_empty"])}</p>'
    earlier = "".join(
        f"<details><summary>{escape(exchange.question)}</summary>{_cited(exchange, texts)}</details>"
        for exchange in reversed(conversation[:-1])
        if exchange.answer and exchange.answer.citations
    )
    if earlier:
        earlier = f'<h3 class="group">{escape(texts["sources_earlier"])}</h3>{earlier}'
    return heading + _current(conversation[-1], texts) + earlier


def anchor(exchange: Exchange, number: int) -> str:
    """The id of the panel's entry for a citation."""
    return f"passage-{exchange.number}-{number}"


def _current(exchange: Exchange, texts: Mapping[str, str]) -> str:
    if exchange.hits is None:
        return "" if exchange.failure or exchange.stopped else '<div class="waiting"><i></i><i></i><i></i></div>'
    if not exchange.answer:
        chunks = [hit.chunk for hit in exchange.hits]
        entries = "".join(
            _entry(anchor(exchange, number), str(number), chunk, (), texts) for number, chunk in enumerate(chunks, 1)
        )
        return entries or f'<p class="muted">{escape(texts["sources_none"])}</p>'
    cited = {citation.chunk.id for citation in exchange.answer.citations}
    others = "".join(_entry("", "", hit.chunk, (), texts) for hit in exchange.hits if hit.chunk.id not in cited)
    if others:
        title = escape(texts["sources_also"])
        others = f'<h3 class="group">{title}</h3>{others}' if cited else f'<div class="uncited">{others}</div>'
    return (_cited(exchange, texts) + others) or f'<p class="muted">{escape(texts["sources_none"])}</p>'


def _cited(exchange: Exchange, texts: Mapping[str, str]) -> str:
    by_number: dict[int, list[Citation]] = {}
    for citation in exchange.answer.citations if exchange.answer else ():
        by_number.setdefault(citation.number, []).append(citation)
    return "".join(
        _entry(anchor(exchange, number), str(number), citations[0].chunk, citations, texts)
        for number, citations in sorted(by_number.items())
    )


def _entry(identifier: str, number: str, chunk: Chunk, citations: Sequence[Citation], texts: Mapping[str, str]) -> str:
    pages = sorted({citation.page for citation in citations}) or [chunk.first_page]
    # Only a PDF has pages that a reader could turn to.
    paged = chunk.source.lower().endswith(".pdf")
    facts = [texts["page"].format(page=", ".join(map(str, pages)))] if paged else []
    facts.append(texts.get(chunk.language, texts["other"]))
    quote = quote_html(chunk.text, [citation.quote for citation in citations])
    tags = "".join(f"<span>{escape(fact)}</span>" for fact in facts)
    badge = f'<span class="number" aria-label="{escape(texts["citation"].format(number=number))}">{number}</span>'
    return (
        (
            f'<article class="passage{" cited" if citations else ""}" id="{identifier}" tabindex="-1">'
            f"<header>{badge if number else ''}<h4>{escape(chunk.title)}</h4></header>"
            f'<p class="facts">{tags}</p>'
            f'<p class="path">{escape(" › ".join(chunk.headings))}</p>'
            f'<blockquote lang="{escape(chunk.language)}">{quote}</blockquote>'
            "</article>"
        )
        .replace('<p class="path"></p>', "")
        .replace(' id=""', "")
    )


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
