"""What an answer cites as bibliographic references, from what the index knows of its documents.

Nothing is invented: what neither the document nor where it was fetched from tells stays empty.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date

from rag.index import DocumentRecord
from rag.text import flatten, visible
from rag.types import Answer, Chunk, Citation
from web.conversation import Conversation
from web.export.identifiers import arxiv_category, find_arxiv, find_doi, web_address

LONGEST = 1000
"""Characters of the longest value that is kept of a document's own description, but of the list of its authors."""
_MOST_AUTHORS, _LONGEST_NAME = 5000, 200
_PAGED = ("pdf",)
_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?(?![\d-])")
_EARLIEST, _LATEST = 1450, 2199
_GROUP = re.compile(
    r"\b(?:collaborations?|consortium|team|group|project|survey|network|university|institute|agency|committee)\b"
    r"|\band\b|&",
    re.IGNORECASE,
)
_SUFFIXES = frozenset(("jr", "jr.", "sr", "sr.", "ii", "iii", "iv"))
_PARTICLES = frozenset(
    "af al am auf da das de degli dei del della den der des di do dos du el la le les lo of ten ter van vom von y zu"
    " zum zur".split()
)
_MAIL = re.compile(r"\s*<[^<>]*>")


@dataclass(frozen=True, slots=True)
class Author:
    """`name` as it is shown; `family`, `given` and `suffix` where a catalogue tells them apart, else empty.

    Which part of another name is the family's is not guessed: Hungarian and Korean put it first.
    """

    name: str
    family: str = ""
    given: str = ""
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Reference:
    """A document as a bibliography names it; what is not known is empty.

    `document` is its id and `source` its path in the index, `kind` the kind of file. `date` is ISO 8601, as exact as it
    is known: `2024`, `2024-03` or `2024-03-01`. `url` is http or https, in ASCII; for a page that changes, that of the
    revision. `arxiv` has the version, `category` is arXiv's primary one. `journal` is the place of publication as it is
    stated, `report` numbers of a report, `form` what the catalogue calls it. `accessed` is the day of which the text
    is. `pages` are those that were cited, 1-based and in order, empty where the file has none to turn to.
    """

    document: str
    source: str
    title: str
    kind: str = ""
    language: str = ""
    authors: tuple[Author, ...] = ()
    date: str = ""
    url: str = ""
    doi: str = ""
    arxiv: str = ""
    category: str = ""
    journal: str = ""
    report: str = ""
    form: str = ""
    publisher: str = ""
    accessed: str = ""
    pages: tuple[int, ...] = ()

    @property
    def link(self) -> str:
        """Where to find it: its own address, else arXiv's page or that of its DOI; empty where there is none."""
        if self.url:
            return self.url
        if self.arxiv:
            return f"https://arxiv.org/abs/{self.arxiv}"
        return web_address(f"https://doi.org/{self.doi}") if self.doi else ""

    @property
    def year(self) -> str:
        return self.date[:4]


@dataclass(frozen=True, slots=True)
class Cited:
    """What one number of an answer stands for. `quotes` are exact parts of the document, as the answer cites them."""

    number: int
    reference: Reference
    quotes: tuple[str, ...]


Documents = Mapping[str, DocumentRecord | Reference]
"""What is known of documents by id: those of the index, or what a conversation that was kept says of its own."""


def reference_of(record: DocumentRecord, pages: Iterable[int] = (), accessed: str = "") -> Reference:
    """The reference to a document of an index, with the pages that were cited.

    `accessed` is the day of the index version (ISO 8601), of which the text is: `Manifest.created`.
    """
    known = {
        name: line(value, None if name in ("author", "authors") else LONGEST) for name, value in record.metadata.items()
    }
    names = (record.source, *record.names)
    own = web_address(known.get("url", ""))
    doi = find_doi(known.get("doi", ""), own, names, known.get("subject", ""))
    arxiv = find_arxiv(known.get("identifier", ""), own, doi, names)
    permalink = web_address(known.get("permalink", ""))
    url = permalink or own
    published = iso_date(known.get("published", "")) or iso_date(known.get("date", ""))
    return Reference(
        document=record.id,
        source=line(record.source),
        title=line(record.title),
        kind=record.kind,
        language=record.language,
        authors=_authors(known, record.kind, arxiv),
        # A revision has no other date than its own.
        date=published or (iso_date(known.get("updated", "")) if permalink else ""),
        url=url,
        doi=doi,
        arxiv=arxiv,
        category=arxiv_category(known.get("categories", "")) if arxiv else "",
        journal=known.get("journal", ""),
        report=known.get("report", ""),
        form=known.get("type", ""),
        publisher=known.get("publisher", "") or known.get("site", ""),
        accessed=iso_date(accessed) if url else "",
        pages=tuple(sorted(set(pages))) if record.kind in _PAGED else (),
    )


def reference_of_chunk(chunk: Chunk, pages: Iterable[int] = ()) -> Reference:
    """The reference to a document that is no longer in the index, from what its passage says."""
    paged = chunk.source.lower().endswith(".pdf")
    return Reference(
        document=chunk.document_id,
        source=line(chunk.source),
        title=line(chunk.title),
        language=chunk.language,
        doi=find_doi("", "", (chunk.source,)),
        arxiv=find_arxiv("", "", "", (chunk.source,)),
        pages=tuple(sorted(set(pages))) if paged else (),
    )


def cited(answer: Answer, documents: Documents, accessed: str = "") -> tuple[Cited, ...]:
    """What the numbers of an answer stand for, in their order."""
    by_number: dict[int, list[Citation]] = {}
    for citation in answer.citations:
        by_number.setdefault(citation.number, []).append(citation)
    return tuple(
        Cited(
            number,
            _reference(found[0].chunk, documents, [citation.page for citation in found], accessed),
            tuple(dict.fromkeys(line(citation.quote, None) for citation in found)),
        )
        for number, found in sorted(by_number.items())
    )


def references(conversation: Conversation, documents: Documents, accessed: str = "") -> tuple[Reference, ...]:
    """The documents that a conversation's answers cite, each once with all pages, in the order of first mention."""
    found: dict[str, Reference] = {}
    for exchange in conversation:
        for item in cited(exchange.answer, documents, accessed) if exchange.answer else ():
            reference = item.reference
            before = found.get(reference.document, reference)
            pages = tuple(sorted({*before.pages, *reference.pages}))
            found[reference.document] = replace(before, pages=pages)
    return tuple(found.values())


def line(text: str, longest: int | None = LONGEST) -> str:
    """A text in one line, without anything invisible, such as marks that turn the direction of writing."""
    return flatten(visible(text))[:longest].strip()


def iso_date(text: str) -> str:
    """The date that a text begins with, to the day, month or year; empty where it is none of the calendar."""
    match = _DATE.match(text.partition("T")[0].strip())
    if not match or not text.isascii() or not _EARLIEST <= int(match[1]) <= _LATEST:
        return ""
    try:
        date(int(match[1]), int(match[2] or 1), int(match[3] or 1))
    except ValueError:
        return ""
    return match[0]


def _reference(chunk: Chunk, documents: Documents, pages: Iterable[int], accessed: str) -> Reference:
    known = documents.get(chunk.document_id)
    if isinstance(known, Reference):
        return replace(known, pages=tuple(sorted(set(pages))) if known.kind in _PAGED else ())
    return reference_of(known, pages, accessed) if known else reference_of_chunk(chunk, pages)


def _authors(known: Mapping[str, str], kind: str, arxiv: str) -> tuple[Author, ...]:
    stated = known.get("authors", "")
    if stated and arxiv:
        # Its lists part names by commas, and write given names first.
        return tuple(_given_first(name) for name in _joined_suffixes(stated.split(",")))
    if stated and known.get("identifier", "").startswith("NTRS "):
        return tuple(_family_first(name) for name in _named(stated.split(";")))
    stated = stated or known.get("author", "")
    if kind == "eml":
        stated = _MAIL.sub("", stated).strip(" \"'") or stated
    # Organisations have commas and "and" in their names; a semicolon parts names and nothing else.
    return tuple(Author(name) for name in _named(stated.split(";")))


def _named(parts: Iterable[str]) -> list[str]:
    names = (part.strip()[:_LONGEST_NAME] for part in parts)
    return [name for name in names if any(map(str.isalpha, name))][:_MOST_AUTHORS]


def _joined_suffixes(parts: Iterable[str]) -> list[str]:
    names: list[str] = []
    for name in _named(parts):
        if names and name.lower() in _SUFFIXES:
            names[-1] += f" {name}"
        else:
            names.append(name)
    return names


def _given_first(name: str) -> Author:
    words = name.split()
    suffix = words.pop() if len(words) > 2 and words[-1].lower() in _SUFFIXES else ""
    if len(words) < 2 or _GROUP.search(name) or words[0].lower() == "the":
        return Author(name)
    first = len(words) - 1
    while first > 1 and words[first - 1].lower() in _PARTICLES and words[first - 1].islower():
        first -= 1
    return Author(name, " ".join(words[first:]), " ".join(words[:first]), suffix)


def _family_first(name: str) -> Author:
    parts = [part.strip() for part in name.split(",")]
    if not all(parts) or not 2 <= len(parts) <= 3 or len(parts) == 3 and parts[2].lower() not in _SUFFIXES:
        return Author(name)
    family, given, suffix = (*parts, "")[:3]
    return Author(f"{given} {family} {suffix}".strip(), family, given, suffix)
