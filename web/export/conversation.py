"""A conversation as JSON (see `schema`), and back: for files, and for what a browser keeps.

What is read back is checked and bounded, but may say anything: passages come from the index again, not from the file.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date

from pydantic import ValidationError

from rag.errors import LacertaError
from rag.text import flatten, visible
from rag.types import PAGE_BREAK, Answer, Chunk, Citation, Hit, Retrieval, Sentence, Term
from web.conversation import Conversation, Exchange
from web.export.identifiers import arxiv_category, find_arxiv, find_doi, web_address
from web.export.references import Author, Documents, Reference, iso_date, line, references
from web.export.schema import (
    LONGEST_LINE,
    LONGEST_QUOTE,
    LONGEST_TEXT,
    MOST_EXCHANGES,
    MOST_FOUND,
    VERSION,
    Head,
    Saved,
    SavedAnswer,
    SavedCitation,
    SavedExchange,
    SavedHit,
    SavedReference,
    SavedRetrieval,
    SavedSentence,
)

LONGEST = 8_000_000
"""Characters of a conversation that are read; browsers keep some five million of a site."""
_SHOWN_PROBLEMS = 3


class BadConversation(LacertaError):
    """What was to be read is no conversation, or one that is too large."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A conversation that was read back. `index_version` is that of the index it was held with, maybe gone by now.

    The chunks of its citations hold the quotes alone, and there are no hits: see `with_passages`.
    """

    conversation: Conversation
    domain: str
    index_version: str
    language: str
    exported: str
    references: tuple[Reference, ...]


def dump(
    conversation: Conversation,
    documents: Documents,
    domain: str,
    index_version: str,
    language: str,
    exported: date,
    accessed: str = "",
) -> str:
    """The last `MOST_EXCHANGES` exchanges as JSON. `domain` is its name, `language` that of the interface.

    `documents` are those that are cited by id, `accessed` is as of `reference_of`.
    """
    conversation = conversation[-MOST_EXCHANGES:]
    saved = Saved(
        lacerta="conversation",
        version=VERSION,
        domain=domain,
        index_version=index_version,
        language=language,
        exported=exported.isoformat(),
        exchanges=tuple(map(_saved_exchange, conversation)),
        references=tuple(
            SavedReference.model_validate(asdict(reference))
            for reference in references(conversation, documents, accessed)
        ),
    )
    return saved.model_dump_json(indent=1) + "\n"


def load(text: str) -> Loaded:
    """The conversation that a JSON text holds. Raises BadConversation, which names what is wrong and no content."""
    if len(text) > LONGEST:
        raise BadConversation(f"A conversation has at most {LONGEST} characters, this one has {len(text)}.")
    content = text.encode("utf-8", "replace")
    try:
        # Of a later version its number is what is wrong, not its fields.
        Head.model_validate_json(content)
        saved = Saved.model_validate_json(content)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        shown = "; ".join(
            f"{'.'.join(map(str, item['loc'])) or 'file'}: {item['msg'][:200]}" for item in problems[:_SHOWN_PROBLEMS]
        )
        raise BadConversation(f"This is no conversation that can be read ({shown}): export it again.") from error
    by_id = {reference.document: _reference(reference) for reference in saved.references}
    conversation = tuple(_exchange(number, item, by_id) for number, item in enumerate(saved.exchanges, 1))
    return Loaded(
        conversation,
        saved.domain,
        saved.index_version,
        saved.language,
        iso_date(saved.exported),
        tuple(by_id.values()),
    )


def passages(conversation: Conversation) -> list[str]:
    """The ids of the chunks that its citations name, each once, as `Index.chunks` takes them."""
    answers = [exchange.answer for exchange in conversation if exchange.answer]
    return list(dict.fromkeys(citation.chunk.id for answer in answers for citation in answer.citations))


def with_passages(conversation: Conversation, chunks: Iterable[Chunk]) -> Conversation:
    """The conversation with chunks of the index in place of what the file had, where they still hold the quote."""
    by_id = {chunk.id: chunk for chunk in chunks}

    def found(citation: Citation) -> Citation:
        chunk = by_id.get(citation.chunk.id)
        return replace(citation, chunk=chunk) if chunk and _holds(chunk, citation) else citation

    def of(exchange: Exchange) -> Exchange:
        if not exchange.answer:
            return exchange
        answer = replace(exchange.answer, citations=tuple(map(found, exchange.answer.citations)))
        return replace(exchange, answer=answer)

    return tuple(map(of, conversation))


def _holds(chunk: Chunk, citation: Citation) -> bool:
    return chunk.document_id == citation.chunk.document_id and flatten(citation.quote) in flatten(chunk.text)


def _saved_exchange(exchange: Exchange) -> SavedExchange:
    return SavedExchange(
        question=_text(exchange.question),
        searched=_text(exchange.searched),
        found=_saved_retrieval(exchange.found) if exchange.found and exchange.answer else None,
        answer=_saved_answer(exchange.answer) if exchange.answer else None,
        text="" if exchange.answer else _text(exchange.text),
        failure=line(exchange.failure, LONGEST_LINE),
        stopped=exchange.stopped or exchange.open,
        filters={line(key, LONGEST_LINE): line(value, LONGEST_LINE) for key, value in exchange.filters.items()},
        rated_as=exchange.identifier,
    )


def _saved_answer(answer: Answer) -> SavedAnswer:
    numbers = {citation.number for citation in answer.citations}
    return SavedAnswer(
        text=_text(answer.text),
        language=answer.language,
        model=line(answer.model, LONGEST_LINE),
        confidence=min(1.0, max(0.0, answer.confidence)),
        answerable=answer.answerable,
        courtesy=answer.courtesy,
        shortened=answer.shortened,
        cached=answer.cached,
        sentences=tuple(
            SavedSentence(
                text=_text(item.text),
                citations=tuple(number for number in item.citations if number in numbers),
                supported=item.supported,
            )
            for item in answer.sentences
        ),
        citations=tuple(
            SavedCitation(
                number=item.number,
                document=item.chunk.document_id,
                passage=item.chunk.id,
                page=item.page,
                quote=_text(item.quote)[:LONGEST_QUOTE],
            )
            for item in answer.citations
        ),
        notices=tuple(line(notice, LONGEST_LINE) for notice in answer.notices),
        timings=dict(answer.timings),
        failures=tuple((line(name, LONGEST_LINE), line(reason, LONGEST_LINE)) for name, reason in answer.failures),
    )


def _saved_retrieval(found: Retrieval) -> SavedRetrieval:
    return SavedRetrieval(
        language=found.language,
        queries={line(group, LONGEST_LINE): line(query, LONGEST_LINE) for group, query in found.queries.items()},
        terms=tuple(line(term, LONGEST_LINE) for term in found.named[:MOST_FOUND]),
        hits=tuple(
            SavedHit(
                passage=hit.chunk.id,
                title=line(hit.chunk.title, LONGEST_LINE),
                source=line(hit.chunk.source, LONGEST_LINE),
                page=hit.chunk.first_page,
                heading=line(hit.chunk.headings[-1], LONGEST_LINE) if hit.chunk.headings else "",
                score=hit.score,
                ranks=dict(hit.ranks),
                also=tuple(line(source, LONGEST_LINE) for source in hit.also[:MOST_FOUND]),
            )
            for hit in found.hits[:MOST_FOUND]
        ),
    )


def _text(text: str) -> str:
    return visible(text)[:LONGEST_TEXT]


def _exchange(number: int, saved: SavedExchange, references: Mapping[str, Reference]) -> Exchange:
    answer = _answer(saved.answer, references) if saved.answer else None
    return Exchange(
        number=number,
        question=saved.question,
        text=answer.text if answer else saved.text,
        hits=() if answer else None,
        answer=answer,
        failure="" if answer else saved.failure,
        # Whatever was still awaited when it was kept will not come.
        stopped=saved.stopped or not (answer or saved.failure),
        searched=saved.searched,
        found=_retrieval(saved.found, answer.confidence) if answer and saved.found else None,
        filters=saved.filters,
        identifier=saved.rated_as if answer else "",
    )


def _answer(saved: SavedAnswer, references: Mapping[str, Reference]) -> Answer:
    groups: dict[int, list[SavedCitation]] = {}
    for citation in saved.citations:
        groups.setdefault(citation.number, []).append(citation)
    chunks = {number: _chunk(group, references[group[0].document]) for number, group in groups.items()}
    return Answer(
        text=saved.text,
        sentences=tuple(Sentence(item.text, item.citations, item.supported) for item in saved.sentences),
        citations=tuple(Citation(item.number, chunks[item.number], item.quote, item.page) for item in saved.citations),
        confidence=saved.confidence,
        language=saved.language,
        model=saved.model,
        hits=(),
        timings=saved.timings,
        answerable=saved.answerable,
        notices=saved.notices,
        courtesy=saved.courtesy,
        shortened=saved.shortened,
        cached=saved.cached,
        failures=saved.failures,
    )


def _retrieval(saved: SavedRetrieval, confidence: float) -> Retrieval:
    """How passages were found. They themselves are stand-ins without text, which belong to no document."""
    return Retrieval(
        hits=tuple(
            Hit(
                Chunk(
                    id=hit.passage, document_id="", title=hit.title, source=hit.source, language="",
                    first_page=hit.page, last_page=hit.page, start=0, end=0,
                    headings=(hit.heading,) if hit.heading else (), text="",
                ),
                hit.score,
                hit.ranks,
                also=hit.also,
            )
            for hit in saved.hits
        ),
        confidence=confidence,
        language=saved.language,
        terms=tuple(Term({saved.language: (term,)}) for term in saved.terms),
        queries=saved.queries,
    )  # fmt: skip


def _chunk(citations: list[SavedCitation], reference: Reference) -> Chunk:
    """A stand-in for a passage that holds its quotes, each on its page."""
    first, last = min(item.page for item in citations), max(item.page for item in citations)
    quotes = [(item.page, item.quote.replace(PAGE_BREAK, "\n")) for item in citations]
    pages = ["\n".join(quote for number, quote in quotes if number == page) for page in range(first, last + 1)]
    return Chunk(
        id=citations[0].passage,
        document_id=reference.document,
        title=reference.title,
        source=reference.source,
        language=reference.language,
        first_page=first,
        last_page=last,
        start=0,
        end=len(pages[-1]),
        headings=(),
        text=PAGE_BREAK.join(pages),
    )


def _reference(saved: SavedReference) -> Reference:
    """A reference whose addresses and identifiers are what they should be, or empty."""
    doi = find_doi(saved.doi, "", ())
    return Reference(
        document=saved.document,
        source=line(saved.source),
        title=line(saved.title),
        kind=line(saved.kind),
        language=saved.language,
        authors=tuple(Author(*(line(part) for part in (a.name, a.family, a.given, a.suffix))) for a in saved.authors),
        date=iso_date(saved.date),
        url=web_address(saved.url),
        doi=doi,
        arxiv=find_arxiv(saved.arxiv, "", "", ()),
        category=arxiv_category(saved.category),
        journal=line(saved.journal),
        report=line(saved.report),
        form=line(saved.form),
        publisher=line(saved.publisher),
        accessed=iso_date(saved.accessed),
        pages=saved.pages,
    )
