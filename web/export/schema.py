"""The JSON of an exported conversation, version 1, as typed values. `Saved.model_json_schema()` documents it.

Whoever gives such a file may have written it: every value has its type, its length and its range.
"""

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from rag.text import visible

VERSION = 1
MOST_EXCHANGES = 500
MOST_REFERENCES = 10_000
LONGEST_TEXT = 200_000
"""Characters of a question, of an answer."""
LONGEST_QUOTE = 20_000
LONGEST_LINE = 1_000
MOST_FOUND = 100
"""Passages of a question, and sources or terms beside them."""
_PAGES_OF_A_PASSAGE = 100


def _current(version: int) -> int:
    if version != VERSION:
        raise ValueError(f"this program reads version {VERSION}, the file has version {version}")
    return version


Long = Annotated[str, StringConstraints(max_length=LONGEST_TEXT), AfterValidator(visible)]
Quote = Annotated[str, StringConstraints(max_length=LONGEST_QUOTE), AfterValidator(visible)]
Line = Annotated[str, StringConstraints(max_length=LONGEST_LINE), AfterValidator(visible)]
Identifier = Annotated[str, StringConstraints(pattern=r"^[\w.:@-]{1,200}$")]
# Neighbouring passages that were shown as one have the ids of all of them.
Passage = Annotated[str, StringConstraints(max_length=600, pattern=r"^[\w.:@+-]+$")]
# A folder's name: whoever reads it looks it up among the domains there are.
Domain = Annotated[str, StringConstraints(pattern=r"^[^/\\\x00-\x1f]{1,200}$"), AfterValidator(visible)]
Language = Annotated[str, StringConstraints(pattern=r"^(?:[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,3})?$")]
Number = Annotated[int, Field(ge=1, le=999)]
Page = Annotated[int, Field(ge=1, le=10_000_000, description="From 1.")]
Seconds = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]


class Schema(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class SavedAuthor(Schema):
    """`family`, `given` and `suffix` only where a catalogue told them apart."""

    name: Line
    family: Line = ""
    given: Line = ""
    suffix: Line = ""


class SavedReference(Schema):
    """A document that is cited; what is not known is empty. `date` and `accessed` are ISO 8601."""

    document: Identifier
    source: Line
    title: Line
    kind: Line = ""
    language: Language = ""
    authors: tuple[SavedAuthor, ...] = Field((), max_length=5_000)
    date: Line = ""
    url: Annotated[str, StringConstraints(max_length=2_000)] = ""
    doi: Line = ""
    arxiv: Line = ""
    category: Line = ""
    journal: Line = ""
    report: Line = ""
    form: Line = ""
    publisher: Line = ""
    accessed: Line = ""
    pages: tuple[Page, ...] = Field((), max_length=10_000)


class SavedSentence(Schema):
    """`citations` are numbers of the answer's citations; `supported` is false where no passage bears it out."""

    text: Long
    citations: tuple[Number, ...] = Field((), max_length=100)
    supported: bool = True


class SavedCitation(Schema):
    """What `[number]` stands for: `quote` is an exact part of `page` of `document`, `passage` the id of the chunk."""

    number: Number
    document: Identifier
    passage: Passage
    page: Page
    quote: Quote


class SavedAnswer(Schema):
    """`confidence` is in [0, 1]; `timings` are seconds by stage; `model` names what wrote it, `failures` what should
    have, each with why it did not.
    """

    text: Long
    language: Language
    model: Line
    confidence: Annotated[float, Field(ge=0, le=1)]
    answerable: bool = True
    courtesy: bool = False
    shortened: bool = False
    cached: bool = False
    sentences: tuple[SavedSentence, ...] = Field((), max_length=5_000)
    citations: tuple[SavedCitation, ...] = Field((), max_length=1_000)
    notices: tuple[Line, ...] = Field((), max_length=50)
    timings: dict[Line, Seconds] = Field({}, max_length=100)
    failures: tuple[tuple[Line, Line], ...] = Field((), max_length=50)

    @model_validator(mode="after")
    def _numbers_stand_for_one_passage(self) -> Self:
        groups: dict[int, list[SavedCitation]] = {}
        for citation in self.citations:
            groups.setdefault(citation.number, []).append(citation)
        for number, group in groups.items():
            pages = [citation.page for citation in group]
            if len({(citation.document, citation.passage) for citation in group}) > 1:
                raise ValueError(f"citation {number} stands for several passages")
            if max(pages) - min(pages) > _PAGES_OF_A_PASSAGE:
                raise ValueError(f"citation {number} spans more than {_PAGES_OF_A_PASSAGE} pages")
        if unknown := {number for sentence in self.sentences for number in sentence.citations} - groups.keys():
            raise ValueError(f"a sentence has the number {min(unknown)}, for which there is no citation")
        return self


class SavedHit(Schema):
    """A passage that was found. `ranks` are its places by ranker, from 1; `also` are sources that say the same."""

    passage: Passage
    title: Line
    source: Line
    page: Page
    heading: Line = ""
    score: Annotated[float, Field(ge=-1e9, le=1e9, allow_inf_nan=False)]
    ranks: dict[Line, Annotated[int, Field(ge=1, le=10**9)]] = Field({}, max_length=10)
    also: tuple[Line, ...] = Field((), max_length=MOST_FOUND)


class SavedRetrieval(Schema):
    """How passages were found: the language of the question, the words that those of each language were compared with,
    the terms of the glossary in it, and the passages, the best first.
    """

    language: Language
    queries: dict[Line, Line] = Field({}, max_length=20)
    terms: tuple[Line, ...] = Field((), max_length=MOST_FOUND)
    hits: tuple[SavedHit, ...] = Field((), max_length=MOST_FOUND)


class SavedExchange(Schema):
    """A question with its answer, or why it has none. `text` is what was written until then.

    `found` is None where it is not known.
    `rated_as` is what the page calls the answer by, for whoever rates it; empty where it can't be rated.
    """

    question: Long
    searched: Long = ""
    found: SavedRetrieval | None = None
    answer: SavedAnswer | None = None
    text: Long = ""
    failure: Line = ""
    stopped: bool = False
    filters: dict[Line, Line] = Field({}, max_length=10)
    rated_as: Annotated[str, StringConstraints(pattern=r"^(?:page-[0-9a-f]{32})?$")] = ""


class Head(Schema):
    """What every version has, whatever else it looks like."""

    lacerta: Literal["conversation"]
    version: Annotated[int, AfterValidator(_current)]


class Saved(Head):
    """A conversation with one domain. `references` has each document that a citation names, once."""

    domain: Domain
    index_version: Line
    language: Language = Field(description="Of the interface.")
    exported: Line = Field(description="Day, ISO 8601.")
    exchanges: tuple[SavedExchange, ...] = Field(max_length=MOST_EXCHANGES)
    references: tuple[SavedReference, ...] = Field(max_length=MOST_REFERENCES)

    @model_validator(mode="after")
    def _cited_documents_are_there(self) -> Self:
        known = {reference.document for reference in self.references}
        if len(known) < len(self.references):
            raise ValueError("a document is there twice among the references")
        if unknown := {citation.document for citation in self.citations()} - known:
            raise ValueError(f"the document {min(unknown)} is cited but not among the references")
        return self

    def citations(self) -> Iterator[SavedCitation]:
        """Those of all answers."""
        for exchange in self.exchanges:
            yield from exchange.answer.citations if exchange.answer else ()
