"""What the tools of the Model Context Protocol return: typed values, in which documents' words are plain text."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field

from rag.pages import PageText
from rag.settings import Domain as DomainSettings
from rag.types import PAGE_BREAK, Answer, Retrieval


def _plain(text: str) -> str:
    # Files may hold halves of characters, which JSON can't carry.
    return text.replace(PAGE_BREAK, "\n").encode("utf-8", "replace").decode()


Text = Annotated[str, BeforeValidator(_plain)]
Page = Annotated[int, Field(description="From 1.")]
Confidence = Annotated[float, Field(description="From 0 to 1.")]


class Passage(BaseModel):
    """A passage of a document. `also` are other documents that say the same."""

    rank: int
    score: float
    source: Text
    title: Text
    page: Page
    last_page: Page
    language: str
    text: Text
    also: list[Text]


class Found(BaseModel):
    """The passages for a query, best first."""

    domain: str
    language: str
    confidence: Confidence
    passages: list[Passage]

    @classmethod
    def of(cls, domain: str, retrieval: Retrieval) -> "Found":
        """What a search found."""
        passages = [
            Passage(
                rank=rank,
                score=round(hit.score, 4),
                source=hit.chunk.source,
                title=hit.chunk.title,
                page=hit.chunk.first_page,
                last_page=hit.chunk.last_page,
                language=hit.chunk.language,
                text=hit.chunk.text,
                also=list(hit.also),
            )
            for rank, hit in enumerate(retrieval.hits, start=1)
        ]
        return cls(
            domain=domain,
            language=retrieval.language,
            confidence=round(retrieval.confidence, 4),
            passages=passages,
        )


class Cited(BaseModel):
    """What `[number]` in an answer stands for; the quote stands on that page word by word."""

    number: int
    source: Text
    title: Text
    page: Page
    quote: Text


class Reply(BaseModel):
    """A finished answer. `notices` tell what to know of it, `unsupported` how many sentences nothing bears out."""

    domain: str
    text: Text
    language: str
    answerable: bool
    confidence: Confidence
    citations: list[Cited]
    unsupported: int
    model: str
    notices: list[Text]

    @classmethod
    def of(cls, domain: str, answer: Answer) -> "Reply":
        """An answer of the engine."""
        citations = [
            Cited(
                number=citation.number,
                source=citation.chunk.source,
                title=citation.chunk.title,
                page=citation.page,
                quote=citation.quote,
            )
            for citation in answer.citations
        ]
        return cls(
            domain=domain,
            text=answer.text,
            language=answer.language,
            answerable=answer.answerable,
            confidence=round(answer.confidence, 4),
            citations=citations,
            unsupported=answer.unsupported,
            model=answer.model,
            notices=list(answer.notices),
        )


class OpenedPage(BaseModel):
    """A page, or a part of a very long one: `next_start` is where it goes on."""

    domain: str
    source: Text
    title: Text
    language: str
    page: Page
    pages: int
    start: int
    next_start: int | None
    text: Text

    @classmethod
    def of(cls, domain: str, opened: PageText, start: int, characters: int) -> "OpenedPage":
        """At most so many characters of a page, from `start` on."""
        end = start + characters
        return cls(
            domain=domain,
            source=opened.source,
            title=opened.title,
            language=opened.language,
            page=opened.page,
            pages=opened.pages,
            start=start,
            next_start=end if end < len(opened.text) else None,
            text=opened.text[start:end],
        )


class Domain(BaseModel):
    """A collection of documents. It can be searched once it is `ready`: indexed."""

    name: str
    title: str
    description: str
    languages: list[str]
    examples: list[str]
    ready: bool

    @classmethod
    def of(cls, domain: DomainSettings, ready: bool) -> "Domain":
        """A domain as its settings describe it, in English."""
        return cls(
            name=domain.name,
            title=domain.title["en"],
            description=domain.description["en"],
            languages=list(domain.languages),
            examples=list(domain.examples["en"]),
            ready=ready,
        )


class Domains(BaseModel):
    """The domains there are."""

    domains: list[Domain]
